import json
import random

import pyarrow as pa

from apollo_ray.corpus import quality
from apollo_ray.corpus.rows import prepared_schema
from apollo_ray.corpus.summary import BINS, merge, summarise
from apollo_ray.leaks import OVERLAP


def row(number: int, **changes: object) -> dict:
    base = dict.fromkeys(prepared_schema("document").names)
    values = {
        "id": f"{number:016x}",
        "text": f"some words here {number}",
        "lang": "en",
        "kind": "paper",
        "source": "s",
        "uri": "f",
        "position": number,
    }
    measures = [0.5] * len(quality.MEASURES)
    return base | values | {"measures": measures, "personal": json.dumps({"NAME": 2}), "overlaps": None} | changes


def table(rows: list[dict]) -> pa.Table:
    return pa.Table.from_pylist(rows, prepared_schema("document"))


ROWS = [
    row(0),
    row(1, lang="zh", text="糖尿病是一种慢性病", kind=None),
    row(2, other_lang="es"),
    *(row(number, reason="too_short", detail=f"d{number}", measures=None) for number in range(3, 9)),
    row(9, reason="other_language", lang=None, text=None, personal=None),
    row(10, reason="leak_consecutive_64", overlaps=json.dumps([["exam", "7", "consecutive_64", 80, "which of"]])),
    row(11, reason="too_short", lang="fr", text="Appelez Mme Dupont au 01 23 45 67 89."),
]


def test_sums_count_every_row_once() -> None:
    told, ledger = merge([summarise(table(ROWS))])
    assert told["characters"] == {"en": {"paper": len(ROWS[0]["text"]) + len(ROWS[2]["text"])}, "zh": {"unknown": 9}}
    assert told["words"] == {"en": {"paper": 8}, "zh": {"unknown": 9}}
    assert told["lengths"] == {"en": {"4": 2}, "zh": {"3": 1}}
    assert told["marked_mixed"] == {"en": {"es": 1}}
    assert told["personal"]["en"] == {"NAME": 2 * 9}
    for name, (low, high) in quality.RANGES.items():
        place = min(BINS - 1, int(BINS * (0.5 - low) / (high - low)))
        assert told["measures"][name]["en"] == {str(place): 3}, name
        assert told["ranges"][name] == [low, high, BINS]
    assert told["leaks"] == {"exam": {"consecutive_64": 1}}
    assert ledger.schema == OVERLAP
    assert ledger["item"].to_pylist() == ["7"]


def test_samples_are_few_chosen_by_id_and_without_personal_data() -> None:
    told, _ = merge([summarise(table(ROWS))])
    chosen = [(one["reason"], one["lang"], one["detail"]) for one in told["samples"]]
    assert ("too_short", "en", "d3") in chosen
    assert ("too_short", "en", "d4") in chosen
    assert ("too_short", "en", "d5") not in chosen
    (french,) = [one["text"] for one in told["samples"] if one["lang"] == "fr"]
    assert "Dupont" not in french
    assert "[PHONE_1]" in french


def test_no_order_and_no_cut_of_blocks_changes_it() -> None:
    expected = merge([summarise(table(ROWS))])
    for seed in range(5):
        chance = random.Random(seed)
        rows = chance.sample(ROWS, len(ROWS))
        cut = chance.randrange(1, len(rows))
        assert merge([summarise(table(rows[:cut])), summarise(table(rows[cut:]))]) == expected


def test_limits_of_prose_go_with_the_measures() -> None:
    told, _ = merge([])
    assert set(told["limits"]) <= set(quality.RANGES)
    low, high = told["limits"]["letters_share"]["hi"]
    assert 0 < low < 1
    assert high is None
