"""Corpus on Ray Data: read, prepare, find copies, write. No task holds more than a pack of rows.

    files -> packs of bytes -> prepared parts under work/  (streams; a part that is there is not made again)
    keys of all rows -> copies                              (on the driver, or by a shuffle where there are many)
    prepared parts -> data and dropped parts                (in the order of their files, whatever came first)

What a pack becomes depends on nothing but its bytes and the settings, so any number of workers writes the same parts,
and a killed run goes on with the packs that are missing.
"""

import contextlib
import hashlib
import itertools
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import ray
import ray.data

from apollo_ray import dataset, refusals
from apollo_ray.codepoints import Ints
from apollo_ray.corpus import copies, dedup, sources, summary
from apollo_ray.corpus.copies import Copies
from apollo_ray.corpus.deidentify import Engine
from apollo_ray.corpus.deidentify.model import ModelEngine
from apollo_ray.corpus.minhash import BANDS
from apollo_ray.corpus.parse import Row, rows_of
from apollo_ray.corpus.parts import Pack, parts_of
from apollo_ray.corpus.rows import NOTES, SIGNATURE, Tools, prepare, prepared_schema, row_schema
from apollo_ray.corpus.settings import Deidentify, Source, StageSettings
from apollo_ray.corpus.sources import Chunk
from apollo_ray.decontaminate import Index
from apollo_ray.errors import ServiceError, UserError
from apollo_ray.leaks import load_index
from apollo_ray.step import Context, Result
from apollo_ray.store import Store, expand, open_fs

MAX_READERS = 64
"""Tasks that read. One feeds some 20 that prepare: it only finds where rows begin (100-200 MB/s; cleaning is at 3)."""

BAND_ROW_BYTES = 16
BYTES_PER_PARTITION = 64 * 2**20  # of band keys in a shuffle

PLACE = pa.schema([("work", pa.string()), ("row", pa.int64())])
"""Where a prepared row lies."""
_LARGE = ["bands", "sketch"]  # columns of KEYS
KEYS = pa.schema([*PLACE, ("id", pa.string()), ("uri", pa.string()), ("position", pa.int64()), *SIGNATURE])


def run(context: Context[StageSettings]) -> Result:
    """Every row of every source, kept or dropped with its reason. Raises UserError where nothing is kept."""
    settings = context.settings
    schema = row_schema(settings.rows)
    dataset.configure()
    files = _files(settings)
    context.say(f"reading {len(files)} files of {len(settings.sources)} sources")
    keys, found = _copies(context, _prepare(context, files))
    context.say(f"{keys.num_rows} rows, {int(found.is_copy.sum())} of them copies")
    parts = [{"packs": [vars(pack) for pack in packs]} for packs in parts_of(keys, found)]
    if not parts:
        raise UserError(f"steps.{context.step}: the corpus is empty: the files hold no rows")
    marked = ray.data.from_items(parts, override_num_blocks=len(parts)).map_batches(
        _marked, fn_args=(context.store, context.directory), batch_format="pyarrow", batch_size=1
    )
    data, dropped, tally, said = dataset.write_rows(
        marked, context, schema, summary.summarise, (*SIGNATURE.names, *NOTES.names)
    )
    counts = refusals.counts("row", tally)
    assert counts.read == keys.num_rows, f"{keys.num_rows} rows were prepared, {counts.read} written"
    if not counts.kept:
        raise UserError(
            f"steps.{context.step}: the corpus is empty: of {counts.read} rows read none was kept "
            f"({counts.dropped}); the refused rows are under "
            f"{context.store.address(context.directory, 'dropped')}"
        )
    told, overlaps = summary.merge(said)
    told |= {
        "near_copies": {str(size): number for size, number in found.clusters.items()},
        "by_language": refusals.funnel(tally, "language"),
        "by_source": refusals.funnel(tally, "source"),
        "by_language_and_source": refusals.cross(tally),
    }
    ledger = [context.store.write_table(f"{context.directory}/overlaps", overlaps)] if overlaps.num_rows else []
    _remove_work(context)
    return Result(counts, data=data, dropped=dropped, extra=ledger, summary=told)


def _files(settings: StageSettings) -> list[dict[str, Any]]:
    """Every file of every source, by source and address: the order of parts, however the settings order them."""
    files = []
    for index, source in enumerate(settings.sources):
        for uri in expand(source.path):
            form = source.format or sources.format_of(uri, settings.rows)
            files.append({"source": source.name, "index": index, "uri": uri, "format": form})
    return sorted(files, key=lambda file: (file["source"], file["uri"]))


def _prepare(context: Context[StageSettings], files: list[dict[str, Any]]) -> ray.data.Dataset:
    """KEYS of all rows. Prepared rows lie under work/."""
    settings = context.settings
    index = load_index(settings.decontaminate, f"steps.{context.step}") if settings.decontaminate else None
    step = -(-len(files) // MAX_READERS)  # files of one reader; a pack never spans two sources
    readers = [
        list(group)
        for _, of_source in itertools.groupby(files, key=lambda file: file["source"])
        for group in _batched(list(of_source), step)
    ]
    items = [{"reader": number, "files": group} for number, group in enumerate(readers)]
    with dataset.block_size(settings.bytes_per_task):
        packs = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
            _read,
            fn_args=(settings.bytes_per_task,),
            batch_format="pyarrow",
            batch_size=1,
            num_cpus=0,  # reading waits more than it computes; and steps of other resources are not fused
            compute=ray.data.TaskPoolStrategy(max(1, int(ray.cluster_resources().get("CPU", 1)) // 4)),
        )
        return packs.map_batches(
            _prepare_pack,
            fn_args=(settings, context.store, context.directory, ray.put(index)),
            batch_format="pyarrow",
            batch_size=1,
        ).materialize()


def _copies(context: Context[StageSettings], prepared: ray.data.Dataset) -> tuple[pa.Table, Copies]:
    """(KEYS without bands and sketches of all rows in order, which of them are copies).

    The driver holds some 150 bytes a row, 400 more while it looks for near copies itself, and the sketches of rows
    that share a band with another.
    """
    keys = pa.concat_tables(
        [KEYS.empty_table().drop_columns(_LARGE), *(block.drop_columns(_LARGE) for block in _blocks(prepared))]
    ).sort_by([("work", "ascending"), ("row", "ascending")])
    mode = context.settings.duplicates
    if mode == "keep":
        return keys, copies.none(keys.num_rows)
    found = copies.exact(keys)
    if mode == "near":
        number = copies.numbers(keys, found)
        if keys.num_rows <= context.settings.rows_on_driver:
            live = np.flatnonzero(number >= 0)
            bands = copies.gather(_blocks(prepared), "bands", keys, live).view(np.uint64)
            pairs = copies.candidates(bands, number[live])
            del bands
        else:
            pairs = _pairs_by_shuffle(prepared, keys, number)
        found = copies.with_near(
            keys, found, number, *pairs, lambda rows: copies.gather(_blocks(prepared), "sketch", keys, rows)
        )
    return keys, found


def _blocks(prepared: ray.data.Dataset) -> Iterator[pa.Table]:
    yield from prepared.iter_batches(batch_size=None, batch_format="pyarrow")


def _pairs_by_shuffle(prepared: ray.data.Dataset, keys: pa.Table, number: Ints) -> tuple[Ints, Ints]:
    """Candidate pairs of numbers: all rows of a band key meet in one partition."""
    works = keys["work"].to_pylist()
    starts = [row for row in range(len(works)) if row == 0 or works[row] != works[row - 1]]
    numbers = {works[start]: number[start:end] for start, end in itertools.pairwise([*starts, len(works)])}
    size = keys.num_rows * BANDS * BAND_ROW_BYTES
    with dataset.block_size(2**62):  # a partition that was cut into blocks would part rows of one key
        shuffled = prepared.map_batches(
            _band_rows, fn_args=(ray.put(numbers),), batch_format="pyarrow", batch_size=None
        ).repartition(max(1, size // BYTES_PER_PARTITION), keys=["key"])
        found = shuffled.map_batches(copies.pairs_of, batch_format="pyarrow", batch_size=None)
        tables = [
            (table["a"].to_numpy(), table["b"].to_numpy())
            for table in found.iter_batches(batch_size=None, batch_format="pyarrow")
        ]
    return dedup.unite(tables)


def _band_rows(table: pa.Table, numbers: Any) -> Iterator[pa.Table]:
    found = ray.get(numbers)
    for work in dict.fromkeys(table["work"].to_pylist()):
        pack = table.filter(pc.equal(table["work"], work)).sort_by("row")
        yield copies.band_rows(copies.bands_of(pack["bands"]), found[work])


def _batched(items: list[Any], size: int) -> Iterator[list[Any]]:
    for at in range(0, len(items), size):
        yield items[at : at + size]


def _read(batch: pa.Table, size: int) -> Iterator[pa.Table]:
    for item in batch.to_pylist():
        for number, pack in enumerate(sources.packs(_chunks(item["files"], size), size)):
            name = hashlib.blake2b(f"{pack[0].uri}\0{pack[0].position}\0{size}".encode(), digest_size=6).hexdigest()
            yield pa.table(
                {
                    "work": [f"{item['reader']:06d}-{number:06d}-{name}.parquet"],
                    "index": [item["files"][0]["index"]],
                    "chunks": pa.array([[vars(chunk) for chunk in pack]], sources.CHUNKS),
                }
            )


def _chunks(files: list[dict[str, Any]], size: int) -> Iterator[Chunk]:
    for file in files:
        filesystem, path = open_fs(file["uri"])
        with sources.open_file(filesystem, path) as opened:
            yield from sources.read_chunks(opened, file["uri"], file["format"], size)


def _prepare_pack(
    batch: pa.Table, settings: StageSettings, store: Store, directory: str, index: Any
) -> Iterator[pa.Table]:
    for item in batch.to_pylist():
        data = store.read(store.path(directory, "work", item["work"]))
        if data is None:
            source: Source = settings.sources[item["index"]]
            chunks = [Chunk(**chunk) for chunk in item["chunks"]]
            tools = Tools(_questions(index), _model(settings.deidentify))
            tables = list(prepare(_raw(chunks, settings.rows), source, settings, tools))
            table = pa.concat_tables(tables or [prepared_schema(settings.rows).empty_table()])
            store.write_table(f"{directory}/work", table, item["work"])
        else:
            table = pq.read_table(pa.BufferReader(data))
        place = {
            "work": pa.array([item["work"]] * table.num_rows, pa.string()),
            "row": pa.array(range(table.num_rows), pa.int64()),
        }
        yield pa.table(place | {name: table[name] for name in KEYS.names if name not in place}, schema=KEYS)


def _raw(chunks: list[Chunk], rows: str) -> Iterator[Row]:
    for chunk in chunks:
        for row in rows_of(chunk, rows):
            yield row | {"uri": chunk.uri}


@cache
def _questions(index: Any) -> Index | None:
    """Fetched once a worker process."""
    found: Index | None = ray.get(index)
    return found


def _model(wanted: bool | Deidentify) -> Engine | None:
    if isinstance(wanted, Deidentify) and wanted.model:
        return ModelEngine(wanted.model, wanted.labels, wanted.min_score)
    return None


def _marked(batch: pa.Table, store: Store, directory: str) -> Iterator[pa.Table]:
    for item in batch.to_pylist():
        tables = []
        for pack in (Pack(**pack) for pack in item["packs"]):
            data = store.read(store.path(directory, "work", pack.work))
            if data is None:
                raise ServiceError(f"{store.address(directory, 'work', pack.work)} was removed under way; run again")
            tables.append(pack.mark(pq.read_table(pa.BufferReader(data))))
        yield pa.concat_tables(tables)


def _remove_work(context: Context[StageSettings]) -> None:
    path = context.store.path(context.directory, "work")
    with contextlib.suppress(FileNotFoundError):
        context.store.fs.rm(path, recursive=True)
