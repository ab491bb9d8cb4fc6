"""Rows of packed sequences by their number: the same from a disk and from a remote store, and damage is named."""

import pickle
import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from apollo_ray import packed, tables
from apollo_ray.errors import ServiceError, UserError
from apollo_ray.packed import PackedRows
from apollo_ray.records import PACKED_SEQUENCE, TRAINING_STEP
from apollo_ray.store import Counts, Manifest, Store

PARTS = (40, 17, 1, 16)


def sequence(number: int) -> dict:
    ids = list(range(number, 2 * number + 3))
    return {
        "row": number,
        "input_ids": ids,
        "labels": [-100, *ids[1:]],
        "lengths": [1, len(ids) - 1],
        "langs": ["en", "zh"],
    }


def finished(uri: str, parts: tuple[int, ...] = PARTS) -> PackedRows:
    store, entries, number = Store(uri), [], 0
    for size in parts:
        rows = [sequence(number + place) for place in range(size)]
        table = pa.Table.from_pylist(rows, PACKED_SEQUENCE)
        entries.append(store.write_table("mix/f/data", table, f"part-{number:06d}.arrow"))
        number += size
    manifest = Manifest("mix", "mix", "f", {}, {}, Counts("example", 0, 0), entries, [], [], {}, {}, "", "")
    return PackedRows(store, manifest)


@pytest.fixture(params=["local", "memory"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path) if request.param == "local" else f"memory://{uuid.uuid4().hex}"


def assert_row(rows: PackedRows, number: int) -> None:
    found, wanted = rows.row(number), sequence(number)
    for name in ("input_ids", "labels", "lengths"):
        array = getattr(found, name)
        assert array.dtype == np.int32
        assert array.tolist() == wanted[name]
    assert found.langs == ("en", "zh")


def test_every_row_is_read_by_its_number(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = finished(uri)
    monkeypatch.setattr(packed, "OPEN_PARTS", 2)
    assert len(rows) == sum(PARTS)
    for number in np.random.default_rng(0).permutation(np.tile(np.arange(len(rows)), 2)).tolist():
        assert_row(rows, number)
    for wrong in (-1, len(rows)):
        with pytest.raises(IndexError, match=f"row {wrong} of"):
            rows.row(wrong)


def test_a_row_is_the_readers_own(uri: str) -> None:
    rows = finished(uri)
    rows.row(3).labels[:] = 7
    assert_row(rows, 3)


def test_it_travels_to_workers_with_nothing_open(uri: str) -> None:
    rows = finished(uri)
    assert_row(rows, 45)
    assert_row(pickle.loads(pickle.dumps(rows)), 45)


def test_of_a_remote_part_one_batch_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = finished(f"memory://{uuid.uuid4().hex}", (4_000,))
    size = rows.manifest.data[0].bytes
    assert size > 20 * packed.BYTES_AHEAD
    fetched = []
    monkeypatch.setattr(
        MemoryFileSystem, "_open", lambda self, path, **options: Counted(self.cat_file(path), fetched), raising=True
    )
    assert_row(rows, 3_000)
    assert_row(rows, 3_001)
    assert sum(fetched) < size / 10


class Counted:
    """A file that notes how much of it was read."""

    def __init__(self, data: bytes, fetched: list[int]) -> None:
        self.data, self.fetched, self.place, self.closed = data, fetched, 0, False

    def read(self, size: int = -1) -> bytes:
        found = self.data[self.place :][: size if size >= 0 else None]
        self.place += len(found)
        self.fetched.append(len(found))
        return found

    def seek(self, place: int, whence: int = 0) -> int:
        self.place = place + (0, self.place, len(self.data))[whence]
        return self.place

    def tell(self) -> int:
        return self.place

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("damage", ["cut", "removed", "emptied", "replaced"])
def test_a_damaged_part_is_refused_by_name(uri: str, damage: str) -> None:
    rows = finished(uri)
    store, entry = rows.store, rows.manifest.data[0]
    path = store.path("mix/f", entry.path)
    data = store.read(path)
    assert data is not None
    if damage == "removed":
        store.fs.rm_file(path)
    else:
        store.write(path, {"cut": data[:-9], "emptied": b"", "replaced": b"x" * len(data)}[damage])
    with pytest.raises(ServiceError, match=r"part-000000.arrow .*run again"):
        rows.row(0)
    assert_row(rows, 41)


def test_rows_of_another_type_are_the_users_mistake(tmp_path: Path) -> None:
    rows = finished(str(tmp_path))
    entry = rows.store.write_table("mix/f/data", TRAINING_STEP.empty_table(), "part-x.arrow")
    wrong = PackedRows(rows.store, replace(rows.manifest, data=[replace(entry, rows=1)]))
    with pytest.raises(UserError, match="are needed"):
        wrong.row(0)


def test_the_same_table_is_the_same_bytes_however_it_is_cut() -> None:
    table = pa.Table.from_pylist([sequence(number) for number in range(50)], PACKED_SEQUENCE)
    whole = tables.encode(table, "a.arrow")
    assert tables.encode(pa.concat_tables([table.slice(0, 7), table.slice(7)]), "a.arrow") == whole
    assert tables.decode(whole, "a.arrow") == table
    assert pa.ipc.open_file(pa.BufferReader(whole)).num_record_batches == 4
    assert tables.decode(tables.encode(table, "a.parquet"), "a.parquet") == table
