import dataclasses
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.errors import ServiceError, UserError
from apollo_ray.store import Counts, Manifest, Store, content_digest, expand, fingerprint

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def manifest(**changes: Any) -> Manifest:
    values = {
        "step": "a",
        "stage": "corpus",
        "fingerprint": "f" * 16,
        "settings": {},
        "inputs": {},
        "counts": Counts("row", 3, 2, {"too_short": 1}),
        "data": [],
        "dropped": [],
        "extra": [],
        "summary": {},
        "versions": {},
        "started": "",
        "ended": "",
    }
    return Manifest(**(values | changes))


@given(JSON)
def test_fingerprint_ignores_the_order_of_keys_only(value: Any) -> None:
    def reordered(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: reordered(item[key]) for key in reversed(item)}
        return [reordered(part) for part in item] if isinstance(item, list) else item

    assert fingerprint(value) == fingerprint(reordered(value))
    assert fingerprint([value]) != fingerprint([value, None])


@pytest.mark.parametrize("value", [math.nan, math.inf, {1: 2}, object(), len, {"a": {3}}, b"bytes"])
def test_fingerprint_refuses_what_it_cannot_write_canonically(value: Any) -> None:
    with pytest.raises(TypeError):
        fingerprint({"key": value} if not isinstance(value, dict) else value)


def test_counts_that_do_not_add_up_cannot_be_made() -> None:
    with pytest.raises(AssertionError, match="neither kept nor dropped"):
        Counts("row", 10, 7, {"too_short": 2})


def test_a_step_is_finished_only_with_its_manifest(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    entry = store.write_table("a/ffffffffffffffff/data", pa.table({"x": [1, 2]}))
    assert store.manifest("a", "f" * 16) is None
    store.finish(manifest(data=[entry]))
    found = store.manifest("a", "f" * 16)
    assert found == manifest(data=[entry])
    assert [table.to_pydict() for table in store.tables(found)] == [{"x": [1, 2]}]


def test_parts_of_an_earlier_attempt_are_never_read(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.write_table("a/ffffffffffffffff/data", pa.table({"x": [9]}))
    entry = store.write_table("a/ffffffffffffffff/data", pa.table({"x": [1]}))
    store.finish(manifest(data=[entry]))
    assert [table["x"].to_pylist() for table in store.tables(manifest(data=[entry]))] == [[1]]


@pytest.mark.parametrize("damage", ["cut", "changed", "removed"])
def test_a_damaged_part_is_refused_by_name(tmp_path: Path, damage: str) -> None:
    store = Store(str(tmp_path))
    entry = store.write_table("a/ffffffffffffffff/data", pa.table({"x": list(range(100))}))
    file = tmp_path / "a" / ("f" * 16) / entry.path
    data = file.read_bytes()
    if damage == "removed":
        file.unlink()
    else:
        file.write_bytes(data[: len(data) // 2] if damage == "cut" else data[:50] + b"\0" + data[51:])
    with pytest.raises(ServiceError, match="part-"):
        list(store.tables(manifest(data=[entry])))


def test_content_digest_follows_bytes_not_places(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.jsonl").write_text("same")
    assert content_digest(str(tmp_path / "one" / "*.jsonl")) == content_digest(str(tmp_path / "two"))
    (tmp_path / "two" / "a.jsonl").write_text("other")
    assert content_digest(str(tmp_path / "one")) != content_digest(str(tmp_path / "two"))


def test_missing_files_and_unknown_addresses_are_named(tmp_path: Path) -> None:
    for address in (str(tmp_path / "*.nothing"), "nosuch://bucket/x"):
        with pytest.raises(UserError, match=r"noth|nosuch"):
            expand(address)


def test_a_store_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match="file/inside"):
        Store(str(tmp_path / "file" / "inside")).check_writable()


def test_starter_addresses_do_not_depend_on_where_the_package_lies() -> None:
    assert expand("starter://documents/e?.jsonl") == ["starter://documents/en.jsonl", "starter://documents/es.jsonl"]


def test_upload_and_download_keep_every_byte(tmp_path: Path) -> None:
    (tmp_path / "model" / "deep").mkdir(parents=True)
    (tmp_path / "model" / "a.bin").write_bytes(b"\0\1")
    (tmp_path / "model" / "deep" / "b.json").write_text("{}")
    store = Store(f"memory://{tmp_path.name}")
    entries = store.upload(tmp_path / "model", "step/f", "model")
    copy = store.download("step/f", entries, "model", tmp_path / "copy")
    assert (copy / "a.bin").read_bytes() == b"\0\1"
    assert (copy / "deep" / "b.json").read_text() == "{}"
    assert [entry.bytes for entry in entries] == [2, 2]


def test_manifests_survive_json(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    whole = manifest(summary={"by_language": {"hi": {"kept": 3}}}, inputs={"x": "y"})
    store.finish(whole)
    assert store.manifest("a", "f" * 16) == whole
    assert dataclasses.asdict(whole)["counts"]["dropped"] == {"too_short": 1}
