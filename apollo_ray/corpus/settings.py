"""Settings of the corpus stage."""

from typing import Annotated, Literal

from pydantic import Field

from apollo_ray.config import FILES, Name, Settings, how_to_run
from apollo_ray.records import LANGUAGES

Format = Literal["jsonl", "parquet", "text", "apollo_text", "apollo_qa"]

MIN_CHARACTERS = {"default": 200, "zh": 70}
"""A Han character carries about as much as three Latin letters (1,300 against 430 characters for parallel text)."""


class Source(Settings):
    """Files that share an origin. Rows may carry their own title, kind and license; `kind` and `license` here win."""

    name: Name
    path: Annotated[str, FILES]  # file, folder or glob at any fsspec address
    format: Format | None = None  # None: by file name (.jsonl, .parquet, .txt; .json is Apollo's list form)
    kind: str | None = None
    license: str | None = None


class StageSettings(Settings):
    """`rows` says what the sources hold: documents to rewrite or train on, or conversations to train on."""

    rows: Literal["document", "conversation"] = "document"
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    languages: tuple[str, ...] = LANGUAGES
    min_characters: dict[str, Annotated[int, Field(ge=0)]] = MIN_CHARACTERS  # documents only, after cleaning
    max_characters: Annotated[int, Field(ge=1)] = 200_000  # documents only
    min_language_score: Annotated[float, Field(ge=0, le=1)] = 0.5
    deidentify: bool = True  # e-mail addresses and phone numbers become [EMAIL] and [PHONE]
    rows_per_block: int = how_to_run(1_000, ge=1)

    def floor(self, lang: str) -> int:
        """Fewest characters that a document of this language may have."""
        return self.min_characters.get(lang, self.min_characters.get("default", 0))
