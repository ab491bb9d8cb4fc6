"""Rows to copies to parts: the columns between, whatever found the pairs."""

import itertools
import random

import numpy as np
import pyarrow as pa
import pytest

from apollo_ray.corpus import copies, dedup, minhash, parts
from apollo_ray.text import content_id

WORDS = [
    "fever",
    "cough",
    "water",
    "rest",
    "dose",
    "heart",
    "lung",
    "liver",
    "kidney",
    "sleep",
    "child",
    "adult",
    "night",
    "day",
    "week",
    "month",
    "pain",
    "rash",
    "test",
    "care",
]


def text(seed: int, words: int = 120) -> str:
    chance = random.Random(seed)
    return " ".join(chance.choice(WORDS) + str(chance.randrange(100)) for _ in range(words))


def table(texts: list[str | None], ranks: list[int] | None = None) -> pa.Table:
    """Keys as prepared parts have them; None is a refused row."""
    rows = []
    for place, one in enumerate(texts):
        row = {
            "work": f"w{place // 3}",
            "row": place % 3,
            "id": content_id(one or str(place)),
            "uri": "f",
            "position": place,
        }
        if one is not None:
            found = minhash.signatures([one])
            row |= {
                "exact_key": bytes(dedup.exact_keys([one])[0]),
                "sketch": found.sketch[0].tobytes(),
                "bands": found.bands[0].tobytes(),
                "shingles": int(found.shingles[0]),
                "characters": len(one),
                "rank": ranks[place] if ranks else 0,
            }
        rows.append(row)
    schema = pa.schema(
        [("work", pa.string()), ("row", pa.int64()), ("id", pa.string()), ("uri", pa.string()), ("position", pa.int64()),
         ("exact_key", pa.binary(dedup.KEY_BYTES)), ("sketch", pa.binary(minhash.SKETCH_BYTES)),
         ("bands", pa.binary(minhash.BANDS * 8)), ("shingles", pa.int32()), ("characters", pa.int64()), ("rank", pa.int32())]
    )  # fmt: skip
    return pa.Table.from_pylist(rows, schema)


def found(keys: pa.Table) -> copies.Copies:
    once = copies.exact(keys)
    number = copies.numbers(keys, once)
    pairs = copies.candidates(copies.bands_of(keys["bands"]), number)
    return copies.with_near(keys, once, number, *pairs, lambda rows: copies.gather([keys], "sketch", keys, rows))


def edited(original: str, at: int) -> str:
    words = original.split()
    words[at] = "changed"
    return " ".join(words)


def test_exact_and_near_copies_point_at_the_row_that_stays() -> None:
    original = text(1)
    keys = table([edited(original, 60), original, None, original.upper(), text(2), original + " and more of it"])
    made = found(keys)
    assert made.survivor.tolist() == [5, 5, -1, 1, -1, -1], "the longest stays; a refused row is nobody's copy"
    reasons, details = made.refusals(keys)
    assert reasons == ["near_duplicate", "near_duplicate", None, "exact_duplicate", None, None]
    assert details[3] == "same text as f:1"
    assert details[0].endswith("with f:5")


def test_of_equal_copies_the_better_kind_stays() -> None:
    keys = table([text(1), text(1), text(2)], ranks=[5, 1, 0])
    assert found(keys).survivor.tolist() == [1, -1, -1]


def test_a_shuffle_by_key_finds_what_the_driver_finds() -> None:
    originals = [text(seed) for seed in range(30)]
    keys = table([*originals, *(edited(one, 20) for one in originals[:20]), None, originals[3]])
    once = copies.exact(keys)
    number = copies.numbers(keys, once)
    bands = copies.bands_of(keys["bands"])
    rows = copies.band_rows(bands, number)
    partitions = [rows.filter(pa.array(rows["key"].to_numpy() % 5 == part)) for part in range(5)]
    pairs = [copies.pairs_of(part) for part in partitions]
    shuffled = dedup.unite([(one["a"].to_numpy(), one["b"].to_numpy()) for one in pairs])
    at_once = copies.candidates(bands, number)
    assert np.array_equal(shuffled, at_once)
    assert len(at_once[0]) >= 20


def test_gathering_finds_every_row_in_blocks_of_any_order() -> None:
    keys = table([text(seed) for seed in range(11)])
    rows = np.array([0, 2, 5, 6, 10])
    blocks = [keys.slice(6, 3), keys.slice(9), keys.slice(0, 6)]
    made = copies.gather(blocks, "sketch", keys, rows)
    assert [bytes(row) for row in made] == keys["sketch"].take(pa.array(rows)).to_pylist()
    assert copies.gather(blocks, "bands", keys, rows[:0]).shape == (0, minhash.BANDS * 8)
    assert copies.gather([], "sketch", keys.slice(0, 0), rows[:0]).shape == (0, minhash.SKETCH_BYTES)


def test_the_order_of_rows_changes_no_survivor() -> None:
    originals = [text(seed) for seed in range(12)]
    rows = [*originals, *(edited(one, 9) for one in originals), *originals[:4]]
    expected = None
    for seed in range(4):
        order = list(range(len(rows)))
        random.Random(seed).shuffle(order)
        keys = table([rows[place] for place in order])
        kept = sorted(rows[place] for place, copy in zip(order, found(keys).is_copy, strict=True) if not copy)
        assert expected is None or kept == expected
        expected = kept


def test_nothing_in_gives_nothing() -> None:
    for keys in (table([]), table([None, None])):
        assert not found(keys).is_copy.any()
        assert copies.none(2).survivor.tolist() == [-1, -1]


@pytest.mark.parametrize("limit", [1, 500, 10_000_000])
def test_parts_hold_every_pack_once_in_order_with_its_copies(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "CHARACTERS_PER_PART", limit)
    keys = table([text(1), None, text(2), text(1), text(3), text(4), text(2)])
    made = parts.parts_of(keys, found(keys))
    packs = list(itertools.chain(*made))
    assert [pack.work for pack in packs] == ["w0", "w1", "w2"]
    assert [pack.rows for pack in packs] == [[], [0], [0]]
    assert len(made) == (1 if limit > 10_000 else 3)
    rows = pa.table(
        {
            "id": ["a", "b", "c"],
            "reason": pa.array([None, "too_short", None]),
            "rule": pa.array([None, "length", None]),
            "detail": pa.array([None, "d", None]),
        }
    )
    marked = packs[1].mark(rows).to_pylist()
    assert [row["reason"] for row in marked] == ["exact_duplicate", "too_short", None]
