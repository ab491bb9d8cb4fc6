import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from apollo_ray.corpus.sources import RAW, format_of, read_rows, tables
from apollo_ray.errors import UserError


def read(data: bytes, form: Any, rows: str = "document", name: str = "x") -> list[dict]:
    return list(read_rows(io.BytesIO(data), name, form, rows))


def parquet(rows: list[dict]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def test_the_five_formats_read_the_same_texts() -> None:
    texts = ["first text", "दूसरा पाठ", "第三篇"]
    lines = "\n".join(json.dumps({"text": text}, ensure_ascii=False) for text in texts).encode()
    array = json.dumps(texts, indent=2).encode()
    for data, form in ((lines, "jsonl"), (array, "apollo_text"), (parquet([{"text": t} for t in texts]), "parquet")):
        assert [row["text"] for row in read(data, form)] == texts
    assert [row["text"] for row in read(texts[1].encode(), "text", name="a/b.txt")] == [texts[1]]
    assert read(texts[1].encode(), "text", name="a/b.txt")[0]["title"] == "b"


def test_apollo_conversations_of_any_length() -> None:
    data = json.dumps([["q", "a"], ["q1", "a1", "q2", "a2"]]).encode()
    assert [row["turns"] for row in read(data, "apollo_qa", "conversation")] == [["q", "a"], ["q1", "a1", "q2", "a2"]]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "cut in ha', "not_json"),
        (b"\xff\xfe not utf-8", "not_json"),
        (b"[1, 2]", "no_text"),
        (b"17", "not_an_object"),
        (b'{"text": 5}', "no_text"),
        (b'{"text": "  "}', "no_text"),
        (b'{"body": "other key"}', "no_text"),
    ],
)
def test_one_bad_line_is_one_refused_row(line: bytes, reason: str) -> None:
    good = b'{"text": "good"}'
    rows = read(b"\n".join([good, line, good]), "jsonl")
    assert [row.get("reason") for row in rows] == [None, reason, None]
    assert [row["position"] for row in rows] == [0, 1, 2]
    assert rows[1]["detail"]


@pytest.mark.parametrize("turns", [["q"], ["q", ""], [], "q a", ["q", 3], [" ", "a"]])
def test_bad_turns_are_refused(turns: Any) -> None:
    (row,) = read(json.dumps({"conversations": turns}).encode(), "jsonl", "conversation")
    assert row["reason"] in ("unpaired_turns", "no_turns")


@pytest.mark.parametrize("form", ["parquet", "apollo_text"])
@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.95])
def test_a_cut_file_gives_what_is_whole_and_one_refused_row(form: Any, keep: float) -> None:
    texts = [f"text number {index} " * 50 for index in range(300)]
    data = parquet([{"text": text} for text in texts]) if form == "parquet" else json.dumps(texts).encode()
    cut = data[: int(keep * len(data)) if keep < 1 else int(keep)]
    rows = read(cut, form)
    assert rows[-1]["reason"] == "unreadable_file"
    assert [row["text"] for row in rows[:-1]] == texts[: len(rows) - 1]


def test_tables_hold_every_row_in_order() -> None:
    data = "\n".join(json.dumps({"text": f"t{index}"}) for index in range(25)).encode()
    made = list(tables(iter(read(data, "jsonl")), 10))
    assert [table.num_rows for table in made] == [10, 10, 5]
    assert all(table.schema == RAW for table in made)
    assert [text for table in made for text in table["text"].to_pylist()] == [f"t{index}" for index in range(25)]


def test_ids_follow_content_not_place() -> None:
    first = read(b'{"text": "a"}\n{"text": "b"}', "jsonl")
    second = read(b'{"text": "b"}\n{"text": "a"}', "jsonl")
    assert {row["id"] for row in first} == {row["id"] for row in second}
    assert first[0]["id"] != first[1]["id"]


def test_unknown_suffix_is_the_users_mistake() -> None:
    assert format_of("a/b.JSONL", "document") == "jsonl"
    assert format_of("medicalBook_en_qa.json", "conversation") == "apollo_qa"
    with pytest.raises(UserError, match=r"corpus\.xyz.*format"):
        format_of("corpus.xyz", "document")
