"""Settings of the evaluate stage."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from apollo_ray.config import FILES, INPUT, Name, Settings, how_to_run
from apollo_ray.evaluate.protocols import Protocol

Task = Literal["choice", "text", "ask"]
ChoiceMethod = Literal["loglikelihood", "generation"]
Method = Literal["loglikelihood", "generation", "perplexity", "ask"]
"""How an answer was got: the first two for choice, perplexity for text, ask for ask."""


class Benchmark(Settings):
    """JSON Lines files with questions of one kind: choice (options and a letter), text (a reference answer) or ask."""

    name: Name
    path: Annotated[str, FILES]  # file, folder or glob at any fsspec address
    task: Task
    lang: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")] | None = None  # None: each row's lang, else of the file's name


class StageSettings(Settings):
    """Which models answer which benchmarks. The key is read from APOLLO_API_KEY or OPENAI_API_KEY and never stored."""

    endpoint: Annotated[str, INPUT]  # name of a serve step, or an http(s) address that ends in /v1
    models: Annotated[tuple[str, ...], Field(min_length=1)]  # names that the endpoint knows
    benchmarks: Annotated[tuple[Benchmark, ...], Field(min_length=1)]
    methods: Annotated[tuple[ChoiceMethod, ...], Field(min_length=1)] = ("loglikelihood", "generation")  # of choice
    protocol: Protocol = "strict"  # paper: as published, faults included, to hold against Table 3 alone
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

    def methods_of(self, task: Task) -> tuple[Method, ...]:
        """The methods by which an item of `task` is asked."""
        if task == "choice":
            return self.methods
        return ("perplexity",) if task == "text" else ("ask",)
