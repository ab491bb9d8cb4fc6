"""Tables whose rows are kept or refused: marking them, parting them, counting them.

Inside a stage a table carries the columns of REFUSAL beside those of its row type: null for rows that are kept.
"""

import json
from collections import Counter
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from apollo_ray.records import DROPPED, MAX_ROW_CHARACTERS, REFUSAL
from apollo_ray.store import Counts

KEPT = "kept"

Tally = Counter[tuple[str, str, str]]
"""Rows by (reason or KEPT, language, source), so that a report can draw the funnel of each."""


def with_refusals(table: pa.Table, rule: str, reasons: list[str | None], details: list[str | None]) -> pa.Table:
    """`table` with refusal columns; a row that is refused already keeps its first reason. Lists have a value a row."""
    if "reason" in table.column_names:
        old_rule, old_reason, old_detail = (table[name].to_pylist() for name in REFUSAL.names)
    else:
        old_rule = old_reason = old_detail = [None] * table.num_rows
    rows = zip(old_rule, old_reason, old_detail, reasons, details, strict=True)
    merged = [
        (was_rule, was, was_detail) if was is not None or new is None else (rule, new, detail)
        for was_rule, was, was_detail, new, detail in rows
    ]
    columns = list(zip(*merged, strict=True)) or [(), (), ()]
    for column, values in zip(REFUSAL, columns, strict=True):
        array = pa.array(values, column.type)
        index = table.column_names.index(column.name) if column.name in table.column_names else -1
        table = table.set_column(index, column, array) if index >= 0 else table.append_column(column, array)
    return table


def split(table: pa.Table, schema: pa.Schema) -> tuple[pa.Table, pa.Table]:
    """(kept rows as `schema`, refused rows as DROPPED)."""
    kept_mask = pc.is_null(table["reason"])
    kept = table.filter(kept_mask).select(schema.names).cast(schema)
    refused = table.filter(pc.invert(kept_mask))
    columns = {name: refused[name] for name in DROPPED.names if name in refused.column_names}
    payload = [name for name in refused.column_names if name not in DROPPED.names]
    rows = [
        json.dumps(row, ensure_ascii=False, default=str)[:MAX_ROW_CHARACTERS]
        for row in refused.select(payload).to_pylist()
    ]
    columns["row"] = pa.array(rows, pa.string())
    for column in DROPPED:
        columns.setdefault(column.name, pa.nulls(refused.num_rows, column.type))
    return kept, pa.table({name: columns[name] for name in DROPPED.names}).cast(DROPPED)


def counts(unit: str, tally: Tally) -> Counts:
    """The ledger of a step from what its tasks counted."""
    reasons: Counter[str] = Counter()
    for (reason, _, _), number in tally.items():
        reasons[reason] += number
    kept = reasons.pop(KEPT, 0)
    return Counts(unit, kept + sum(reasons.values()), kept, dict(sorted(reasons.items())))


def funnel(tally: Tally, by: Literal["language", "source"]) -> dict[str, dict[str, int]]:
    """language or source -> "kept" or reason -> rows."""
    place = 1 if by == "language" else 2
    found: dict[str, dict[str, int]] = {}
    for key, number in sorted(tally.items()):
        row = found.setdefault(key[place], {})
        row[key[0]] = row.get(key[0], 0) + number
    return found


def cross(tally: Tally) -> list[dict[str, Any]]:
    """language x source x reason: one object a cell that is not empty."""
    return [
        {"lang": lang, "source": source, "reason": reason, "rows": number}
        for (reason, lang, source), number in sorted(tally.items(), key=lambda item: (item[0][1:], item[0][0]))
    ]
