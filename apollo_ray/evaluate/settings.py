"""Settings of the evaluate stage."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from apollo_ray.config import FILES, INPUT, Name, Settings, how_to_run
from apollo_ray.evaluate.protocols import Protocol
from apollo_ray.evaluate.published import END_OF_SHOT

Task = Literal["choice", "text", "ask"]
ChoiceMethod = Literal["loglikelihood", "generation"]
Method = Literal["loglikelihood", "generation", "perplexity", "ask"]
"""How an answer was got: the first two for choice, perplexity for text, ask for ask."""

MAX_ALPHA = 100.0
"""As the serve stage has it."""

Words = Annotated[str, Field(pattern=r"\S")]


class Benchmark(Settings):
    """Files with questions of one kind: choice (options and a letter), text (a reference answer) or ask."""

    name: Name
    path: Annotated[str, FILES]  # file, folder or glob at any fsspec address, hf://datasets/OWNER/NAME/FILE too
    dev: Annotated[str | None, FILES] = None  # files whose items may be shots; those that test has too are left out
    per_source: bool = False  # count by each row's `source`: XMedBench has up to four benchmarks in a file
    task: Task
    lang: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")] | None = None  # None: each row's lang, else of the file's name


class LocalModel(Settings):
    """A model that is asked without a server."""

    name: Words
    model: Annotated[str, INPUT]  # a train step, a folder or a Hugging Face id


class LocalEnsemble(Settings):
    """base + alpha * (expert - anti_expert) without a server; each is a train step, a folder or a Hugging Face id."""

    name: Words
    base: Annotated[str, INPUT]
    expert: Annotated[str, INPUT]
    anti_expert: Annotated[str, INPUT]
    alpha: Annotated[float, Field(ge=-MAX_ALPHA, le=MAX_ALPHA)] = 1.0


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "name"
    keys = value.keys() if isinstance(value, dict) else type(value).model_fields if isinstance(value, Settings) else ()
    return "ensemble" if {"base", "expert", "anti_expert"} & set(keys) else "model"


Model = Annotated[
    Annotated[Words, Tag("name")] | Annotated[LocalModel, Tag("model")] | Annotated[LocalEnsemble, Tag("ensemble")],
    Discriminator(_kind),
]


class StageSettings(Settings):
    """Which models answer which benchmarks. The key is read from APOLLO_API_KEY or OPENAI_API_KEY and never stored."""

    endpoint: Annotated[str | None, INPUT] = None  # a serve step, or an http(s) address that ends in /v1; None: local
    models: Annotated[tuple[Model, ...], Field(min_length=1)]  # names that the endpoint knows, or local models
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
    dtype: Literal["float32", "bfloat16"] = "float32"  # of local weights; log-probabilities are float32
    workers: int = how_to_run(1, ge=1)  # actors, each with all local models
    gpus_per_worker: float = how_to_run(0.0, ge=0)
    tokens_per_batch: int = how_to_run(4096, ge=1)  # of local models, padding included
    concurrency: int = how_to_run(8, ge=1)  # requests under way at an endpoint at once
    timeout_s: float = how_to_run(120.0, gt=0)
    retries: int = how_to_run(4, ge=0)  # with back-off and Retry-After

    @field_validator("endpoint")
    @classmethod
    def _is_step_or_address(cls, endpoint: str | None) -> str | None:
        if endpoint is not None and not re.fullmatch(r"https?://[^/\s]+(/\S*)?/v1/?|[a-z][a-z0-9_-]*", endpoint):
            raise ValueError("expected the name of a serve step, or an http(s) address that ends in /v1")
        return endpoint

    @field_validator("models", "methods")
    @classmethod
    def _once(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        names = [value if isinstance(value, str) else value.name for value in values]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name!r} is given twice")
        return values

    @field_validator("benchmarks")
    @classmethod
    def _names_differ(cls, benchmarks: tuple[Benchmark, ...]) -> tuple[Benchmark, ...]:
        names = [benchmark.name for benchmark in benchmarks]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two benchmarks have the name {name!r}")
        return benchmarks

    @model_validator(mode="after")
    def _models_are_somewhere(self) -> Self:
        for model in self.models:
            if self.endpoint is None and isinstance(model, str):
                raise ValueError(
                    f"models: {model!r} is a name that an endpoint must know; give endpoint, or in its place "
                    f"{{name: {model}, model: STEP_OR_FOLDER}}"
                )
            if self.endpoint is not None and not isinstance(model, str):
                raise ValueError(f"models: {model.name!r} is local; give its name at the endpoint, or no endpoint")
        return self

    @model_validator(mode="after")
    def _shots_have_a_source(self) -> Self:
        if self.protocol == "strict" and self.shots:
            for benchmark in self.benchmarks:
                if benchmark.task == "choice" and benchmark.dev is None:
                    raise ValueError(f"shots: {self.shots} needs benchmarks.{benchmark.name}.dev")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the models, in order."""
        return tuple(model if isinstance(model, str) else model.name for model in self.models)

    def methods_of(self, task: Task) -> tuple[Method, ...]:
        """The methods by which an item of `task` is asked."""
        if task == "choice":
            return self.methods
        return ("perplexity",) if task == "text" else ("ask",)
