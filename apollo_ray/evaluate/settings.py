"""Settings of the evaluate stage."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from apollo_ray.config import FILES, INPUT, Name, Settings, how_to_run
from apollo_ray.evaluate.protocols import Protocol
from apollo_ray.evaluate.published import END_OF_SHOT

Task = Literal["choice", "text", "ask"]
ChoiceMethod = Literal["loglikelihood", "generation"]
Method = Literal["loglikelihood", "generation", "perplexity", "ask"]
"""How an answer was got: the first two for choice, perplexity for text, ask for ask."""


class Benchmark(Settings):
    """Files with questions of one kind: choice (options and a letter), text (a reference answer) or ask."""

    name: Name
    path: Annotated[str, FILES]  # file, folder or glob at any fsspec address, hf://datasets/OWNER/NAME/FILE too
    dev: Annotated[str | None, FILES] = None  # files whose items may be shots; those that test has too are left out
    per_source: bool = False  # count by each row's `source`: XMedBench has up to four benchmarks in a file
    task: Task
    lang: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")] | None = None  # None: each row's lang, else of the file's name


class StageSettings(Settings):
    """Which models answer which benchmarks. The key is read from APOLLO_API_KEY or OPENAI_API_KEY and never stored."""

    endpoint: Annotated[str, INPUT]  # name of a serve step, or an http(s) address that ends in /v1
    models: Annotated[tuple[str, ...], Field(min_length=1)]  # names that the endpoint knows
    benchmarks: Annotated[tuple[Benchmark, ...], Field(min_length=1)]
    methods: Annotated[tuple[ChoiceMethod, ...], Field(min_length=1)] = ("loglikelihood", "generation")  # of choice
    protocol: Protocol = "strict"  # paper: as published, faults included, to hold against Table 3 alone
    shots: Literal[0, 3, 5] = 0  # answered items before each question: from dev, or for paper from test, as published
    end_of_shot: str = END_OF_SHOT  # of paper alone: <|endoftext|> for Qwen and Yi, <eos> for Gemma, </s> for Llama
    rotations: Annotated[int, Field(ge=1, le=10)] = 1  # orders in which each item's options are shown
    exclude_unfit: bool | None = None  # items that the audit finds unfit; None: not asked by strict, asked by paper
    template: Literal["apollo"] = "apollo"  # User:{question}\nAssistant:
    max_new_tokens: Annotated[int, Field(ge=1)] = 64  # of an answer to a free question
    limit: Annotated[int, Field(ge=1)] | None = None  # items per benchmark and language, the first in order of id
    concurrency: int = how_to_run(8, ge=1)  # requests under way at once
    timeout_s: float = how_to_run(120.0, gt=0)
    retries: int = how_to_run(4, ge=0)  # with back-off and Retry-After

    @field_validator("endpoint")
    @classmethod
    def _is_step_or_address(cls, endpoint: str) -> str:
        if not re.fullmatch(r"https?://[^/\s]+(/\S*)?/v1/?|[a-z][a-z0-9_-]*", endpoint):
            raise ValueError("expected the name of a serve step, or an http(s) address that ends in /v1")
        return endpoint

    @field_validator("models", "methods")
    @classmethod
    def _once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not name.strip():
                raise ValueError("a name is empty")
            if names.count(name) > 1:
                raise ValueError(f"{name!r} is given twice")
        return names

    @field_validator("benchmarks")
    @classmethod
    def _names_differ(cls, benchmarks: tuple[Benchmark, ...]) -> tuple[Benchmark, ...]:
        names = [benchmark.name for benchmark in benchmarks]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two benchmarks have the name {name!r}")
        return benchmarks

    @model_validator(mode="after")
    def _shots_have_a_source(self) -> Self:
        if self.protocol == "strict" and self.shots:
            for benchmark in self.benchmarks:
                if benchmark.task == "choice" and benchmark.dev is None:
                    raise ValueError(f"shots: {self.shots} needs benchmarks.{benchmark.name}.dev")
        return self

    def methods_of(self, task: Task) -> tuple[Method, ...]:
        """The methods by which an item of `task` is asked."""
        if task == "choice":
            return self.methods
        return ("perplexity",) if task == "text" else ("ask",)
