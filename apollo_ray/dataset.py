"""Rows through Ray Data: read the parts of finished steps, write parts and dropped rows.

A dataset that a stage writes carries, beside the columns of its row type, `rule`, `reason` and `detail`: null for rows
that are kept. The task that holds a block writes both parts and returns what it wrote, and only what tasks returned is
listed in the manifest. So a task that is tried again loses and doubles nothing (Ray Data's own write modes do both).
"""

import json
import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import ray
import ray.data

from apollo_ray.errors import UserError
from apollo_ray.records import DROPPED
from apollo_ray.step import Context
from apollo_ray.store import Counts, FileEntry, Store, step_directory

REFUSAL = [("rule", pa.string()), ("reason", pa.string()), ("detail", pa.string())]
MAX_ROW_JSON = 4_000  # characters of a refused row that are kept
KEPT = "kept"
BYTES_PER_BLOCK = 8 * 2**20
"""Compressed bytes of parts read as one block: about 30 MB of text. A task costs some 0.1 s, whatever it does."""

Tally = Counter[tuple[str, str, str]]
"""Rows by (reason or KEPT, language, source), so that a report can draw the funnel of each."""


def configure() -> None:
    """Settings that every dataset of this package relies on, in the driver's Ray Data context."""
    # Ray Data sets its own levels when it is imported; every run of a dataset would print three lines.
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    logging.getLogger("ray.data._internal.progress").setLevel(logging.ERROR)
    for name in ("exceptions", "_internal.execution.streaming_executor_state"):  # these print what is raised as well
        logging.getLogger(f"ray.data.{name}").setLevel(logging.CRITICAL)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True  # manifests list parts in the order of their rows


def read_parts(context: Context[Any], names: list[str], schema: pa.Schema) -> ray.data.Dataset:
    """The rows of finished steps, in order; the bytes of every part are held against the manifest's hash."""
    configure()
    blocks: list[dict[str, list[str]]] = []
    size = 0
    for name in names:
        manifest = context.input(name)
        directory = step_directory(manifest.step, manifest.fingerprint)
        for entry in manifest.data:
            size += entry.bytes
            if not blocks or size > BYTES_PER_BLOCK:
                blocks.append({"directories": [], "entries": []})
                size = entry.bytes
            blocks[-1]["directories"].append(directory)
            blocks[-1]["entries"].append(json.dumps(vars(entry)))
    store = context.store

    def read(batch: pa.Table) -> Iterator[pa.Table]:
        for row in batch.to_pylist():
            pairs = zip(row["directories"], row["entries"], strict=True)
            tables = [store.read_table(directory, FileEntry(**json.loads(entry))) for directory, entry in pairs]
            for table in tables:
                if table.schema.names != schema.names:
                    raise UserError(
                        f"steps.{step}: rows of {schema.names} are needed, {names} has {table.schema.names}"
                    )
            yield pa.concat_tables(tables)

    step = context.step
    if not blocks:
        return ray.data.from_arrow(schema.empty_table())
    return ray.data.from_items(blocks, override_num_blocks=len(blocks)).map_batches(
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
    rows = [
        json.dumps(row, ensure_ascii=False, default=str)[:MAX_ROW_JSON] for row in refused.select(payload).to_pylist()
    ]
    columns["row"] = pa.array(rows, pa.string())
    for column in DROPPED:
        columns.setdefault(column.name, pa.nulls(refused.num_rows, column.type))
    return kept, pa.table({name: columns[name] for name in DROPPED.names}).cast(DROPPED)


def write_rows(
    dataset: ray.data.Dataset, context: Context[Any], schema: pa.Schema
) -> tuple[list[FileEntry], list[FileEntry], Tally]:
    """Write kept and refused rows; returns (data parts, dropped parts, tally)."""
    store, directory = context.store, context.directory
    written = dataset.map_batches(
        lambda table: _write_block(table, schema, store, directory), batch_format="pyarrow", batch_size=None
    )
    data: list[FileEntry] = []
    dropped: list[FileEntry] = []
    tally: Tally = Counter()
    for row in written.take_all():
        for group, text in (("data", row["data"]), ("dropped", row["dropped"])):
            if text:
                (data if group == "data" else dropped).append(FileEntry(**json.loads(text)))
        for reason, lang, source, number in json.loads(row["tally"]):
            tally[reason, lang, source] += number
    return data, dropped, tally


def _write_block(table: pa.Table, schema: pa.Schema, store: Store, directory: str) -> pa.Table:
    tally: Tally = Counter()
    entries = {"data": "", "dropped": ""}
    if table.num_rows:
        unknown = [None] * table.num_rows
        langs, sources = (
            table[name].to_pylist() if name in table.column_names else unknown for name in ("lang", "source")
        )
        for reason, lang, source in zip(table["reason"].to_pylist(), langs, sources, strict=True):
            tally[reason or KEPT, lang or "unknown", source or "unknown"] += 1
        for group, part in zip(("data", "dropped"), split(table, schema), strict=True):
            if part.num_rows:
                entries[group] = json.dumps(vars(store.write_table(f"{directory}/{group}", part)))
    listed = json.dumps([[*key, number] for key, number in sorted(tally.items())])
    return pa.table({"data": [entries["data"]], "dropped": [entries["dropped"]], "tally": [listed]})


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
