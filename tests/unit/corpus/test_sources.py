import bz2
import gzip
import io
import json
import lzma
import random
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from fsspec.spec import AbstractBufferedFile
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.corpus import sources
from apollo_ray.corpus.parse import rows_of
from apollo_ray.corpus.sources import Chunk, format_of, packs, read_chunks
from apollo_ray.errors import ServiceError, UserError


def read(data: bytes, form: Any, rows: str = "document", name: str = "x", size: int = 1 << 20) -> list[dict]:
    return [row for chunk in read_chunks(io.BytesIO(data), name, form, size) for row in rows_of(chunk, rows)]


def parquet(rows: list[dict]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


TEXTS = ["first text", "दूसरा पाठ", "第三篇", 'with "quotes" and\na line feed', "\u2028 separators \x85 inside"]


@pytest.mark.parametrize("size", [1, 30, 1 << 20])
def test_formats_read_the_same_texts_whatever_the_size_of_chunks(size: int) -> None:
    lines = "\n".join(json.dumps({"text": text}, ensure_ascii=False) for text in TEXTS).encode()
    array = json.dumps(TEXTS, indent=2).encode()
    for data, form in ((lines, "jsonl"), (array, "apollo_text"), (parquet([{"text": t} for t in TEXTS]), "parquet")):
        rows = read(data, form, size=size)
        assert [row["text"] for row in rows] == TEXTS
        assert [row["position"] for row in rows] == list(range(len(TEXTS)))
    (row,) = read(TEXTS[1].encode(), "text", name="a/b.txt.gz", size=size)
    assert (row["text"], row["title"]) == (TEXTS[1], "b")


def test_a_page_gives_its_title_and_text() -> None:
    page = b"<html><head><title>Asthma</title></head><body><nav><a href='/'>Home</a></nav><p>BMI <18.5 matters.</p></body></html>"
    (row,) = read(page, "page", name="a.html")
    assert row["title"] == "Asthma"
    assert "<p>" not in row["text"]
    assert "matters." in row["text"]
    (line,) = read(json.dumps({"html": page.decode()}).encode(), "jsonl")
    assert (line["title"], line["text"]) == (row["title"], row["text"])


def test_apollo_conversations_of_any_length() -> None:
    data = json.dumps([["q", "a"], ["q1", "a1", "q2", "a2"]]).encode()
    assert [row["turns"] for row in read(data, "apollo_qa", "conversation")] == [["q", "a"], ["q1", "a1", "q2", "a2"]]


@pytest.mark.parametrize(
    "row",
    [
        {"turns": ["q", "a"]},
        {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
        {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]},
        {"instruction": "q", "input": "", "output": "a"},
    ],
)
def test_forms_that_others_write_give_the_same_turns(row: dict) -> None:
    (made,) = read(json.dumps(row).encode(), "jsonl", "conversation")
    assert made["turns"] == ["q", "a"]


def test_a_system_message_opens_the_first_turn_and_roles_must_alternate() -> None:
    system = {"role": "system", "content": "Be brief."}
    user, answer = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
    (made,) = read(json.dumps({"messages": [system, user, answer]}).encode(), "jsonl", "conversation")
    assert made["turns"] == ["Be brief.\nq", "a"]
    (refused,) = read(json.dumps({"messages": [answer, user]}).encode(), "jsonl", "conversation")
    assert refused["reason"] == "no_turns"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "cut in ha', "not_json"),
        (b"\xff\xfe not utf-8", "not_utf8"),
        (b"[1, 2]", "no_text"),
        (b"17", "not_an_object"),
        (b'{"text": 5}', "no_text"),
        (b'{"text": "  "}', "no_text"),
        (b'{"body": "other key"}', "no_text"),
        (b"[" * 100_000, "not_json"),
    ],
)
def test_one_bad_line_is_one_refused_row(line: bytes, reason: str) -> None:
    good = b'{"text": "good"}'
    rows = read(b"\n".join([good, line, b"", good]), "jsonl")
    assert [row.get("reason") for row in rows] == [None, reason, None]
    assert [row["position"] for row in rows] == [0, 1, 3], "positions are lines of the file, blank ones too"
    assert rows[1]["detail"]


@pytest.mark.parametrize("turns", [["q"], ["q", ""], [], "q a", ["q", 3], [" ", "a"], [{"role": "user"}]])
def test_bad_turns_are_refused(turns: Any) -> None:
    (row,) = read(json.dumps({"conversations": turns}).encode(), "jsonl", "conversation")
    assert row["reason"] in ("unpaired_turns", "no_turns")


@pytest.mark.parametrize("form", ["parquet", "apollo_text"])
@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.95])
def test_a_cut_file_gives_what_is_whole_and_one_refused_row(form: Any, keep: float) -> None:
    texts = [f"text number {index} " * 50 for index in range(300)]
    data = parquet([{"text": text} for text in texts]) if form == "parquet" else json.dumps(texts).encode()
    cut = data[: int(keep * len(data)) if keep < 1 else int(keep)]
    rows = read(cut, form, size=10_000)
    assert rows[-1]["reason"] == "unreadable_file"
    assert [row["text"] for row in rows[:-1]] == texts[: len(rows) - 1]
    assert rows[-1]["position"] == len(rows) - 1


COMPRESS = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lambda data: lzma.compress(data, preset=0),
    ".zst": lambda data: zstandard.ZstdCompressor().compress(data),
}


def read_file(path: Path) -> list[dict]:
    with sources.open_file(fsspec.filesystem("file"), str(path)) as file:
        chunks = list(read_chunks(file, str(path), "jsonl", 100_000))
    return [row for chunk in chunks for row in rows_of(chunk, "document")]


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_damaged_archive_gives_what_is_whole_and_one_refused_row(suffix: str, tmp_path: Path) -> None:
    chance = random.Random(0)
    texts = [" ".join(str(chance.random()) for _ in range(40)) for _ in range(4_000)]
    data = COMPRESS[suffix]("\n".join(json.dumps({"text": text}) for text in texts).encode())
    file = tmp_path / f"x.jsonl{suffix}"
    file.write_bytes(data)
    assert [row["text"] for row in read_file(file)] == texts
    file.write_bytes(data[: len(data) * 3 // 4])
    rows = read_file(file)
    whole = [row["text"] for row in rows if "reason" not in row]
    assert whole == texts[: len(whole)]
    assert 0 < len(whole) < len(texts)
    # A cut line is all that tells of a cut .zst; the others know their end.
    assert rows[-1]["reason"] == ("not_json" if suffix == ".zst" else "unreadable_file")


class Remote(fsspec.AbstractFileSystem):
    """A file system that fetches ranges, as object stores do, and breaks behind `broken_at`."""

    protocol = "remote"
    cachable = False

    def __init__(self, data: bytes, broken_at: int | None = None) -> None:
        super().__init__()
        self.data, self.broken_at = data, broken_at

    def _open(self, path: str, mode: str = "rb", **_: Any) -> AbstractBufferedFile:
        remote = self

        class Ranges(AbstractBufferedFile):
            def _fetch_range(self, start: int, end: int) -> bytes:
                if remote.broken_at is not None and end > remote.broken_at:
                    raise OSError("503 Slow Down")
                return remote.data[start:end]

        return Ranges(self, path, mode, block_size=1_000, cache_type="readahead", size=len(self.data))


@pytest.mark.parametrize("suffix", ["", *COMPRESS])
def test_an_object_stores_file_is_read_and_its_failure_is_no_damage(suffix: str) -> None:
    texts = [f"text {number} {random.Random(number).random()}" for number in range(1_000)]
    data = "\n".join(json.dumps({"text": text}) for text in texts).encode()
    data = COMPRESS.get(suffix, bytes)(data)

    def chunks(broken_at: int | None) -> list[Chunk]:
        with sources.open_file(Remote(data, broken_at), f"x.jsonl{suffix}") as file:
            return list(read_chunks(file, "remote://x", "jsonl", 10_000))

    assert [row["text"] for chunk in chunks(None) for row in rows_of(chunk, "document")] == texts
    with pytest.raises(ServiceError, match="503 Slow Down"):
        chunks(len(data) // 2)


def test_parquet_is_read_from_an_object_store() -> None:
    rows = [{"text": text} for text in TEXTS]
    with sources.open_file(Remote(parquet(rows)), "x.parquet") as file:
        found = [row for chunk in read_chunks(file, "x", "parquet", 100) for row in rows_of(chunk, "document")]
    assert [row["text"] for row in found] == TEXTS


def test_a_store_that_does_not_answer_when_a_file_is_opened_is_a_failed_service() -> None:
    class Silent(Remote):
        def open(self, *_: Any, **__: Any) -> Any:
            raise failure

    failure: Exception = RuntimeError("Connect timeout")
    with pytest.raises(ServiceError, match="Connect timeout"):
        sources.open_file(Silent(b""), "x.jsonl")
    failure = FileNotFoundError("x.jsonl")
    with pytest.raises(FileNotFoundError):
        sources.open_file(Silent(b""), "x.jsonl")


def test_a_row_without_end_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "LONGEST_ROW", 100)
    data = b'{"text": "a"}\n' + b'"' + b"x" * 1_000 + b'"\n{"text": "b"}\n'
    rows = read(data, "jsonl")
    assert [(row["position"], row.get("reason")) for row in rows] == [(0, None), (1, "row_too_long"), (2, None)]
    (row,) = read(b"x" * 101, "text")
    assert row["reason"] == "row_too_long"


@given(st.lists(st.integers(0, 50), max_size=30), st.integers(1, 100))
def test_packs_keep_every_chunk_in_order_and_end_when_full(sizes: list[int], size: int) -> None:
    chunks = [Chunk("u", "text", index, b"x" * length) for index, length in enumerate(sizes)]
    made = list(packs(iter(chunks), size))
    assert [chunk for pack in made for chunk in pack] == chunks
    for pack in made:
        assert sum(len(chunk.payload) for chunk in pack[:-1]) < size
    assert all(sum(len(chunk.payload) for chunk in pack) >= size for pack in made[:-1])


@given(
    st.binary(max_size=200),
    st.sampled_from(["jsonl", "parquet", "text", "page", "apollo_text"]),
    st.sampled_from(["document", "conversation"]),
)
def test_no_bytes_at_all_raise(data: bytes, form: Any, rows: str) -> None:
    for row in read(data, form, rows, size=20):
        assert row["position"] >= 0
        assert row.get("reason") or row.get("text") is not None or row.get("turns")


def test_ids_follow_content_not_place() -> None:
    first = read(b'{"text": "a"}\n{"text": "b"}', "jsonl")
    second = read(b'{"text": "b"}\n{"text": "a"}', "jsonl")
    assert {row["id"] for row in first} == {row["id"] for row in second}
    assert first[0]["id"] != first[1]["id"]


def test_unknown_suffix_is_the_users_mistake() -> None:
    assert format_of("a/b.JSONL", "document") == "jsonl"
    assert format_of("a/b.jsonl.zst", "document") == "jsonl"
    assert format_of("a/b.html.gz", "document") == "page"
    assert format_of("medicalBook_en_qa.json", "conversation") == "apollo_qa"
    with pytest.raises(UserError, match=r"corpus\.xyz.*format"):
        format_of("corpus.xyz", "document")
