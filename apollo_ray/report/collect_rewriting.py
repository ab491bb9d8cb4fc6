"""The rewriting part of a report, from the summaries of rewrite steps. Every key of them may be absent."""

from typing import Any

from apollo_ray.records import LANGUAGES
from apollo_ray.report.collect_curation import funnel_rows
from apollo_ray.report.contents import FunnelRow, ordered, total
from apollo_ray.report.curation import Grid
from apollo_ray.report.reading import count, mapping, number, objects, text, texts
from apollo_ray.report.rewriting import Rewriting, Sample, Spent, Yield
from apollo_ray.store import Manifest

CALLS = ("question", "answer", "dialogue")
"""Kinds of call in the order that they are made in."""


def rewriting(manifest: Manifest) -> Rewriting:
    summary = manifest.summary
    languages = funnel_rows(summary.get("by_language"))
    return Rewriting(
        step=manifest.step,
        unit=manifest.counts.unit,
        engine=text(summary.get("engine")) or None,
        prompts=text(summary.get("prompts")) or None,
        documents=None if number(summary.get("documents")) is None else count(summary["documents"]),
        languages=_yields(languages),
        kinds=_yields(funnel_rows(summary.get("by_kind"))),
        dropped=_dropped(languages),
        spent=_spent(summary["cost"]) if isinstance(summary.get("cost"), dict) else None,
        samples=_samples(summary.get("samples")),
    )


def _yields(rows: tuple[FunnelRow, ...]) -> tuple[Yield, ...]:
    return tuple(Yield(row.name, row.read, row.kept) for row in rows)


def _dropped(rows: tuple[FunnelRow, ...]) -> Grid:
    """The most frequent reason first; a language without drops has its column too."""
    values = {(reason, row.name): n for row in rows for reason, n in row.dropped.items()}
    return Grid(total(rows).reasons, tuple(row.name for row in rows), values)


def _spent(cost: dict[str, Any]) -> tuple[Spent, ...]:
    """By language, then by kind of call; without entries that count no call."""
    languages = mapping(cost)
    found = []
    for lang in ordered(languages, LANGUAGES):
        calls = mapping(languages[lang])
        for kind in ordered(calls, CALLS):
            entry = mapping(calls[kind])
            money = number(entry.get("money"))
            spent = Spent(
                lang,
                kind,
                calls=count(entry.get("calls")),
                prompt_tokens=count(entry.get("prompt_tokens")),
                completion_tokens=count(entry.get("completion_tokens")),
                money=None if money is None or money < 0 else money,
            )
            if spent.calls:
                found.append(spent)
    return tuple(found)


def _samples(value: Any) -> tuple[tuple[str, tuple[Sample, ...]], ...]:
    found: dict[str, list[Sample]] = {}
    for row in objects(value):
        sample = Sample(
            reason=text(row.get("reason")) or None,
            unit=text(row.get("unit")),
            passage=text(row.get("passage")),
            turns=texts(row.get("turns")),
            flags=texts(row.get("flags")),
            detail=text(row.get("detail")),
        )
        found.setdefault(text(row.get("lang")), []).append(sample)
    return tuple(
        (lang, tuple(sorted(found[lang], key=lambda sample: (sample.reason or "", sample.unit, sample.passage))))
        for lang in ordered(found, LANGUAGES)
    )
