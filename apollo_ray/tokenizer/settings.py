"""Settings of the tokenizer stage."""

from typing import Annotated

from pydantic import Field

from apollo_ray.config import INPUT, Settings


class StageSettings(Settings):
    """Which documents to learn the merges from, and how many ids there are (256 bytes and the end token included)."""

    documents: Annotated[tuple[str, ...], INPUT, Field(min_length=1)]
    vocabulary_size: Annotated[int, Field(ge=300, le=1_000_000)] = 4_096
