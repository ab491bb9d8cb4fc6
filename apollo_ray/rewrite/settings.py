"""Settings of the rewrite stage."""

from typing import Annotated, Literal

from pydantic import Field

from apollo_ray.config import INPUT, Settings, how_to_run
from apollo_ray.leaks import Decontamination

MAX_CHARACTERS = {"default": 8_000, "zh": 450, "ar": 500}
"""Longest passage. Stands for the paper's blocks of 2,048 tokens (en es fr hi), 256 (zh) and 128 (ar)."""

MIN_ANSWER_CHARACTERS = {"default": 32, "zh": 12}
"""Shortest answer. The published script drops below 32 characters in every language, which is unfair to Chinese."""


class TemplateEngine(Settings):
    """Questions by pattern from titles, headings and dialogue turns; answers are the passage's own words. No LLM."""

    kind: Literal["template"] = "template"


class OpenAIEngine(Settings):
    """Any OpenAI-compatible endpoint, asked twice a passage: a question, then the answer with the passage as reference.

    Sampling defaults are those of Apollo's published script (src/process/openai_rewrite/OpenAIGPT.py). The key is read
    from the environment variable OPENAI_API_KEY and is never stored.
    """

    kind: Literal["openai"]
    model: str
    base_url: str = "https://api.openai.com/v1"
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.6
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.8
    frequency_penalty: float = 0.6
    presence_penalty: float = 0.8
    max_tokens: Annotated[int, Field(ge=1)] = 2_048
    seed: int = 0
    concurrency: int = how_to_run(8, ge=1)  # requests under way at once, per task
    timeout_s: float = how_to_run(120.0, gt=0)
    retries: int = how_to_run(6, ge=0)  # with back-off and Retry-After


class StageSettings(Settings):
    """Which documents to rewrite, by what, and what an answer must have."""

    documents: Annotated[tuple[str, ...], INPUT, Field(min_length=1)]  # corpus steps
    engine: Annotated[TemplateEngine | OpenAIEngine, Field(discriminator="kind")] = TemplateEngine()
    max_characters: dict[str, Annotated[int, Field(ge=50)]] = MAX_CHARACTERS
    min_answer_characters: dict[str, Annotated[int, Field(ge=1)]] = MIN_ANSWER_CHARACTERS
    decontaminate: Decontamination | None = None  # an engine may know a benchmark's questions by heart

    def passage_limit(self, lang: str) -> int:
        return self.max_characters.get(lang, self.max_characters.get("default", 8_000))

    def answer_floor(self, lang: str) -> int:
        return self.min_answer_characters.get(lang, self.min_answer_characters.get("default", 1))
