"""DOCUMENT tables to passages, and passages with what an engine wrote to CONVERSATION columns with refusals."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from apollo_ray import leaks
from apollo_ray.decontaminate import Index
from apollo_ray.language import tag
from apollo_ray.leaks import Decontamination
from apollo_ray.records import CONVERSATION, REFUSAL
from apollo_ray.rewrite.dialogue import dialogue_turns
from apollo_ray.rewrite.segment import Passage, passages
from apollo_ray.rewrite.settings import StageSettings
from apollo_ray.rewrite.verify import Refusal, check_pair
from apollo_ray.text import content_id

PREPARED = pa.schema([*CONVERSATION, *REFUSAL, ("passage", pa.string()), leaks.OVERLAPS])


@dataclass(frozen=True)
class Unit:
    """What a document is cut into: a passage to ask about, or a dialogue that is a conversation already."""

    document: dict[str, Any]
    passage: Passage
    turns: list[str] | None  # of a dialogue


def units(documents: pa.Table, settings: StageSettings) -> list[Unit]:
    """Every document gives at least one unit, so that none is lost from the count."""
    found = []
    for row in documents.to_pylist():
        turns = dialogue_turns(row["text"], row["lang"])
        cut = passages(
            row["id"], row["title"], row["text"], row["lang"], row["kind"], settings.passage_limit(row["lang"])
        )
        if turns or not cut:
            whole = Passage(row["id"], 0, row["title"], None, row["text"], row["lang"], row["kind"])
            found.append(Unit(row, whole, turns))
        else:
            found += [Unit(row, passage, None) for passage in cut]
    return found


def conversation(
    unit: Unit, turns: list[str], refusal: Refusal | None, engine: str, prompt_hash: str | None, floor: int
) -> dict[str, Any]:
    """A row of PREPARED. The pair is checked here; a dialogue's turns were cleaned by the corpus stage."""
    document, passage = unit.document, unit.passage
    if refusal is None and unit.turns is None:
        answer_lang = tag(turns[1], passage.lang).lang
        # Short lists of terms give a detector little to go by: hold only what is long enough to be sure of.
        answer_lang = passage.lang if len(turns[1]) < 4 * floor else answer_lang
        refusal = check_pair(turns[0], turns[1], passage.lang, answer_lang, floor)
    return {
        "id": content_id(*turns) if refusal is None else content_id(passage.document, str(passage.index)),
        "turns": turns,
        "lang": passage.lang,
        "kind": document["kind"],
        "phase": document["phase"],
        "source": document["source"],
        "license": document["license"],
        "document": document["id"],
        "engine": engine,
        "prompt_hash": prompt_hash,
        "uri": document["uri"],
        "position": document["position"],
        "rule": "verify" if refusal else None,
        "reason": refusal.reason if refusal else None,
        "detail": refusal.detail if refusal else None,
        "passage": passage.text,
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
            }
        checked.append(row)
    return checked
