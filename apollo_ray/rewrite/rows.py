"""DOCUMENT tables to passages, and passages with what an engine wrote to CONVERSATION columns with refusals."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from apollo_ray import leaks
from apollo_ray.decontaminate import Index
from apollo_ray.leaks import Decontamination
from apollo_ray.overlap_index import fold
from apollo_ray.records import CONVERSATION, REFUSAL
from apollo_ray.rewrite import turns
from apollo_ray.rewrite.dialogue import dialogue_turns
from apollo_ray.rewrite.segment import Count, Passage, passages
from apollo_ray.rewrite.settings import StageSettings, TemplateEngine
from apollo_ray.rewrite.turns import Form, Written
from apollo_ray.rewrite.verify import Verdict
from apollo_ray.text import content_id

NOTES = pa.schema(
    [
        ("passage", pa.string()),
        ("flags", pa.list_(pa.string())),  # facts that the passage does not bear out
        ("question_key", pa.string()),  # equal for questions that are equal when folded; null where there is none
        ("unit", pa.string()),  # identity of the passage, the same in every run
        ("calls", pa.string()),  # JSON: [[kind, prompt tokens, completion tokens], ...]
        leaks.OVERLAPS,
    ]
)
"""What the stage and its report need of a row beside its own columns."""
PREPARED = pa.schema([*CONVERSATION, *REFUSAL, *NOTES])


@dataclass(frozen=True)
class Unit:
    """What a document is cut into: a passage to ask about, or a dialogue that is a conversation already."""

    document: dict[str, Any]
    passage: Passage
    form: Form
    turns: list[str] | None = None  # of a dialogue that the document holds


def units(documents: pa.Table, settings: StageSettings, count: dict[str, Count]) -> list[Unit]:
    """Every document gives at least one unit, so that none is lost. `count` by language, "default" for all others."""
    found = []
    asked = not isinstance(settings.engine, TemplateEngine)
    for row in documents.to_pylist():
        lang = row["lang"]
        talk = dialogue_turns(row["text"], lang)
        whole = Passage(row["id"], 0, row["title"], (), row["text"], lang, row["kind"])
        form: Form = "dialogue" if asked and row["kind"] in settings.dialogue_kinds else "pair"
        cut = (
            []
            if talk
            else passages(
                row["id"],
                row["title"],
                row["text"],
                lang,
                row["kind"],
                settings.passage_limit(lang),
                count.get(lang, count["default"]),
            )
        )
        if cut:
            found += [Unit(row, passage, form) for passage in cut]
        else:
            found.append(Unit(row, whole, form, talk))
    return found


def judged(unit: Unit, written: Written, settings: StageSettings) -> Verdict:
    """The checks of the whole conversation. A dialogue of the corpus was cleaned there; a template copies."""
    if unit.turns or isinstance(settings.engine, TemplateEngine):
        return Verdict(written.refusal)
    return turns.judged(unit.form, written, unit.passage, settings.verify)


def conversation(
    unit: Unit, written: Written, verdict: Verdict, engine: str, prompts: tuple[str, str] | None
) -> dict[str, Any]:
    """A row of PREPARED. `prompts`: (version, hash) of the files that asked."""
    document, passage, refusal = unit.document, unit.passage, verdict.refusal
    identity = content_id(passage.document, str(passage.index))
    kept = refusal is None
    question = fold(written.turns[0]) if kept and unit.turns is None else ""
    return {
        "id": content_id(*written.turns) if kept else identity,
        "turns": written.turns,
        "lang": passage.lang,
        "kind": document["kind"],
        "phase": document["phase"],
        "source": document["source"],
        "license": document["license"],
        "document": document["id"],
        "engine": engine,
        "prompt_version": prompts[0] if prompts else None,
        "prompt_hash": prompts[1] if prompts else None,
        "scores": json.dumps(verdict.scores, sort_keys=True) if verdict.scores else None,
        "uri": document["uri"],
        "position": document["position"],
        "rule": "verify" if refusal else None,
        "reason": refusal.reason if refusal else None,
        "detail": refusal.detail if refusal else None,
        "passage": passage.text,
        "flags": list(verdict.flags),
        "question_key": hashlib.blake2b(question.encode(), digest_size=8).hexdigest() if question else None,
        "unit": identity,
        "calls": json.dumps([[kind, reply.prompt_tokens, reply.completion_tokens] for kind, reply in written.calls]),
    }


def refuse_leaks(rows: list[dict[str, Any]], questions: Index, chosen: Decontamination) -> list[dict[str, Any]]:
    """The rows, those refused that hold a benchmark's question: an engine may know the questions by heart."""
    found = questions.search(["\n".join(row["turns"]) if row["reason"] is None else "" for row in rows])
    checked = []
    for row, overlaps in zip(rows, map(chosen.refuses, found), strict=True):
        if overlaps:
            reason, detail = leaks.refusal(overlaps)
            row = row | {
                "rule": "decontaminate",
                "reason": reason,
                "detail": detail,
                "overlaps": leaks.listed(overlaps),
                "question_key": None,
            }
        checked.append(row)
    return checked


def repeated(keys: Sequence[str | None], units: Sequence[str]) -> dict[str, str]:
    """unit -> the unit that asked the same question and stays: the one with the smallest identity, in any order."""
    first: dict[str, str] = {}
    for key, unit in zip(keys, units, strict=True):
        if key is not None:
            first[key] = min(unit, first.get(key, unit))
    return {unit: first[key] for key, unit in zip(keys, units, strict=True) if key is not None and first[key] != unit}
