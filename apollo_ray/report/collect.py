"""The contents of a report, gathered from the manifests and rows of a store."""

import json
import math
from typing import Any

from apollo_ray.planning import PlannedStep
from apollo_ray.records import LANGUAGES
from apollo_ray.report import cards, collect_curation, collect_experiments, collect_rewriting, verdict
from apollo_ray.report.contents import (
    ENSEMBLE,
    MODELS,
    Accuracies,
    Answer,
    Funnel,
    Mix,
    Overall,
    Perplexities,
    Report,
    Score,
    Service,
    StepRow,
    Training,
    ordered,
    total,
)
from apollo_ray.report.lineage import lineage
from apollo_ray.report.reading import count, number, objects, text
from apollo_ray.report.signatures import on_declines, signatures
from apollo_ray.store import Manifest, Store, step_directory


def collect(store: Store, run: str, steps: list[PlannedStep]) -> Report:
    """Everything that a report says. Reads the rows of finished train steps, and of no others."""
    manifests = [step.manifest for step in steps if step.manifest]
    stage = {name: [item for item in manifests if item.stage == name] for name in {item.stage for item in manifests}}
    evaluations = stage.get("evaluate", [])
    perplexities = tuple(group for manifest in evaluations for group in _perplexities(manifest))
    accuracies = tuple(group for manifest in evaluations for group in _accuracies(manifest))
    against_base = signatures(evaluations)
    texts = [manifest for manifest in manifests if manifest.stage in ("corpus", "rewrite")]
    leaks = {manifest.step: collect_curation.leaks(store, manifest) for manifest in texts}
    found_leaks = tuple(found for found in leaks.values() if found)
    funnels = tuple(map(_funnel, texts))
    curations = tuple(map(collect_curation.curation, stage.get("corpus", [])))
    rows = tuple(_step_row(store, step) for step in steps)
    by_step = {manifest.step: manifest for manifest in manifests}
    experiments = tuple(collect_experiments.experiment(item, by_step) for item in stage.get("compare", []))
    return Report(
        run=run,
        store=store.uri,
        verdict=(
            verdict.on_perplexity(perplexities),
            verdict.on_accuracy(accuracies),
            *([on_declines(against_base)] if against_base else []),
            *map(verdict.on_experiment, experiments),
        ),
        steps=rows,
        funnels=funnels,
        curations=curations,
        leaks=found_leaks,
        unsearched=tuple(step for step, found in leaks.items() if not found),
        rewritings=tuple(map(collect_rewriting.rewriting, stage.get("rewrite", []))),
        mixes=tuple(_mix(manifest) for manifest in stage.get("mix", [])),
        trainings=tuple(_training(store, manifest) for manifest in stage.get("train", [])),
        perplexities=perplexities,
        accuracies=accuracies,
        overall=tuple(row for manifest in evaluations for row in _overall(manifest)),
        signatures=against_base,
        answers=_answers(evaluations),
        services=tuple(_service(manifest) for manifest in stage.get("serve", [])),
        warnings=_warnings(manifests, perplexities),
        experiments=experiments,
        lineage=lineage(rows),
        data_card=cards.data_card(manifests, funnels, curations, found_leaks),
        model_card=cards.model_card(manifests),
    )


def _step_row(store: Store, step: PlannedStep) -> StepRow:
    directory = store.address(step_directory(step.name, step.fingerprint))
    return StepRow(step.name, step.stage, step.steps, step.fingerprint, directory, step.manifest)


def _funnel(manifest: Manifest) -> Funnel:
    summary = manifest.summary
    languages = collect_curation.funnel_rows(summary.get("by_language"))
    return Funnel(
        step=manifest.step,
        stage=manifest.stage,
        unit=manifest.counts.unit,
        languages=languages,
        sources=collect_curation.funnel_rows(summary.get("by_source")),
        reasons=total(languages).reasons,
        documents=None if number(summary.get("documents")) is None else count(summary["documents"]),
        engine=None if summary.get("engine") is None else text(summary["engine"]),
        crossed=collect_curation.crossed(summary.get("by_language_and_source")),
        refused=collect_curation.refused(summary.get("samples")) if manifest.stage == "corpus" else (),
    )


def _mix(manifest: Manifest) -> Mix:
    shares = manifest.summary.get("stream", {}).get("shares", {})
    return Mix(manifest.step, {name: tuple(shares[name]) for name in sorted(shares)}, manifest.summary)


def _training(store: Store, manifest: Manifest) -> Training:
    curve = []
    for table in store.tables(manifest):
        curve += list(zip(table["step"].to_pylist(), table["loss"].to_pylist(), strict=True))
    return Training(manifest.step, tuple(curve), manifest.summary)


def _groups(rows: list[dict[str, Any]], *keys: str) -> dict[tuple[str, ...], list[dict[str, Any]]]:
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return groups


def _perplexities(manifest: Manifest) -> list[Perplexities]:
    return [
        Perplexities(
            step=manifest.step,
            benchmark=benchmark,
            models=ordered((row["model"] for row in rows), MODELS),
            languages=ordered((row["lang"] for row in rows), LANGUAGES),
            values={
                (row["lang"], row["model"]): row["perplexity"]
                for row in rows
                if row["perplexity"] is not None and math.isfinite(row["perplexity"])
            },
            tokens={(row["lang"], row["model"]): row.get("num_tokens") for row in rows},
        )
        for (benchmark,), rows in _groups(manifest.summary.get("perplexity", []), "benchmark").items()
    ]


def _accuracies(manifest: Manifest) -> list[Accuracies]:
    return [
        Accuracies(
            step=manifest.step,
            benchmark=benchmark,
            method=method,
            models=ordered((row["model"] for row in rows), MODELS),
            languages=ordered((row["lang"] for row in rows), LANGUAGES),
            scores={(row["lang"], row["model"]): _score(row) for row in rows},
            means={
                row["model"]: row["accuracy"]
                for row in manifest.summary.get("macro_accuracy", [])
                if (row["benchmark"], row["method"]) == (benchmark, method)
            },
            mode=manifest.summary.get("mode"),
        )
        for (benchmark, method), rows in _groups(manifest.summary.get("accuracy", []), "benchmark", "method").items()
    ]


def _score(row: dict[str, Any]) -> Score:
    accuracy, low, high = (math.nan if row[name] is None else row[name] for name in ("accuracy", "low", "high"))
    counts = (row["correct"], row["total"], row["unparsed"], row.get("refused", 0))
    return Score(row["model"], row["lang"], *counts, accuracy, low, high, number(row.get("majority")))


def _overall(manifest: Manifest) -> list[Overall]:
    found = []
    for row in objects(manifest.summary.get("overall")):
        first, second = (_interval(row, name) for name in ("mean_of_benchmarks", "macro"))
        if first and second:
            counts = count(row.get("benchmarks")), count(row.get("languages"))
            found.append(
                Overall(manifest.step, text(row.get("model")), text(row.get("method")), *counts, first, second)
            )
    return found


def _interval(row: dict[str, Any], name: str) -> tuple[float, float, float] | None:
    value, low, high = (number(row.get(f"{name}{end}")) for end in ("", "_low", "_high"))
    return None if value is None or low is None or high is None else (value, low, high)


def _answers(evaluations: list[Manifest]) -> tuple[Answer, ...]:
    """Of the ensemble, at any strength; of every model where no ensemble was asked."""
    found = [
        Answer(manifest.step, row["model"], row["lang"], row["question"], row["text"] or "")
        for manifest in evaluations
        for row in manifest.summary.get("answers", [])
    ]
    return tuple(answer for answer in found if answer.model.split("@")[0] == ENSEMBLE) or tuple(found)


def _service(manifest: Manifest) -> Service:
    models = manifest.summary.get("models", {})
    return Service(
        step=manifest.step,
        vocabulary=manifest.summary.get("vocabulary"),
        alpha=manifest.summary.get("alpha"),
        models={role: model if isinstance(model, str) else _model_words(model) for role, model in models.items()},
    )


def _model_words(model: dict[str, Any]) -> str:
    """A train step with its fingerprint, or whatever else a manifest says."""
    if model.keys() == {"path", "fingerprint"}:
        return f"{model['path']} ({model['fingerprint']})"
    return json.dumps(model, sort_keys=True, ensure_ascii=False)


def _warnings(manifests: list[Manifest], perplexities: tuple[Perplexities, ...]) -> tuple[tuple[str, str], ...]:
    said = [(manifest.step, text) for manifest in manifests for text in manifest.summary.get("warnings", [])]
    for group in perplexities:
        uneven = [
            lang for lang in group.languages if not group.comparable(lang, [m for a, m in group.tokens if a == lang])
        ]
        if uneven:
            text = (
                f"{group.benchmark}: the models have different numbers of tokens in {', '.join(uneven)} (refused "
                "requests or different tokenizers), so perplexities there are not compared"
            )
            said.append((group.step, text))
    return tuple(said + _unguarded(manifests))


def _unguarded(manifests: list[Manifest]) -> list[tuple[str, str]]:
    """Benchmarks of this run whose questions no step that makes training data looked for."""
    makers = [manifest for manifest in manifests if manifest.stage in ("corpus", "rewrite")]
    sought = {
        exam.get("path")
        for manifest in makers
        for exam in (manifest.settings.get("decontaminate") or {}).get("benchmarks", [])
    }
    return [
        (
            manifest.step,
            f"{benchmark['name']}: no corpus or rewrite step looked for its questions (set 'decontaminate')",
        )
        for manifest in manifests
        if manifest.stage == "evaluate" and makers
        for benchmark in manifest.settings.get("benchmarks", [])
        if benchmark.get("task") != "ask" and benchmark.get("path") not in sought
    ]
