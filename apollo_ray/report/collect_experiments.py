"""The experiments of a report, from the summaries of compare steps. Every key of them may be absent."""

import math
from dataclasses import replace
from typing import Any

from apollo_ray.records import LANGUAGES
from apollo_ray.report.contents import ordered
from apollo_ray.report.experiments import MEAN, Arm, Experiment, Measured, Outcomes
from apollo_ray.report.lineage import models_of
from apollo_ray.report.reading import count, number, objects, text
from apollo_ray.store import Manifest

MEASURES = ("nats", "accuracy")


def experiment(manifest: Manifest, manifests: dict[str, Manifest]) -> Experiment:
    """`manifests`: all finished steps of the run by name, to tell what stands behind an arm."""
    summary = manifest.summary
    rows = [row for row in objects(summary.get("rows")) if text(row.get("measure")) in MEASURES]
    against = {text(row.get("arm")): row.get("against") for row in rows}
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(text(row.get(key)) for key in ("measure", "benchmark", "method")), []).append(row)
    first = sorted(groups, key=lambda key: MEASURES.index(key[0]))
    return Experiment(
        step=manifest.step,
        question=text(summary.get("question")),
        limits=text(summary.get("limits")),
        arms=_arms(objects(summary.get("arms")), against, manifests),
        outcomes=tuple(found for key in first if (found := _outcomes(key, groups[key])).cells),
    )


def _arms(rows: list[dict[str, Any]], against: dict[str, Any], manifests: dict[str, Manifest]) -> tuple[Arm, ...]:
    arms = [_arm(row, against, manifests) for row in rows]
    starts = {text(manifests[step].settings.get("start")) for arm in arms for step in arm.steps}
    return tuple(replace(arm, start=len(arm.steps) == 1 and arm.steps[0] in starts) for arm in arms)


def _arm(row: dict[str, Any], against: dict[str, Any], manifests: dict[str, Manifest]) -> Arm:
    name, scores, model = (text(row.get(key)) for key in ("name", "scores", "model"))
    steps = models_of(model, manifests.get(scores), manifests)
    alone = manifests[steps[0]].summary if len(steps) == 1 else {}
    other = against.get(name)
    return Arm(
        name=name,
        scores=scores,
        model=model,
        against=None if other is None else text(other),
        steps=steps,
        parameters=count(alone.get("parameters")) or None,
        tokens=count(alone.get("tokens")) or None,
    )


def _outcomes(key: tuple[str, ...], rows: list[dict[str, Any]]) -> Outcomes:
    measure, benchmark, method = key
    cells = {}
    for row in rows:
        value = number(row.get("value"))
        if value is not None:
            cells[text(row.get("arm")), text(row.get("lang")) or MEAN] = Measured(
                count(row.get("items")),
                value,
                *(math.nan if (end := number(row.get(name))) is None else end for name in ("low", "high")),
                *(number(row.get(name)) for name in ("difference", "difference_low", "difference_high")),
            )
    langs = ordered((lang for _, lang in cells if lang != MEAN), LANGUAGES)
    if any(lang == MEAN for _, lang in cells):
        langs = (*langs, MEAN)
    return Outcomes(benchmark, method, measure, langs, tuple(dict.fromkeys(arm for arm, _ in cells)), cells)
