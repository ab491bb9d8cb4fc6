"""What the model card and the data card of a run say, from its manifests. Every key of a summary may be absent."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from apollo_ray.report.contents import Funnel
from apollo_ray.report.curation import Curation, Leaks
from apollo_ray.report.lineage import ROLES
from apollo_ray.report.reading import count, counts, mapping, number, objects, text
from apollo_ray.store import Manifest

UNSTATED = "not stated"


@dataclass(frozen=True)
class Origin:
    """A source of a corpus step. `license` is what the run's file states; rows may carry their own."""

    step: str
    name: str
    path: str
    license: str
    read: int
    kept: int


@dataclass(frozen=True)
class Guard:
    """What one step did for privacy and against leaked benchmarks."""

    step: str
    stage: str
    deidentified: str  # in words
    replaced: int | None  # placeholders; None where the step does not de-identify
    benchmarks: tuple[str, ...]  # that it looked for; empty: it did not look
    overlaps: int


@dataclass(frozen=True)
class DataCard:
    origins: tuple[Origin, ...]
    licenses: tuple[tuple[str, dict[str, int]], ...]  # mix step -> licence -> rows that are trained on
    guards: tuple[Guard, ...]
    written: tuple[str, ...]  # rewrite steps with what wrote their text


@dataclass(frozen=True)
class Model:
    """A train step. `size` in words, `data` its mix step, `languages` tokens of one pass over it."""

    step: str
    start: str
    size: str
    parameters: int | None
    data: str
    tokens: int | None
    languages: dict[str, int]
    settings: str
    final_loss: float | None
    serves: tuple[str, ...]  # "base of ensemble"


@dataclass(frozen=True)
class ModelCard:
    models: tuple[Model, ...]
    benchmarks: tuple[str, ...]  # that models of this run were scored on


def data_card(
    manifests: list[Manifest], funnels: tuple[Funnel, ...], curations: tuple[Curation, ...], leaks: tuple[Leaks, ...]
) -> DataCard:
    by_step = {funnel.step: funnel for funnel in funnels}
    cleaned = {item.step: item for item in curations}
    searched = {item.step: item for item in leaks}
    texts = [manifest for manifest in manifests if manifest.stage in ("corpus", "rewrite")]
    return DataCard(
        origins=tuple(
            _origin(item, source, by_step) for item in texts for source in objects(item.settings.get("sources"))
        ),
        licenses=tuple(
            (manifest.step, counts(manifest.summary.get("by_license")))
            for manifest in manifests
            if manifest.stage == "mix"
        ),
        guards=tuple(_guard(manifest, cleaned.get(manifest.step), searched.get(manifest.step)) for manifest in texts),
        written=tuple(
            f"{funnel.step}: {'the passage itself, by patterns' if funnel.engine == 'template' else funnel.engine}"
            for funnel in funnels
            if funnel.engine is not None
        ),
    )


def _origin(manifest: Manifest, source: dict[str, Any], funnels: dict[str, Funnel]) -> Origin:
    name = text(source.get("name"))
    row = next((row for row in funnels[manifest.step].sources if row.name == name), None)
    read, kept = (row.read, row.kept) if row else (0, 0)
    license = text(source.get("license")) or "as each row states"
    return Origin(manifest.step, name, text(source.get("path")), license, read, kept)


def _guard(manifest: Manifest, cleaned: Curation | None, leaks: Leaks | None) -> Guard:
    asked = manifest.settings.get("deidentify")
    if cleaned is None:
        words = "not by this step; its passages were"
    elif cleaned.deidentified is None:
        words = "its manifest does not say"
    elif not cleaned.deidentified:
        words = "switched off"
    else:
        model = text(mapping(asked).get("model"))
        words = f"rules and {model}" if model else "rules"
    replaced = cleaned.personal.total if cleaned and cleaned.deidentified else None
    found = (leaks.overlaps.rows, leaks.overlaps.total) if leaks else ((), 0)
    return Guard(manifest.step, manifest.stage, words, replaced, *found)


def model_card(manifests: list[Manifest]) -> ModelCard:
    known = {manifest.step: manifest for manifest in manifests}
    served: dict[str, list[str]] = {}
    for manifest in manifests:
        if manifest.stage == "serve":
            for role in ROLES:
                served.setdefault(text(manifest.settings.get(role)), []).append(f"{role} of {manifest.step}")
    evaluations = [manifest for manifest in manifests if manifest.stage == "evaluate"]
    names = [
        text(item.get("name")) for manifest in evaluations for item in objects(manifest.settings.get("benchmarks"))
    ]
    return ModelCard(
        tuple(_model(item, known, tuple(served.get(item.step, ()))) for item in manifests if item.stage == "train"),
        tuple(dict.fromkeys(names)),
    )


def _model(manifest: Manifest, known: dict[str, Manifest], serves: tuple[str, ...]) -> Model:
    settings, summary = manifest.settings, manifest.summary
    shape = mapping(settings.get("architecture"))
    size = (
        f"{shape['layers']} layers of width {shape['hidden_size']}" if {"layers", "hidden_size"} <= shape.keys() else ""
    )
    names = ("epochs", "global_batch", "learning_rate", "precision", "seed")
    told = [f"{name.replace('_', ' ')} {settings[name]}" for name in names if name in settings]
    if mapping(settings.get("lora")):
        told.append(f"LoRA of rank {mapping(settings['lora']).get('rank')}")
    data = text(settings.get("data"))
    return Model(
        step=manifest.step,
        start=text(settings.get("start")) or "random weights",
        size=size or "as its start",
        parameters=count(summary.get("parameters")) or None,
        data=data,
        tokens=count(summary.get("tokens")) or None,
        languages=counts(known[data].summary.get("by_language")) if data in known else {},
        settings=", ".join(told),
        final_loss=number(summary.get("final_loss")),
        serves=serves,
    )


def licenses_of(card: DataCard) -> dict[str, int]:
    """Rows that are trained on by licence, over all mix steps: the largest number that any of them has."""
    found: Counter[str] = Counter()
    for _, rows in card.licenses:
        for license, rows_of_it in rows.items():
            found[license] = max(found[license], rows_of_it)
    return dict(sorted(found.items()))
