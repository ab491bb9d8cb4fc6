"""Settings of the corpus stage."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from apollo_ray.config import FILES, INPUT, Name, Settings, how_to_run
from apollo_ray.leaks import Decontamination
from apollo_ray.records import LANGUAGES

Format = Literal["jsonl", "parquet", "text", "page", "apollo_text", "apollo_qa"]
Kind = Literal["book", "paper", "encyclopedia", "guideline", "web", "patient", "exam", "general", "math", "code"]
Phase = Literal["pretraining", "instruction"]

MIN_CHARACTERS = {"default": 200, "zh": 70}
"""A Han character carries about as much as three Latin letters (1,300 against 430 characters for parallel text)."""

KIND_RANK: tuple[Kind, ...] = (
    "guideline", "book", "paper", "encyclopedia", "exam", "math", "code", "patient", "general", "web",
)  # fmt: skip
"""Of copies equally long the one from the best source stays: edited before collected before crawled."""


class Source(Settings):
    """Files that share an origin. Rows may carry their own title, kind and license; what stands here wins."""

    name: Name
    path: Annotated[str, FILES]  # file, folder or glob at any fsspec address
    format: Format | None = None  # None: by file name (.jsonl, .parquet, .txt, .html ...; .json is Apollo's list form)
    lang: str | None = None  # declared language: a prior for the tags of short texts, never a veto
    kind: Kind | None = None
    phase: Phase | None = None  # where the mix stage puts its rows; None: as the paper does by kind
    license: str | None = None


class Language(Settings):
    """How languages are tagged."""

    engine: Literal["profiles", "langdetect", "fasttext"] = "profiles"  # fasttext needs the extra [language]
    min_score: Annotated[float, Field(ge=0, le=1)] = 0.5
    cross_check: bool = False  # fasttext must agree; needs the extra [language]
    mixed: Literal["keep", "drop"] = "keep"  # documents in two languages: kept and marked in other_lang, or dropped


class Deidentify(Settings):
    """Rules for six languages; a token-classification model on top of them where one is named."""

    model: Annotated[str | None, INPUT] = None  # a hub id or a folder
    labels: dict[str, str] = Field(default_factory=dict)  # the model's label -> NAME, ADDRESS, DATE ...
    min_score: Annotated[float, Field(ge=0, le=1)] = 0.5


class StageSettings(Settings):
    """`rows` says what the sources hold: documents to rewrite or train on, or conversations to train on."""

    rows: Literal["document", "conversation"] = "document"
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    languages: tuple[str, ...] = LANGUAGES
    language: Language = Language()
    min_characters: dict[str, Annotated[int, Field(ge=0)]] = MIN_CHARACTERS  # documents only, after cleaning
    max_characters: Annotated[int, Field(ge=1)] = 2_000_000  # documents only
    quality: bool = True  # rules calibrated by language and kind
    deidentify: bool | Deidentify = True
    duplicates: Literal["near", "exact", "keep"] = "near"  # which copies are dropped
    decontaminate: Decontamination | None = None
    bytes_per_task: int = how_to_run(8 * 2**20, ge=1)  # of a source, read and worked on at once
    rows_on_driver: int = how_to_run(1_000_000, ge=0)  # a kilobyte each; with more, near copies are sought by a shuffle

    @field_validator("sources")
    @classmethod
    def _names_differ(cls, sources: tuple[Source, ...]) -> tuple[Source, ...]:
        names = [source.name for source in sources]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two sources have the name {name!r}")
        return sources

    def floor(self, lang: str) -> int:
        """Fewest characters that a document of this language may have."""
        return self.min_characters.get(lang, self.min_characters.get("default", 0))
