"""Rows through Ray Data: read the parts of finished steps, write parts and dropped rows.

A dataset that a stage writes carries, beside the columns of its row type, `rule`, `reason` and `detail`: null for rows
that are kept. The task that holds a block writes both parts and returns what it wrote, and only what tasks returned is
listed in the manifest. So a task that is tried again loses and doubles nothing (Ray Data's own write modes do both).
"""

import contextlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import ray
import ray.data

from apollo_ray.errors import UserError
from apollo_ray.refusals import KEPT, Tally, split
from apollo_ray.step import Context
from apollo_ray.store import FileEntry, Store, step_directory

BYTES_PER_BLOCK = 8 * 2**20
"""Compressed bytes of parts read as one block: about 30 MB of text. A task costs some 0.1 s, whatever it does."""


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


@contextlib.contextmanager
def block_size(size: int) -> Iterator[None]:
    """Datasets made inside hand blocks on at this many bytes; at 2**62 what one task makes stays one block."""
    context = ray.data.DataContext.get_current().copy()
    context.target_max_block_size = size
    with ray.data.DataContext.current(context):
        yield


def write_rows(
    dataset: ray.data.Dataset,
    context: Context[Any],
    schema: pa.Schema,
    summarise: Callable[[pa.Table], str] | None = None,
    private: tuple[str, ...] = (),
) -> tuple[list[FileEntry], list[FileEntry], Tally, list[str]]:
    """Write kept and refused rows; returns (data parts, dropped parts, tally, what `summarise` said of each block).

    `private` columns are for `summarise` and are not written.
    """
    written = dataset.map_batches(
        _write_block,
        fn_args=(schema, context.store, context.directory, summarise, private),
        batch_format="pyarrow",
        batch_size=None,
    )
    said: list[str] = []
    data: list[FileEntry] = []
    dropped: list[FileEntry] = []
    tally: Tally = Counter()
    for row in written.take_all():
        for group, text in (("data", row["data"]), ("dropped", row["dropped"])):
            if text:
                (data if group == "data" else dropped).append(FileEntry(**json.loads(text)))
        for reason, lang, source, number in json.loads(row["tally"]):
            tally[reason, lang, source] += number
        if row["said"]:
            said.append(row["said"])
    return data, dropped, tally, said


def _write_block(
    table: pa.Table,
    schema: pa.Schema,
    store: Store,
    directory: str,
    summarise: Callable[[pa.Table], str] | None,
    private: tuple[str, ...],
) -> pa.Table:
    tally: Tally = Counter()
    entries = {"data": "", "dropped": ""}
    said = summarise(table) if summarise and table.num_rows else ""
    if table.num_rows:
        unknown = [None] * table.num_rows
        langs, sources = (
            table[name].to_pylist() if name in table.column_names else unknown for name in ("lang", "source")
        )
        for reason, lang, source in zip(table["reason"].to_pylist(), langs, sources, strict=True):
            tally[reason or KEPT, lang or "unknown", source or "unknown"] += 1
        for group, part in zip(("data", "dropped"), split(table.drop_columns(list(private)), schema), strict=True):
            if part.num_rows:
                entries[group] = json.dumps(vars(store.write_table(f"{directory}/{group}", part)))
    listed = json.dumps([[*key, number] for key, number in sorted(tally.items())])
    return pa.table({"data": [entries["data"]], "dropped": [entries["dropped"]], "tally": [listed], "said": [said]})
