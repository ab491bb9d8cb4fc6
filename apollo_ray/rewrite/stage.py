"""Rewrite on Ray Data: documents to passages, an engine to pairs, checks, one writing pass."""

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import ray

from apollo_ray import dataset, leaks, refusals
from apollo_ray.errors import UserError
from apollo_ray.records import CONVERSATION, DOCUMENT
from apollo_ray.rewrite import openai_engine, prompts, rows, template_engine
from apollo_ray.rewrite.openai_engine import Ledger, Written
from apollo_ray.rewrite.settings import OpenAIEngine, StageSettings
from apollo_ray.rewrite.verify import Refusal
from apollo_ray.step import Context, Result
from apollo_ray.store import Store

NO_PATTERN = Refusal("no_pattern", "the template engine needs a title, and asks about openings and headings only")


def run(context: Context[StageSettings]) -> Result:
    """One conversation or one refusal for every passage. Raises UserError where nothing is kept."""
    settings = context.settings
    documents = dataset.read_parts(context, list(settings.documents), DOCUMENT)
    number = sum(context.input(name).rows for name in settings.documents)
    context.say(f"{number} documents, engine {engine_name(settings)}")
    index = leaks.load_index(settings.decontaminate, f"steps.{context.step}") if settings.decontaminate else None
    pairs = documents.map_batches(
        _rewrite,
        fn_args=(settings, context.store, ray.put(index)),
        batch_format="pyarrow",
        batch_size=None,
        zero_copy_batch=True,
    )
    data, dropped, tally, said = dataset.write_rows(pairs, context, CONVERSATION, _overlaps, (leaks.OVERLAPS.name,))
    counts = refusals.counts("passage", tally)
    if not counts.kept:
        raise UserError(f"steps.{context.step}: of {counts.read} passages none gave a pair: {counts.dropped}")
    overlaps = leaks.ledger_table(row for block in said for row in json.loads(block))
    ledger = [context.store.write_table(f"{context.directory}/overlaps", overlaps)] if overlaps.num_rows else []
    summary = {
        "by_language": refusals.funnel(tally, "language"),
        "documents": number,
        "engine": engine_name(settings),
        "leaks": leaks.tally(overlaps),
    }
    return Result(counts, data=data, dropped=dropped, extra=ledger, summary=summary)


def _overlaps(table: pa.Table) -> str:
    return json.dumps(leaks.ledger(table.to_pylist()), ensure_ascii=False)


def engine_name(settings: StageSettings) -> str:
    return settings.engine.model if isinstance(settings.engine, OpenAIEngine) else settings.engine.kind


def _rewrite(documents: pa.Table, settings: StageSettings, store: Store, index: Any) -> Iterator[pa.Table]:
    units = rows.units(documents, settings)
    asked = [unit.passage for unit in units if unit.turns is None]
    written = iter(_write(asked, settings, store))
    made = []
    for unit in units:
        result = Written() if unit.turns else next(written)
        turns = unit.turns or [result.question, result.answer]
        by_llm = isinstance(settings.engine, OpenAIEngine) and unit.turns is None
        engine = "dialogue" if unit.turns else engine_name(settings)
        prompt_hash = prompts.prompt_hash(unit.passage.lang) if by_llm else None
        floor = settings.answer_floor(unit.passage.lang)
        made.append(rows.conversation(unit, turns, result.refusal, engine, prompt_hash, floor))
    if settings.decontaminate:
        made = rows.refuse_leaks(made, ray.get(index), settings.decontaminate)
    yield pa.Table.from_pylist(made, rows.PREPARED)


def _write(passages: list, settings: StageSettings, store: Store) -> list[Written]:
    if isinstance(settings.engine, OpenAIEngine):
        return openai_engine.write_pairs(passages, settings.engine, Ledger(store))
    questions = [template_engine.question_for(passage) for passage in passages]
    return [
        Written(question, passage.text) if question else Written(refusal=NO_PATTERN)
        for question, passage in zip(questions, passages, strict=True)
    ]
