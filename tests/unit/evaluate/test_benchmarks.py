import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.evaluate.benchmarks import MAX_ROW_CHARACTERS, first_items, parse_items, rows_of
from apollo_ray.evaluate.settings import Benchmark
from apollo_ray.records import DROPPED, EVAL_ITEM

CHOICE = {"id": "1", "question": "Which?", "options": {"A": "one", "B": "two"}, "answer": "B"}


def parse(*rows, task="choice", lang="en", uri="x.jsonl"):
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    items, dropped = parse_items(Benchmark(name="mini", path="x", task=task, lang=lang), [(uri, lines)])
    assert items.schema == EVAL_ITEM
    assert dropped.schema == DROPPED
    return items.to_pylist(), dropped.to_pylist()


def test_a_choice_row_becomes_an_item():
    items, dropped = parse(CHOICE)
    assert items == [
        {
            "id": "1",
            "benchmark": "mini",
            "lang": "en",
            "task": "choice",
            "context": None,
            "question": "Which?",
            "letters": ["A", "B"],
            "options": ["one", "two"],
            "answer": "B",
            "fault": None,
        }
    ]
    assert dropped == []


def test_a_list_of_options_gets_letters_and_brackets_around_gold_are_no_part_of_it():
    items, _ = parse(CHOICE | {"options": ["x", "y", "z"], "answer": "（c）"})
    assert (items[0]["letters"], items[0]["options"], items[0]["answer"]) == (["A", "B", "C"], ["x", "y", "z"], "C")


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ("(A) one\n(B) two\n(C) (A) and (B)", "(B)"),
        ("A. one\nB. two", "B."),
        ("（A）one\n（B）two", "（B）"),
        (["one", "two"], 1),
        (["one", "two"], "two"),
    ],
)
def test_layouts_of_options_and_golds(options, answer):
    (item,), _ = parse(CHOICE | {"options": options, "answer": answer})
    assert (item["options"][:2], item["answer"]) == (["one", "two"], "B")


def test_a_gold_of_several_letters_is_cut_only_where_asked_and_then_says_so():
    line = json.dumps(CHOICE | {"options": ["x", "y", "z"], "answer": "(CA)"}).encode()
    benchmark = Benchmark(name="mini", path="x", task="choice", lang="en")
    items, dropped = parse_items(benchmark, [("x.jsonl", [line])], cut_golds=True)
    assert (items["answer"].to_pylist(), dropped.num_rows) == (["C"], 0)
    assert items["fault"].to_pylist() == ["several_answers: '(CA)' names more than one letter"]


def test_rows_count_by_their_source_where_asked():
    rows = [CHOICE | {"source": "mmlu"}, CHOICE | {"source": "medqa"}, CHOICE | {"source": " "}]
    lines = [json.dumps(row).encode() for row in rows]
    benchmark = Benchmark(name="mini", path="x", task="choice", lang="en", per_source=True)
    items, dropped = parse_items(benchmark, [("x.jsonl", lines)])
    assert items["benchmark"].to_pylist() == ["medqa", "mmlu"]
    assert dropped["reason"].to_pylist() == ["no_source"]


def test_a_file_is_lines_or_one_array_or_parquet(tmp_path):
    rows = [CHOICE, CHOICE | {"id": "2", "options": ["é", "y"]}]
    pq.write_table(pa.Table.from_pylist([CHOICE]), tmp_path / "x.parquet")
    assert [json.loads(line) for line in rows_of("x.json", json.dumps(rows, indent=2).encode())] == rows
    assert [json.loads(line) for line in rows_of("x.jsonl", "\n".join(map(json.dumps, rows)).encode())] == rows
    assert [json.loads(line) for line in rows_of("x.parquet", (tmp_path / "x.parquet").read_bytes())] == [CHOICE]
    for uri, broken in (("x.json", b'[{"id": 1}, {'), ("x.parquet", b"PAR1"), ("x.json", b"[" * 100_000)):
        items, dropped = parse(*rows_of(uri, broken))
        assert (items, [row["reason"] for row in dropped]) == ([], ["not_json"])


def test_options_are_put_in_the_order_of_their_letters():
    items, _ = parse(CHOICE | {"options": {"C": "z", "a": "x", "B": "y"}})
    assert items[0]["options"] == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"question": " "}, "no_question"),
        ({"question": None}, "no_question"),
        ({"question": 5}, "no_question"),
        ({"options": {"A": "one"}}, "bad_options"),
        ({"options": {"A": "one", "B": " "}}, "bad_options"),
        ({"options": {"A": "one", "B": None}}, "bad_options"),
        ({"options": {"A": "one", "a": "two"}}, "bad_options"),
        ({"options": {"A": "one", "BC": "two"}}, "bad_options"),
        ({"options": ["x"] * 27}, "bad_options"),
        ({"options": "A or B"}, "bad_options"),
        ({"answer": "C"}, "answer_not_an_option"),
        ({"answer": "three"}, "answer_not_an_option"),
        ({"options": ["x", "x"], "answer": "x"}, "answer_not_an_option"),
        ({"options": ["x", "y"], "answer": 2}, "no_answer"),
        ({"options": ["x", "y"], "answer": True}, "no_answer"),
        ({"options": "(A) one\n(C) two"}, "bad_options"),
        ({"options": "(A) one"}, "bad_options"),
        ({"answer": "AB"}, "several_answers"),
        ({"answer": "(A, B)"}, "several_answers"),
        ({"answer": ["A", "B"]}, "several_answers"),
        ({"answer": None}, "no_answer"),
        ({"answer": 1}, "no_answer"),
        ({"id": [1]}, "bad_id"),
        ({"id": True}, "bad_id"),
        ({"question": "half \ud800"}, "not_unicode"),
        ({"id": "half \ud800"}, "not_unicode"),
    ],
)
def test_a_row_that_cannot_be_asked_is_dropped_with_its_reason(change, reason):
    items, dropped = parse(CHOICE | change)
    assert items == []
    assert [row["reason"] for row in dropped] == [reason]


@pytest.mark.parametrize("line", [b"{", b"[1]", b"null", b"\xff\xfe", b'"text"', b"[" * 100_000])
def test_a_line_that_is_no_object_is_dropped_with_its_place(line):
    items, dropped = parse(CHOICE, b"  \n", line, uri="s3://bucket/mini.jsonl")
    assert len(items) == 1
    assert [(row["reason"], row["uri"], row["position"]) for row in dropped] == [
        ("not_json", "s3://bucket/mini.jsonl", 2)
    ]
    assert len(dropped[0]["row"]) <= MAX_ROW_CHARACTERS


def test_an_id_counts_once_in_each_language():
    items, dropped = parse(CHOICE | {"lang": "en"}, CHOICE | {"lang": "fr"}, CHOICE | {"lang": "en"}, lang=None)
    assert [item["lang"] for item in items] == ["en", "fr"]
    assert [row["reason"] for row in dropped] == ["duplicate_id"]


def test_without_an_id_the_content_is_the_id():
    row = {"question": "Which?", "options": ["x", "y"], "answer": "A"}
    first, _ = parse(row, row | {"options": ["x", "z"]})
    again, _ = parse(row | {"options": ["x", "z"]}, row)
    assert len({item["id"] for item in first}) == 2
    assert first == again


def test_language_comes_from_settings_then_row_then_file_name():
    assert parse(CHOICE | {"lang": "fr"}, lang="es", uri="a_en.jsonl")[0][0]["lang"] == "es"
    assert parse(CHOICE | {"lang": "FR"}, lang=None, uri="a_en.jsonl")[0][0]["lang"] == "fr"
    assert parse(CHOICE, lang=None, uri="/data/choice_en.jsonl")[0][0]["lang"] == "en"
    for uri in ("/data_en/mini.jsonl", "choice_en.json", "choicen.jsonl"):
        assert parse(CHOICE, lang=None, uri=uri)[1][0]["reason"] == "no_language"


def test_text_needs_an_answer_and_ask_needs_none():
    row = {"id": 7, "question": " Why? "}
    assert parse(row, task="text")[1][0]["reason"] == "no_answer"
    item = parse(row | {"answer": " Because. "}, task="text")[0][0]
    assert (item["id"], item["question"], item["answer"], item["letters"]) == ("7", "Why?", "Because.", [])
    assert parse(row, task="ask")[0][0]["answer"] is None


def test_the_limit_takes_the_first_of_each_language_in_order_of_id():
    rows = [CHOICE | {"id": name, "lang": lang} for name in "cab" for lang in ("fr", "en")]
    lines = [json.dumps(row).encode() for row in rows]
    items, _ = parse_items(Benchmark(name="mini", path="x", task="choice"), [("x.jsonl", lines)])
    kept = first_items(items, 2)
    assert [(row["lang"], row["id"]) for row in kept.to_pylist()] == [
        ("en", "a"),
        ("en", "b"),
        ("fr", "a"),
        ("fr", "b"),
    ]
    assert first_items(items, None).num_rows == 6
    assert first_items(items.slice(0, 0), 2).num_rows == 0


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ABCab"), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["id", "question", "options", "answer", "lang"]), json_values), max_size=5
    ),
    st.sampled_from(["choice", "text", "ask"]),
)
def test_every_row_is_an_item_or_dropped(rows, task):
    items, dropped = parse(*rows, task=task, lang=None)
    assert len(items) + len(dropped) == len(rows)
