"""What a report is made of: frozen data, neither drawn nor marked up, and how its numbers are written."""

import datetime
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from apollo_ray.records import LANGUAGES
from apollo_ray.report.curation import Curation, Leaks
from apollo_ray.report.rewriting import Rewriting
from apollo_ray.store import Manifest

if TYPE_CHECKING:  # these are built on what stands here
    from apollo_ray.report.cards import DataCard, ModelCard
    from apollo_ray.report.experiments import Experiment
    from apollo_ray.report.lineage import Node
    from apollo_ray.report.signatures import Signatures

BASE, EXPERT, ENSEMBLE = "base", "expert", "ensemble"
MODELS = (BASE, EXPERT, "anti_expert", ENSEMBLE)
"""Names that the endpoint gives its models, in the order of the report; others follow by name."""
KEPT = "kept"
"""Stands among the reasons of a funnel for the rows that met none."""
CHANCE = 0.25
"""Accuracy of guessing among four options, the usual number; a summary does not say how many there were."""


@dataclass(frozen=True)
class StepRow:
    """Where a step lies and what went through it. Without a manifest (not finished) there are no counts or times."""

    name: str
    stage: str
    needs: tuple[str, ...]
    fingerprint: str
    directory: str  # full address
    manifest: Manifest | None

    @property
    def dropped(self) -> int | None:
        return sum(self.manifest.counts.dropped.values()) if self.manifest else None

    @property
    def files(self) -> int | None:
        return len(self.manifest.data + self.manifest.dropped + self.manifest.extra) if self.manifest else None

    @property
    def bytes(self) -> int | None:
        manifest = self.manifest
        return sum(entry.bytes for entry in manifest.data + manifest.dropped + manifest.extra) if manifest else None

    @property
    def seconds(self) -> float | None:
        """From start to end, or None where the manifest has no readable times."""
        if self.manifest is None:
            return None
        try:
            started, ended = (
                datetime.datetime.fromisoformat(moment) for moment in (self.manifest.started, self.manifest.ended)
            )
            return (ended - started).total_seconds()
        except (TypeError, ValueError):  # no ISO 8601, or one with and one without a time zone
            return None


@dataclass(frozen=True)
class FunnelRow:
    """Rows of one language or source. `read == kept + sum(dropped.values())`."""

    name: str
    kept: int
    dropped: dict[str, int]

    @property
    def read(self) -> int:
        return self.kept + sum(self.dropped.values())

    @property
    def reasons(self) -> tuple[str, ...]:
        """The most frequent first."""
        return tuple(sorted(self.dropped, key=lambda reason: (-self.dropped[reason], reason)))


@dataclass(frozen=True)
class RefusedRow:
    """An example of a refused row. `text` is its beginning."""

    reason: str
    lang: str
    id: str
    source: str
    detail: str
    text: str


@dataclass(frozen=True)
class Funnel:
    """What a corpus or rewrite step read and kept. `reasons` are all reasons of drops, the most frequent first."""

    step: str
    stage: str
    unit: str
    languages: tuple[FunnelRow, ...]
    sources: tuple[FunnelRow, ...]
    reasons: tuple[str, ...]
    documents: int | None  # that a rewrite step cut into passages
    engine: str | None  # that wrote the questions and answers of a rewrite step
    crossed: tuple[tuple[str, tuple[FunnelRow, ...]], ...] = ()  # language -> its sources
    refused: tuple[RefusedRow, ...] = ()  # of a corpus step; samples of a rewrite step stand in its Rewriting

    def row(self, language: str) -> FunnelRow | None:
        return next((row for row in self.languages if row.name == language), None)


@dataclass(frozen=True)
class Mix:
    """`shares` has one value a bin for each class: its share of the bin's tokens, 0 to 1, in the order of training."""

    step: str
    shares: dict[str, tuple[float, ...]]
    summary: dict[str, Any]


@dataclass(frozen=True)
class Training:
    """`curve` has (optimizer step, loss in nats per token) of every step."""

    step: str
    curve: tuple[tuple[int, float], ...]
    summary: dict[str, Any]


@dataclass(frozen=True)
class Perplexities:
    """Perplexity on one benchmark's held-out text. Values that are no finite numbers are left out."""

    step: str
    benchmark: str
    models: tuple[str, ...]
    languages: tuple[str, ...]
    values: dict[tuple[str, str], float]  # (language, model) ->
    tokens: dict[tuple[str, str], int | None]

    def comparable(self, language: str, models: Iterable[str]) -> bool:
        """Perplexities are per token, so they compare only over the same number of tokens."""
        return len({self.tokens.get((language, model)) for model in models}) == 1

    def token_counts(self, language: str) -> list[int]:
        """The different numbers of tokens that models saw, ascending; one where they saw the same."""
        found = {self.tokens.get((language, model)) for model in self.models}
        return sorted(number for number in found if number is not None)

    def best(self, language: str) -> tuple[str, ...]:
        """Models with the lowest perplexity; none where there is nothing to compare."""
        found = [model for model in self.models if (language, model) in self.values]
        if len(found) < 2 or not self.comparable(language, found):
            return ()
        lowest = min(self.values[language, model] for model in found)
        return tuple(model for model in found if self.values[language, model] == lowest)

    def ratio(self, language: str, to: str = BASE) -> float | None:
        """Ensemble over another model: below 1 the ensemble is better."""
        ensemble, other = (self.values.get((language, model)) for model in (ENSEMBLE, to))
        if ensemble is None or not other or not self.comparable(language, (ENSEMBLE, to)):
            return None
        return ensemble / other


@dataclass(frozen=True)
class Score:
    """Accuracy of one model in one language, 0 to 1, with its 95 % interval; nan where every answer was refused."""

    model: str
    lang: str
    correct: int
    total: int
    unparsed: int
    refused: int
    accuracy: float
    low: float
    high: float
    majority: float | None = None  # of always saying the letter that is right most often

    @property
    def measured(self) -> bool:
        return math.isfinite(self.accuracy)


@dataclass(frozen=True)
class Accuracies:
    """Accuracy on the choice questions of one benchmark, read in one way (method)."""

    step: str
    benchmark: str
    method: str
    models: tuple[str, ...]
    languages: tuple[str, ...]
    scores: dict[tuple[str, str], Score]  # (language, model) ->
    means: dict[str, float]  # model -> mean over its languages
    mode: str | None  # how the questions were put and read


@dataclass(frozen=True)
class Overall:
    """Accuracy of one model over all choice questions of a step, each mean as (value, lower end, upper end)."""

    step: str
    model: str
    method: str
    benchmarks: int
    languages: int
    mean_of_benchmarks: tuple[float, float, float]  # each benchmark in a language counts once: the paper's mean
    macro: tuple[float, float, float]  # each language counts once


@dataclass(frozen=True)
class Answer:
    step: str
    model: str
    lang: str
    question: str
    text: str


@dataclass(frozen=True)
class Service:
    """A serve step: its strength and the models behind it, role -> (name or JSON)."""

    step: str
    vocabulary: int | None
    alpha: float | None
    models: dict[str, str]


@dataclass(frozen=True)
class Report:
    run: str
    store: str
    verdict: tuple[str, ...]
    steps: tuple[StepRow, ...]
    funnels: tuple[Funnel, ...]
    curations: tuple[Curation, ...]
    leaks: tuple[Leaks, ...]
    unsearched: tuple[str, ...]  # corpus and rewrite steps that did not look for overlaps with benchmarks
    rewritings: tuple[Rewriting, ...]
    mixes: tuple[Mix, ...]
    trainings: tuple[Training, ...]
    perplexities: tuple[Perplexities, ...]
    accuracies: tuple[Accuracies, ...]
    overall: tuple[Overall, ...]
    signatures: "tuple[Signatures, ...]"
    answers: tuple[Answer, ...]
    services: tuple[Service, ...]
    warnings: tuple[tuple[str, str], ...]  # (step, text)
    experiments: "tuple[Experiment, ...]"
    lineage: "tuple[Node, ...]"  # a tree for each evaluate step
    data_card: "DataCard"
    model_card: "ModelCard"

    def absent(self, *stages: str) -> str:
        """What the steps of these stages still owe, as a sentence; empty where all are finished."""
        mine = [step for step in self.steps if step.stage in stages]
        if not mine:
            return f"No {' or '.join(stages)} step is in this report."
        pending = [step.name for step in mine if step.manifest is None]
        return f"Not finished: {', '.join(pending)}." if pending else ""

    @property
    def funnel_languages(self) -> tuple[str, ...]:
        """Every language that a corpus or rewrite step read."""
        return ordered((row.name for funnel in self.funnels for row in funnel.languages), LANGUAGES)

    @property
    def packages(self) -> tuple[str, ...]:
        """Every package that a manifest names a version of."""
        return tuple(sorted({name for step in self.steps if step.manifest for name in step.manifest.versions}))


def total(rows: Iterable[FunnelRow]) -> FunnelRow:
    """All rows together."""
    dropped: Counter[str] = Counter()
    kept = 0
    for row in rows:
        kept += row.kept
        dropped.update(row.dropped)
    return FunnelRow("all", kept, dict(dropped))


def ordered(names: Iterable[str], first: tuple[str, ...]) -> tuple[str, ...]:
    """Each name once: those of `first` in its order, then the rest by name."""
    found = set(names)
    return tuple(name for name in first if name in found) + tuple(sorted(found - set(first)))


def shown(value: float | None, digits: int = 0) -> str:
    """A number with thousands separators, or a dash where there is none."""
    return "-" if value is None or not math.isfinite(value) else f"{value:,.{digits}f}"


def percent(value: float | None, digits: int = 1) -> str:
    """A share as percent, or a dash where there is none."""
    return "-" if value is None or not math.isfinite(value) else f"{100 * value:.{digits}f} %"
