"""Rows through Ray Data: read the parts of finished steps, write parts and dropped rows.

A dataset that a stage writes carries, beside the columns of its row type, `rule`, `reason` and `detail`: null for rows
that are kept. The task that holds a block writes both parts and returns what it wrote, and only what tasks returned is
listed in the manifest. So a task that is tried again loses and doubles nothing (Ray Data's own write modes do both).
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import ray
import ray.data

from apollo_ray.records import DROPPED
from apollo_ray.step import Context
from apollo_ray.store import FileEntry, Store, step_directory

REFUSAL = [("rule", pa.string()), ("reason", pa.string()), ("detail", pa.string())]
MAX_ROW_JSON = 4_000  # characters of a refused row that are kept


def configure() -> None:
    """Settings that every dataset of this package relies on, in the driver's Ray Data context."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True  # manifests list parts in the order of their rows


def read_parts(context: Context[Any], names: list[str], schema: pa.Schema) -> ray.data.Dataset:
    """The rows of finished steps. One part is one block; its bytes are held against the manifest's hash."""
    configure()
    parts = []
    for name in names:
        manifest = context.input(name)
        directory = step_directory(manifest.step, manifest.fingerprint)
        parts += [{"directory": directory, "entry": json.dumps(vars(entry))} for entry in manifest.data]
    store = context.store

    def read(batch: pa.Table) -> Iterator[pa.Table]:
        for row in batch.to_pylist():
            yield store.read_table(row["directory"], FileEntry(**json.loads(row["entry"]))).select(schema.names)

    if not parts:
        return ray.data.from_arrow(schema.empty_table())
    return ray.data.from_items(parts, override_num_blocks=len(parts)).map_batches(
        read, batch_format="pyarrow", batch_size=1
    )


def with_refusals(table: pa.Table, rule: str, reasons: list[str | None], details: list[str | None]) -> pa.Table:
    """`table` with refusal columns; a row that is refused already keeps its first reason. Lists have a value a row."""
    if "reason" in table.column_names:
        old_rule, old_reason, old_detail = (table[name].to_pylist() for name in ("rule", "reason", "detail"))
    else:
        old_rule = old_reason = old_detail = [None] * table.num_rows
    rows = zip(old_rule, old_reason, old_detail, reasons, details, strict=True)
    merged = [
        (was_rule, was, was_detail) if was is not None or new is None else (rule, new, detail)
        for was_rule, was, was_detail, new, detail in rows
    ]
    columns = list(zip(*merged, strict=True)) or [(), (), ()]
    for (name, kind), values in zip(REFUSAL, columns, strict=True):
        array = pa.array(values, kind)
        index = table.column_names.index(name) if name in table.column_names else -1
        table = table.set_column(index, name, array) if index >= 0 else table.append_column(name, array)
    return table


def split(table: pa.Table, schema: pa.Schema) -> tuple[pa.Table, pa.Table]:
    """(kept rows as `schema`, refused rows as DROPPED)."""
    kept_mask = pc.is_null(table["reason"])
    kept = table.filter(kept_mask).select(schema.names).cast(schema)
    refused = table.filter(pc.invert(kept_mask))
    columns = {name: refused[name] for name in DROPPED.names if name in refused.column_names}
    payload = [name for name in refused.column_names if name not in DROPPED.names]
    rows = [json.dumps(row, ensure_ascii=False, default=str)[:MAX_ROW_JSON] for row in refused.select(payload).to_pylist()]
    columns["row"] = pa.array(rows, pa.string())
    for column in DROPPED:
        columns.setdefault(column.name, pa.nulls(refused.num_rows, column.type))
    return kept, pa.table({name: columns[name] for name in DROPPED.names}).cast(DROPPED)


def write_rows(
    dataset: ray.data.Dataset, context: Context[Any], schema: pa.Schema
) -> tuple[list[FileEntry], list[FileEntry], Counter[tuple[str, str]]]:
    """Write kept and refused rows; returns (data parts, dropped parts, counts).

    Counts are keyed by (reason or "kept", language or ""), so that a report can draw the funnel of every language.
    """
    store, directory = context.store, context.directory
    written = dataset.map_batches(
        lambda table: _write_block(table, schema, store, directory), batch_format="pyarrow", batch_size=None
    )
    data: list[FileEntry] = []
    dropped: list[FileEntry] = []
    counts: Counter[tuple[str, str]] = Counter()
    for row in written.take_all():
        for group, text in (("data", row["data"]), ("dropped", row["dropped"])):
            if text:
                (data if group == "data" else dropped).append(FileEntry(**json.loads(text)))
        for reason, lang, number in json.loads(row["counts"]):
            counts[reason, lang] += number
    return data, dropped, counts


def _write_block(table: pa.Table, schema: pa.Schema, store: Store, directory: str) -> pa.Table:
    counts: Counter[tuple[str, str]] = Counter()
    entries = {"data": "", "dropped": ""}
    if table.num_rows:
        langs = table["lang"].to_pylist() if "lang" in table.column_names else [None] * table.num_rows
        for reason, lang in zip(table["reason"].to_pylist(), langs, strict=True):
            counts[reason or "kept", lang or ""] += 1
        for group, part in zip(("data", "dropped"), split(table, schema), strict=True):
            if part.num_rows:
                entries[group] = json.dumps(vars(store.write_table(f"{directory}/{group}", part)))
    listed = json.dumps([[reason, lang, number] for (reason, lang), number in sorted(counts.items())])
    return pa.table({"data": [entries["data"]], "dropped": [entries["dropped"]], "counts": [listed]})


def reasons(counts: Counter[tuple[str, str]]) -> dict[str, int]:
    """Refusals by reason."""
    found: Counter[str] = Counter()
    for (reason, _), number in counts.items():
        if reason != "kept":
            found[reason] += number
    return dict(sorted(found.items()))


def kept(counts: Counter[tuple[str, str]]) -> int:
    return sum(number for (reason, _), number in counts.items() if reason == "kept")


def by_language(counts: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    """language -> reason or "kept" -> rows."""
    funnel: dict[str, dict[str, int]] = {}
    for (reason, lang), number in sorted(counts.items()):
        funnel.setdefault(lang or "unknown", {})[reason] = number
    return funnel
