"""Evaluate: read benchmarks, ask the endpoint, write answers. Speaks HTTP, so it needs no Ray of its own."""

import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from apollo_ray.errors import UserError
from apollo_ray.evaluate import client, statistics
from apollo_ray.evaluate.reading import read
from apollo_ray.evaluate.settings import StageSettings
from apollo_ray.records import DROPPED, EVAL_ANSWER, MAX_ROW_CHARACTERS
from apollo_ray.step import Context, Result
from apollo_ray.store import Counts

PROGRESS_S = 10.0


def run(context: Context[StageSettings]) -> Result:
    """Every model's answer to every item by every method, with scores per language in the summary.

    Raises UserError where no item can be asked or the endpoint refuses every request, ServiceError where it is down.
    """
    settings = context.settings
    _check_endpoint(context)
    reading = read(settings)
    items, unusable = reading.items, reading.dropped
    if not items:
        reasons = dict(Counter(unusable["reason"].to_pylist()))
        raise UserError(f"steps.{context.step}.benchmarks: no row can be asked; refused: {reasons or 'none, no rows'}")
    jobs = client.plan_jobs(items, settings, reading.shots_of)
    planned = sum(len(job.items) for job in jobs)
    context.say(f"{len(items)} items, {unusable.num_rows} rows refused, {planned} answers to ask for")
    with context.open_endpoint(settings.endpoint) as address:
        outcomes = client.answer_jobs(jobs, address, settings, _progress(context.say, planned))
    answers = [outcome.answer for outcome in outcomes if outcome.answer is not None]
    refusals = [outcome for outcome in outcomes if outcome.answer is None]
    if not answers:
        raise UserError(f"{settings.endpoint}: no request was answered; the first refusal: {refusals[0].detail}")
    warnings = _warnings(refusals)
    for warning in warnings:
        context.say(warning)
    dropped = pa.concat_tables([unusable, pa.Table.from_pylist([_dropped(one) for one in refusals], schema=DROPPED)])
    return Result(
        Counts(
            unit="answer",
            read=planned + unusable.num_rows,
            kept=len(answers),
            dropped=dict(sorted(Counter(dropped["reason"].to_pylist()).items())),
        ),
        data=[
            context.store.write_table(f"{context.directory}/data", pa.Table.from_pylist(answers, schema=EVAL_ANSWER))
        ],
        dropped=[context.store.write_table(f"{context.directory}/dropped", dropped)] if dropped.num_rows else [],
        summary=_summary(answers, refusals) | reading.summary() | {"warnings": warnings},
    )


def _check_endpoint(context: Context[StageSettings]) -> None:
    name = context.settings.endpoint
    if "://" not in name and context.input(name).stage != "serve":
        raise UserError(
            f"steps.{context.step}.endpoint: step {name!r} is of stage {context.input(name).stage}, not serve"
        )


def _progress(say: Callable[[str], None], planned: int) -> Callable[[int], None]:
    """Says how many answers are there, at most every PROGRESS_S seconds."""
    done, last = 0, time.monotonic()

    def on_answers(number: int) -> None:
        nonlocal done, last
        done += number
        if time.monotonic() - last >= PROGRESS_S:
            last = time.monotonic()
            say(f"{done}/{planned} answers")

    return on_answers


def _dropped(outcome: client.Outcome) -> dict[str, Any]:
    asked = {"model": outcome.model, "method": outcome.method, **outcome.item}
    return {
        "id": outcome.item["id"],
        "rule": "endpoint",
        "reason": outcome.reason,
        "detail": outcome.detail,
        "uri": None,
        "position": None,
        "row": json.dumps(asked, ensure_ascii=False)[:MAX_ROW_CHARACTERS],
    }


def _warnings(refusals: list[client.Outcome]) -> list[str]:
    """One line for each cell of the score tables that lacks answers, with the first reason."""
    cells: dict[tuple[str, ...], list[client.Outcome]] = {}
    for one in refusals:
        cells.setdefault((one.model, one.item["benchmark"], one.item["lang"], one.method), []).append(one)
    return [
        f"{model}, {benchmark}, {lang}, {method}: {len(found)} without an answer ({found[0].reason}: {found[0].detail})"
        for (model, benchmark, lang, method), found in cells.items()
    ]


def _summary(answers: list[dict[str, Any]], refusals: list[client.Outcome]) -> dict[str, Any]:
    refused = [
        {"model": one.model, "method": one.method, "benchmark": one.item["benchmark"], "lang": one.item["lang"]}
        for one in refusals
    ]
    accuracy = statistics.accuracy_rows(answers, refused)
    return {
        "accuracy": accuracy,
        "macro_accuracy": statistics.macro_rows(accuracy),
        "perplexity": statistics.perplexity_rows(answers, refused),
        "answers": [
            {"model": row["model"], "lang": row["lang"], "question": row["question"], "text": row["output"]}
            for row in answers
            if row["method"] == "ask"
        ],
    }
