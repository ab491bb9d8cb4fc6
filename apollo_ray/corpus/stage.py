"""Corpus on Ray Data: one streaming pass over the files, exact duplicates by hash, one writing pass."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import ray
import ray.data

from apollo_ray import dataset
from apollo_ray.corpus import dedup, rows, sources
from apollo_ray.corpus.settings import Source, StageSettings
from apollo_ray.errors import UserError
from apollo_ray.records import CONVERSATION, DOCUMENT
from apollo_ray.step import Context, Result
from apollo_ray.store import expand, open_fs


def run(context: Context[StageSettings]) -> Result:
    """Every row of every source, kept or dropped with its reason. Raises UserError where nothing is kept."""
    settings = context.settings
    schema = DOCUMENT if settings.rows == "document" else CONVERSATION
    files = [
        {"uri": uri, "source": index, "format": source.format or sources.format_of(uri, settings.rows)}
        for index, source in enumerate(settings.sources)
        for uri in expand(source.path)
    ]
    context.say(f"reading {len(files)} files of {len(settings.sources)} sources")
    dataset.configure()
    prepared = (
        ray.data.from_items(files, override_num_blocks=len(files))
        .map_batches(_read, fn_args=(settings,), batch_format="pyarrow", batch_size=1)
        .materialize()
    )
    copies = ray.put(_copies(prepared))
    marked = prepared.map_batches(_mark_copies, fn_args=(copies,), batch_format="pyarrow", batch_size=None)
    data, dropped, tally = dataset.write_rows(marked, context, schema)
    counts = dataset.counts("row", tally)
    if not counts.kept:
        raise UserError(
            f"steps.{context.step}: the corpus is empty: of {counts.read} rows read none was kept "
            f"({counts.dropped or 'the files hold no rows'}); the refused rows are under "
            f"{context.store.address(context.directory, 'dropped')}"
        )
    summary = {"by_language": dataset.funnel(tally, "language"), "by_source": dataset.funnel(tally, "source")}
    return Result(counts, data=data, dropped=dropped, summary=summary)


def _read(batch: pa.Table, settings: StageSettings) -> Iterator[pa.Table]:
    for item in batch.to_pylist():
        source: Source = settings.sources[item["source"]]
        filesystem, path = open_fs(item["uri"])
        with filesystem.open(path, "rb") as file:
            raw_rows = sources.read_rows(file, path, item["format"], settings.rows)
            for raw in sources.tables(raw_rows, settings.rows_per_block):
                yield rows.prepare(raw, settings, source, item["uri"])


def _copies(prepared: ray.data.Dataset) -> dict[tuple[str, int], str]:
    """(file, position) of every later copy -> where its first stands. Holds one 32-digit key a row on the driver."""
    keys: list[str | None] = []
    places: list[tuple[str, int]] = []
    slim = prepared.select_columns(["uri", "position", "duplicate_key", "reason"])
    for batch in slim.iter_batches(batch_size=None, batch_format="pyarrow"):
        for row in batch.to_pylist():
            keys.append(row["duplicate_key"] if row["reason"] is None else None)
            places.append((row["uri"], row["position"]))
    return {places[copy]: "{}:{}".format(*places[first]) for copy, first in dedup.later_copies(keys).items()}


def _mark_copies(table: pa.Table, copies: Any) -> pa.Table:
    found = ray.get(copies) if isinstance(copies, ray.ObjectRef) else copies
    places = zip(table["uri"].to_pylist(), table["position"].to_pylist(), strict=True)
    firsts = [found.get(place) for place in places]
    reasons = ["exact_duplicate" if first else None for first in firsts]
    details = [f"same text as {first}" if first else None for first in firsts]
    return dataset.with_refusals(table, "dedup", reasons, details)
