"""Where an ensemble fails: every model against the base on the same items, and how far its tokens went from it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from apollo_ray.records import LANGUAGES
from apollo_ray.report.contents import MODELS, ordered
from apollo_ray.report.reading import count, mapping, number, objects, text
from apollo_ray.store import Manifest

ALL = "all"
"""Stands for all languages together."""


@dataclass(frozen=True)
class Away:
    """A model's value less the base's on the same items, with its 95 % interval; `low` and `high` null for one item."""

    difference: float
    low: float | None
    high: float | None
    p: float | None  # of accuracy: McNemar's, after Holm's correction over languages
    declined: bool


@dataclass(frozen=True)
class Held:
    """One benchmark by one method. Of accuracy more is better, of nats per token less."""

    step: str
    benchmark: str
    method: str
    accuracy: bool
    models: tuple[str, ...]
    languages: tuple[str, ...]
    cells: dict[tuple[str, str], Away]  # (language, model) ->


@dataclass(frozen=True)
class Drift:
    """Means over the tokens of reference texts (method perplexity) or of what a model wrote."""

    step: str
    model: str
    benchmark: str
    lang: str
    method: str
    tokens: int
    divergence: float | None  # KL(ensemble || base), nats
    entropy: float | None  # nats
    flipped: float | None  # share of tokens at which another one than the base's is likeliest


@dataclass(frozen=True)
class Signatures:
    """Of one evaluate step that asked the base too."""

    step: str
    held: tuple[Held, ...]
    drifts: tuple[Drift, ...]
    declines: tuple[str, ...]


def signatures(manifests: Iterable[Manifest]) -> tuple[Signatures, ...]:
    """In order of the evaluate steps; none of a step that has nothing to hold against the base."""
    found = []
    for manifest in manifests:
        told = mapping(manifest.summary.get("signatures"))
        rows = [(row, True) for row in objects(told.get("accuracy"))]
        rows += [(row, False) for row in objects(told.get("nats"))]
        drifts = tuple(_drift(manifest.step, row) for row in objects(told.get("tokens")))
        if rows or drifts:
            declines = told.get("declines")
            lines = tuple(map(text, declines)) if isinstance(declines, list) else ()
            found.append(Signatures(manifest.step, _held(manifest.step, rows), drifts, lines))
    return tuple(found)


def _held(step: str, rows: list[tuple[dict[str, Any], bool]]) -> tuple[Held, ...]:
    groups: dict[tuple[str, str, bool], dict[tuple[str, str], Away]] = {}
    for row, accuracy in rows:
        difference = number(row.get("difference"))
        if difference is None:
            continue
        group = groups.setdefault((text(row.get("benchmark")), text(row.get("method")), accuracy), {})
        lang = ALL if row.get("lang") is None else text(row["lang"])
        low, high, p = (number(row.get(name)) for name in ("low", "high", "p_holm"))
        group[lang, text(row.get("model"))] = Away(difference, low, high, p, row.get("declined") is True)
    return tuple(
        Held(
            step,
            benchmark,
            method,
            accuracy,
            models=ordered((model for _, model in cells), MODELS),
            languages=ordered((lang for lang, _ in cells), (*LANGUAGES, ALL)),
            cells=cells,
        )
        for (benchmark, method, accuracy), cells in groups.items()
    )


def _drift(step: str, row: dict[str, Any]) -> Drift:
    model, benchmark, lang, method = (text(row.get(name)) for name in ("model", "benchmark", "lang", "method"))
    divergence, entropy, flipped = (number(row.get(name)) for name in ("divergence", "entropy", "flipped"))
    return Drift(step, model, benchmark, lang, method, count(row.get("tokens")), divergence, entropy, flipped)


def away(cell: Away, accuracy: bool) -> str:
    """ "+3.2 [-1.0, +7.4]": of accuracy in points, else in nats; without brackets where no interval is known."""
    scale, digits = (100, 1) if accuracy else (1, 3)
    value, low, high = (
        None if one is None else f"{scale * one:+.{digits}f}" for one in (cell.difference, cell.low, cell.high)
    )
    return f"{value}" if low is None or high is None else f"{value} [{low}, {high}]"


def on_declines(found: tuple[Signatures, ...]) -> str:
    """A line of the verdict."""
    declines = [line for one in found for line in one.declines]
    if not declines:
        return "No language is surely worse than the base, where models were asked the same as the base."
    return f"Surely worse than the base: {'; '.join(declines)}."
