import json
from collections import Counter

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.records import DROPPED, MAX_ROW_CHARACTERS
from apollo_ray.refusals import KEPT, counts, cross, funnel, split, with_refusals

SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string()), ("uri", pa.string()), ("position", pa.int64())])
REASONS = st.lists(st.none() | st.sampled_from(["too_short", "leak"]), max_size=20)


def table(rows: int, text: str = "some text") -> pa.Table:
    return pa.Table.from_pylist([{"id": str(n), "text": text, "uri": "f", "position": n} for n in range(rows)], SCHEMA)


@given(REASONS, st.data())
def test_the_first_reason_stays(first: list[str | None], data: st.DataObject) -> None:
    second = data.draw(st.lists(st.none() | st.just("later"), min_size=len(first), max_size=len(first)))
    once = with_refusals(table(len(first)), "one", first, first)
    twice = with_refusals(once, "two", second, second).to_pylist()
    for row, early, late in zip(twice, first, second, strict=True):
        assert row["reason"] == (early or late)
        assert row["rule"] == ("one" if early else "two" if late else None)


@given(REASONS)
def test_every_row_is_on_one_side(reasons: list[str | None]) -> None:
    kept, refused = split(with_refusals(table(len(reasons)), "rule", reasons, reasons), SCHEMA)
    assert kept.schema == SCHEMA
    assert refused.schema == DROPPED
    assert sorted(kept["position"].to_pylist() + refused["position"].to_pylist()) == list(range(len(reasons)))
    assert refused["reason"].to_pylist() == [reason for reason in reasons if reason]
    for row in refused["row"].to_pylist():
        assert json.loads(row) == {"text": "some text"}


def test_a_long_refused_row_is_cut() -> None:
    _, refused = split(with_refusals(table(1, "x" * 10_000), "rule", ["too_long"], [None]), SCHEMA)
    assert len(refused["row"][0].as_py()) == MAX_ROW_CHARACTERS


def test_counts_funnels_and_the_cross_say_the_same() -> None:
    tally = Counter({(KEPT, "en", "a"): 3, ("leak", "en", "a"): 1, (KEPT, "hi", "b"): 2, ("leak", "hi", "a"): 4})
    total = counts("row", tally)
    assert (total.read, total.kept, total.dropped) == (10, 5, {"leak": 5})
    assert funnel(tally, "language") == {"en": {KEPT: 3, "leak": 1}, "hi": {KEPT: 2, "leak": 4}}
    assert funnel(tally, "source") == {"a": {KEPT: 3, "leak": 5}, "b": {KEPT: 2}}
    assert Counter({(one["reason"], one["lang"], one["source"]): one["rows"] for one in cross(tally)}) == tally
