"""Evaluate: read benchmarks, ask models behind an endpoint or on Ray Data's actors, write answers.

Every reply is in the store before the next is looked at, so a killed step goes on where it was.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import ray.data

from apollo_ray import metrics
from apollo_ray.dataset import configure
from apollo_ray.errors import UserError
from apollo_ray.evaluate import asking, client, signatures, statistics
from apollo_ray.evaluate.asking import Job, Outcome
from apollo_ray.evaluate.calls import FOLDER, Answers, Call, Reply, reply_of
from apollo_ray.evaluate.reading import read
from apollo_ray.evaluate.settings import LocalModel, StageSettings
from apollo_ray.kept import Kept
from apollo_ray.planning import identity
from apollo_ray.records import DROPPED, EVAL_ANSWER, MAX_ROW_CHARACTERS
from apollo_ray.step import Context, Result
from apollo_ray.store import Counts, Store

PROGRESS_S = 10.0
CALLS_PER_BATCH = 64
"""That an actor answers before their replies are kept."""

Ask = Callable[[Sequence[tuple[str, Call]], client.OnReply], None]


def run(context: Context[StageSettings]) -> Result:
    """Every model's answer to every item by every method, with scores per language in the summary.

    Raises UserError where no item can be asked or every request is refused, ServiceError where the endpoint is down.
    """
    settings = context.settings
    check_endpoint(context)
    reading = read(settings)
    items, unusable = reading.items, reading.dropped
    if not items:
        reasons = dict(Counter(unusable["reason"].to_pylist()))
        raise UserError(f"steps.{context.step}.benchmarks: no row can be asked; refused: {reasons or 'none, no rows'}")
    jobs = asking.plan_jobs(items, settings, reading.shots_of)
    context.say(f"{len(items)} items, {unusable.num_rows} rows refused, {len(jobs)} answers to ask for")
    outcomes = answered(context, jobs)
    answers = [outcome.answer for outcome in outcomes if outcome.answer is not None]
    refusals = [outcome for outcome in outcomes if outcome.answer is None]
    if not answers:
        where = settings.endpoint or "models"
        raise UserError(f"{where}: no request was answered; the first refusal: {refusals[0].detail}")
    warnings = _warnings(refusals)
    for warning in warnings:
        context.say(warning)
    rule = "endpoint" if settings.endpoint else "models"
    refused = pa.Table.from_pylist([_dropped(one, rule) for one in refusals], schema=DROPPED)
    dropped = pa.concat_tables([unusable, refused])
    return Result(
        Counts(
            unit="answer",
            read=len(jobs) + unusable.num_rows,
            kept=len(answers),
            dropped=dict(sorted(Counter(dropped["reason"].to_pylist()).items())),
        ),
        data=[
            context.store.write_table(f"{context.directory}/data", pa.Table.from_pylist(answers, schema=EVAL_ANSWER))
        ],
        dropped=[context.store.write_table(f"{context.directory}/dropped", dropped)] if dropped.num_rows else [],
        summary=_summary(answers, refusals) | reading.summary() | {"warnings": warnings},
    )


def answered(context: Context[StageSettings], jobs: Sequence[Job]) -> list[Outcome]:
    """What comes of each job, in order. What the store holds a reply to is not asked again."""
    settings = context.settings
    calls = [job.call(settings) for job in jobs]
    replies = _from_endpoint(context, calls) if settings.endpoint else _from_workers(context, calls)
    return asking.outcomes(jobs, replies, settings, signatures.BASE)


def check_endpoint(context: Context[StageSettings]) -> None:
    """Raises UserError where the endpoint names a step that serves nothing."""
    name = context.settings.endpoint
    if name and "://" not in name and context.input(name).stage != "serve":
        raise UserError(
            f"steps.{context.step}.endpoint: step {name!r} is of stage {context.input(name).stage}, not serve"
        )


def _from_endpoint(context: Context[StageSettings], calls: Sequence[Call]) -> list[Reply]:
    settings, name = context.settings, context.settings.endpoint
    assert name is not None
    if name in context.inputs:
        served = context.inputs[name].fingerprint

        def ask_step(todo: Sequence[tuple[str, Call]], on_reply: client.OnReply) -> None:
            with context.open_endpoint(name) as address:
                client.answer(todo, address, settings, client.models_of(address, settings), on_reply)

        return _collect(context, calls, lambda model: ["serve", served, model], ask_step)
    with context.open_endpoint(name) as address:
        models = client.models_of(address, settings)
        # Another model may answer there tomorrow, so another step takes nothing from this one's replies.
        return _collect(
            context,
            calls,
            lambda model: ["address", context.fingerprint, address, models.identity(model)],
            lambda todo, on_reply: client.answer(todo, address, settings, models, on_reply),
        )


def _from_workers(context: Context[StageSettings], calls: Sequence[Call]) -> list[Reply]:
    from apollo_ray.evaluate.local import Spec  # brings transformers, which an endpoint's client does without

    settings = context.settings
    specs, identities = {}, {}
    for model in settings.models:
        assert not isinstance(model, str)
        single = isinstance(model, LocalModel)
        names = (model.model,) if isinstance(model, LocalModel) else (model.base, model.expert, model.anti_expert)
        alpha = None if isinstance(model, LocalModel) else model.alpha
        folders = tuple(context.reference(name, "model") for name in names)
        specs[model.name] = Spec(model.name, folders, alpha)
        weights = [context.inputs[one].fingerprint if one in context.inputs else identity(one) for one in names]
        identities[model.name] = ["local", settings.dtype, single, weights, alpha]

    def ask(todo: Sequence[tuple[str, Call]], on_reply: client.OnReply) -> None:
        # The same text of several models side by side, so that it goes through a network that they share once.
        ordered = sorted(todo, key=lambda pair: (pair[1].kind, len(pair[1].prompt), pair[1].prompt))
        rows = [{"key": key, "call": json.dumps(asdict(call))} for key, call in ordered]
        configure()
        dataset = ray.data.from_items(rows, override_num_blocks=-(-len(rows) // CALLS_PER_BATCH)).map_batches(
            _Worker,
            fn_constructor_args=(tuple(specs.values()), settings.dtype, settings.tokens_per_batch, context.store),
            batch_format="pyarrow",
            batch_size=CALLS_PER_BATCH,
            compute=ray.data.ActorPoolStrategy(size=settings.workers),
            num_gpus=settings.gpus_per_worker or None,
        )
        for row in dataset.iter_rows():
            on_reply(row["key"], reply_of(json.loads(row["reply"])))

    return _collect(context, calls, identities.__getitem__, ask)


class _Worker:
    """All local models of a step on one actor."""

    def __init__(self, specs: Sequence[Any], dtype: str, tokens_per_batch: int, store: Store) -> None:
        from apollo_ray.evaluate.local import LocalModels

        self.models = LocalModels(specs, dtype, tokens_per_batch)
        self.answers = Answers(Kept(store, FOLDER))

    def __call__(self, batch: pa.Table) -> pa.Table:
        calls = []
        for text in batch["call"].to_pylist():
            values = json.loads(text)
            calls.append(Call(**(values | {name: tuple(values[name]) for name in ("continuations", "stop")})))
        keys, replies = batch["key"].to_pylist(), self.models.answer(calls)
        for key, reply in zip(keys, replies, strict=True):
            self.answers.keep(key, reply)
        return pa.table({"key": keys, "reply": [json.dumps(reply.as_json()) for reply in replies]})


def _collect(
    context: Context[StageSettings], calls: Sequence[Call], identity_of: Callable[[str], Any], ask: Ask
) -> list[Reply]:
    """The reply to each call: from the store, or asked once however many items share it."""
    answers = Answers(Kept(context.store, FOLDER))
    keys = [call.key(identity_of(call.model)) for call in calls]
    found = answers.known(list(dict.fromkeys(keys)))
    todo = {key: call for key, call in zip(keys, calls, strict=True) if key not in found}
    if found:
        context.say(f"{len(found)} replies are there from before, {len(todo)} to ask for")
    wanted, last = len(found) + len(todo), time.monotonic()

    def on_reply(key: str, reply: Reply) -> None:
        nonlocal last
        if context.settings.endpoint:  # workers have kept theirs
            answers.keep(key, reply)
        found[key] = reply
        metrics.count("apollo_evaluation_answers", run=context.run, step=context.step, source="asked")
        if time.monotonic() - last >= PROGRESS_S:
            last = time.monotonic()
            context.say(f"{len(found)}/{wanted} replies")

    metrics.count("apollo_evaluation_answers", len(found), run=context.run, step=context.step, source="kept")
    if todo:
        ask(list(todo.items()), on_reply)
    return [found[key] for key in keys]


def _dropped(outcome: Outcome, rule: str) -> dict[str, Any]:
    job = outcome.job
    asked = {"model": job.model, "method": job.method, **job.item}
    return {
        "id": job.item["id"],
        "rule": rule,
        "reason": outcome.reason,
        "detail": outcome.detail,
        "uri": None,
        "position": None,
        "row": json.dumps(asked, ensure_ascii=False)[:MAX_ROW_CHARACTERS],
    }


def _warnings(refusals: list[Outcome]) -> list[str]:
    """One line for each cell of the score tables that lacks answers, with the first reason."""
    cells: dict[tuple[str, ...], list[Outcome]] = {}
    for one in refusals:
        cells.setdefault((one.job.model, one.job.item["benchmark"], one.job.item["lang"], one.job.method), []).append(
            one
        )
    return [
        f"{model}, {benchmark}, {lang}, {method}: {len(found)} without an answer ({found[0].reason}: {found[0].detail})"
        for (model, benchmark, lang, method), found in cells.items()
    ]


def _summary(answers: list[dict[str, Any]], refusals: list[Outcome]) -> dict[str, Any]:
    refused = [
        {"model": one.job.model, "method": one.job.method, "gold": one.job.item["answer"]}
        | {name: one.job.item[name] for name in ("id", "benchmark", "lang")}
        for one in refusals
    ]
    accuracy = statistics.accuracy_rows(answers, refused)
    return {
        "accuracy": accuracy,
        "macro_accuracy": statistics.macro_rows(accuracy),
        "overall": statistics.overall_rows(accuracy),
        "perplexity": statistics.perplexity_rows(answers, refused),
        "signatures": signatures.signatures(answers, refused),
        "answers": [
            {"model": row["model"], "lang": row["lang"], "question": row["question"], "text": row["output"]}
            for row in answers
            if row["method"] == "ask"
        ],
    }
