"""The order of the stream against the law that it is drawn from."""

import math
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.errors import UserError
from apollo_ray.mix import order as ordering
from apollo_ray.mix.order import order
from apollo_ray.mix.priority import exponentials, id_bits, random_bits, sample_class
from apollo_ray.mix.stream import repeated, shares

PRETRAINING, INSTRUCTION = 0, 1


def brute_force(weights: list[float], rng: random.Random) -> tuple[int, ...]:
    """The published sampler, one draw after the other: P(x) = pi(x) / sum of pi over what remains."""
    left = dict(enumerate(weights))
    found = []
    while left:
        found.append(rng.choices(list(left), list(left.values()))[0])
        del left[found[-1]]
    return tuple(found)


def probability(places: tuple[int, ...], weights: list[float]) -> float:
    left, found = sum(weights), 1.0
    for place in places:
        found *= weights[place] / left
        left -= weights[place]
    return found


def test_orders_have_the_probabilities_of_the_papers_draw(settings, make_stream) -> None:
    """Chi-square of all 24 orders of four examples over 6,000 seeds, beside the brute-force sampler's own."""
    classes, weights, draws = [PRETRAINING, INSTRUCTION, INSTRUCTION, PRETRAINING], [16.0, 2.0, 2.0, 16.0], 6_000
    rng = random.Random(1)
    stream = make_stream(classes, id=[7, 8, 9, 2**64 - 1])
    keyed = Counter(tuple(order(stream, settings(seed=seed)).tolist()) for seed in range(draws))
    brute = Counter(brute_force(weights, rng) for _ in range(draws))
    for counted in (keyed, brute):
        chi_square = sum(
            (counted[places] - draws * p) ** 2 / (draws * p)
            for places in set(keyed) | set(brute)
            for p in [probability(places, weights)]
        )
        assert chi_square < 49.7  # 0.1 % of correct samplers exceed this with 23 degrees of freedom


def test_a_class_is_used_up_along_the_expected_curve(settings, make_stream) -> None:
    """By time t the part 1 - exp(-pi t) of a class is drawn; 200,000 examples stay within five standard errors."""
    number = 100_000
    stream = make_stream(np.repeat([PRETRAINING, INSTRUCTION], number))
    drawn = stream.sample_class[order(stream, settings())]
    for t in (0.01, 0.05, 0.1, 0.3, 0.7):
        expected = [number * (1 - math.exp(-pi * t)) for pi in (16, 2)]
        at = round(sum(expected))
        found = int((drawn[:at] == PRETRAINING).sum())
        assert abs(found - expected[0]) < 5 * math.sqrt(number / 4)
    assert shares(stream, order(stream, settings()))["pretraining"][0] == pytest.approx(16 / 18, abs=0.03)
    assert shares(stream, order(stream, settings()))["pretraining"][-1] < 0.01


def test_a_sources_own_priority_goes_before_its_class(settings, make_stream) -> None:
    number = 20_000
    stream = make_stream([INSTRUCTION] * 2 * number, names=("a", "b"), source=np.repeat([0, 1], number))
    found = order(stream, settings(sources={"b": {"priority": 18}}))
    first = stream.source[found[: number // 10]]
    assert (first == 1).mean() == pytest.approx(0.9, abs=0.02)  # 18 / (2 + 18), and no source is used up yet


@given(st.permutations(range(60)), st.sampled_from(["priority", "uniform", "sequential", "schedule"]))
def test_the_order_does_not_depend_on_who_comes_first(settings, make_stream, shuffled: list[int], mode: str) -> None:
    rng = np.random.default_rng(0)
    columns = {
        "id": rng.integers(0, 20, 60),  # many are there twice, so keys tie
        "copy": rng.integers(0, 2, 60),
        "piece": rng.integers(0, 2, 60),
        "length": rng.integers(1, 90, 60),
    }
    schedule = [{"until": 0.4, "weights": {"instruction": 1}}, {"until": 1, "weights": {"pretraining": 1}}]
    chosen = settings(order=mode, **({"schedule": schedule} if mode == "schedule" else {}))
    classes = rng.integers(0, 2, 60)
    marks = []
    for rows in (np.arange(60), np.array(shuffled)):
        stream = make_stream(classes[rows], **{name: column[rows] for name, column in columns.items()})
        found = order(stream, chosen)
        assert sorted(found.tolist()) == list(range(60))
        marks.append([(stream.id[i], stream.copy[i], stream.piece[i], stream.length[i]) for i in found])
    assert marks[0] == marks[1]


def test_keys_are_worked_out_in_chunks_without_a_trace(settings, make_stream, monkeypatch) -> None:
    stream = make_stream([PRETRAINING, INSTRUCTION] * 500, id=np.arange(1_000) // 3)
    whole = order(stream, settings())
    monkeypatch.setattr(ordering, "CHUNK", 7)
    assert (order(stream, settings()) == whole).all()


def test_a_shuffle_knows_no_classes_and_a_sequence_nothing_else(settings, make_stream) -> None:
    stream = make_stream(np.tile([INSTRUCTION, PRETRAINING], 5_000))
    for found in (shares(stream, order(stream, settings(order="uniform")))["pretraining"],):
        assert all(share == pytest.approx(0.5, abs=0.12) for share in found)
    drawn = order(stream, settings(order="sequential"))
    assert (stream.sample_class[drawn] == np.repeat([PRETRAINING, INSTRUCTION], 5_000)).all()
    assert not (np.diff(drawn[:5_000]) > 0).all(), "shuffled inside"


def test_a_schedule_gives_the_weights_while_the_classes_last(settings, make_stream) -> None:
    rng = np.random.default_rng(1)
    classes = np.repeat([PRETRAINING, INSTRUCTION], [30_000, 10_000])
    stream = make_stream(classes, length=rng.integers(50, 150, 40_000))
    plan = [
        {"until": 0.5, "weights": {"pretraining": 0.9, "instruction": 0.1}},
        {"until": 0.6, "weights": {"pretraining": 1}},
        {"until": 1.0, "weights": {"pretraining": 0.5, "instruction": 0.5}},
    ]
    found = order(stream, settings(order="schedule", schedule=plan))
    assert sorted(found.tolist()) == list(range(40_000))
    tokens = stream.length[found].astype(float)
    ends = np.cumsum(tokens) / tokens.sum()
    pretraining = stream.sample_class[found] == PRETRAINING

    def share(start: float, end: float) -> float:
        chosen = (ends > start) & (ends <= end)
        return float(tokens[chosen & pretraining].sum() / tokens[chosen].sum())

    assert share(0, 0.5) == pytest.approx(0.9, abs=0.002)
    assert share(0, 0.1) == pytest.approx(0.9, abs=0.02), "mixed all along the stretch"
    assert share(0.5, 0.6) > 0.995
    # 0.2 of the tokens are instruction's and as many pre-training's: half and half to the end.
    assert share(0.61, 0.99) == pytest.approx(0.5, abs=0.01)


def test_where_a_class_runs_out_the_others_take_its_part(settings, make_stream) -> None:
    stream = make_stream(np.repeat([PRETRAINING, INSTRUCTION], [100, 900]))
    plan = [{"until": 0.4, "weights": {"pretraining": 1}}, {"until": 1, "weights": {"pretraining": 1}}]
    drawn = stream.sample_class[order(stream, settings(order="schedule", schedule=plan))]
    assert (drawn == np.repeat([PRETRAINING, INSTRUCTION], [100, 900])).all()


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 50)), min_size=1, max_size=50), st.data())
def test_a_schedule_loses_and_doubles_nothing(settings, make_stream, rows, data) -> None:
    ends = sorted(data.draw(st.sets(st.floats(0.01, 0.99), max_size=3)))
    weights = st.fixed_dictionaries({"pretraining": st.floats(0, 1), "instruction": st.floats(0.1, 1)})
    plan = [{"until": end, "weights": data.draw(weights)} for end in [*ends, 1.0]]
    stream = make_stream([row[0] for row in rows], length=[row[1] for row in rows])
    found = order(stream, settings(order="schedule", schedule=plan))
    assert sorted(found.tolist()) == list(range(len(rows)))


def test_exponentials_keep_their_digits_at_both_ends() -> None:
    bits = np.array([0, 1, 2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1], np.uint64)
    found = exponentials(bits)
    assert found[0] == pytest.approx(2.0**-65)
    assert found[1] == pytest.approx(3 * 2.0**-65)
    assert found[2:4] == pytest.approx([math.log(2)] * 2)
    assert found[-2:] == pytest.approx([65 * math.log(2) - math.log(3), 65 * math.log(2)])
    assert (np.diff(found) >= 0).all()


def test_bits_are_uniform_and_depend_on_everything() -> None:
    ids, zeros = np.arange(200_000, dtype=np.uint64), np.zeros(200_000, np.int32)
    bits = random_bits(42, ids, zeros, zeros)
    assert len(np.unique(bits)) == len(bits)
    counts = np.bincount((bits >> np.uint64(56)).astype(int), minlength=256)
    assert ((counts - 781.25) ** 2 / 781.25).sum() < 330.6  # 0.1 % of uniform ones exceed this with 255 degrees
    assert exponentials(bits).mean() == pytest.approx(1, abs=0.01)
    others = [
        random_bits(41, ids, zeros, zeros),
        random_bits(42, ids, zeros + 1, zeros),
        random_bits(42, ids, zeros, zeros + 1),
    ]
    for other in others:
        assert not (bits == other).any()
        assert abs(np.corrcoef(exponentials(bits), exponentials(other))[0, 1]) < 0.01
    assert (random_bits(-1, ids, zeros, zeros) != bits).all()


def test_ids_are_read_as_their_bits_and_anything_else_is_refused() -> None:
    assert id_bits(["00000000000000ff", "F000000000000000"]).tolist() == [255, 15 << 60]
    assert id_bits([]).tolist() == []
    for wrong in ("ff", "zz00000000000000", "00 00 00 00 00 0", "", "ff" * 9):
        with pytest.raises(ValueError, match="16 hex digits"):
            id_bits(["00000000000000ff", wrong])


def test_classes_follow_the_paper() -> None:
    kinds = {kind: sample_class(kind, None, False) for kind in ("book", "math", "code", "exam", "patient", "general")}
    assert kinds == dict.fromkeys(("book", "math", "code"), "pretraining") | dict.fromkeys(
        ("exam", "patient", "general"), "instruction"
    )
    assert sample_class("leaflet", None, True) == "pretraining"
    assert sample_class(None, None, False) == "instruction"
    assert sample_class("book", "instruction", True) == "instruction", "a stated phase wins"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"priorities": {"pretraining": 16}}, "keys must be pretraining, instruction"),
        ({"sequence_length": 4}, "sequence_length"),
        ({"epochs": {"pretraining": 0, "instruction": 1}}, r"epochs\.pretraining"),
        ({"sources": {"a": {"priority": 0}}}, r"sources\.a\.priority"),
        ({"sources": {"a": {"epoch": 2}}}, "did you mean 'epochs'"),
        ({"order": "random"}, "order"),
        ({"order": "schedule"}, "schedule: needed with order: schedule"),
        ({"schedule": [{"until": 1, "weights": {"instruction": 1}}]}, "schedule: needed with order: schedule"),
        ({"order": "schedule", "schedule": [{"until": 0.9, "weights": {"instruction": 1}}]}, "end at 1.0"),
        ({"order": "schedule", "schedule": [{"until": 1, "weights": {"instruction": 1}}] * 2}, "must rise"),
        ({"order": "schedule", "schedule": [{"until": 1, "weights": {"book": 1}}]}, "among pretraining, instruction"),
        ({"order": "schedule", "schedule": [{"until": 1, "weights": {"instruction": 0}}]}, "more than 0"),
        ({"packing_window": 0}, "packing_window"),
        ({"long": "cut"}, "long"),
        ({"template": "llama"}, "template"),
        ({"conversations": []}, "at least one step"),
    ],
)
def test_settings_refuse_what_cannot_be(settings, wrong: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        settings(**wrong)


@given(
    lengths=st.lists(st.integers(1, 300), min_size=1, max_size=40),
    passes=st.integers(1, 4),
    share=st.floats(0, 0.99),
    seed=st.integers(0, 3),
)
def test_a_budget_repeats_the_stream_and_leaves_no_row_out(settings, make_stream, lengths, passes, share, seed) -> None:
    classes = [number % 2 for number in range(len(lengths))]
    stream = make_stream(classes, length=lengths, pack=[number // 7 for number in range(len(lengths))])
    budget = int(sum(lengths) * (passes + share))
    found = repeated(stream, budget, seed)
    assert budget - 2 * max(lengths) <= found.length.sum() <= budget
    times = Counter(found.id.tolist())
    assert {*times.values()} <= {passes, passes + 1}
    assert len(times) == len(lengths)
    assert len({*zip(found.id.tolist(), found.copy.tolist(), strict=True)}) == len(found)  # no copy comes twice
    assert all(found.length[place] == lengths[row] for place, row in enumerate(found.row))
    assert sorted(found.pack) == found.pack.tolist() == [row // 7 for row in found.row]
    assert sorted(order(found, settings())) == list(range(len(found)))


def test_the_last_part_of_a_budget_takes_the_same_share_of_each_class(make_stream) -> None:
    stream = make_stream(np.repeat([PRETRAINING, INSTRUCTION], [3_000, 1_000]))
    found = repeated(stream, 600_000, seed=1)  # one pass has 400,000
    assert np.bincount(found.sample_class).tolist() == [4_500, 1_500]
    assert repeated(stream, 600_000, seed=2).row.tolist() != found.row.tolist()


def test_a_budget_below_one_pass_is_refused(make_stream) -> None:
    with pytest.raises(ValueError, match="150 tokens, but one pass over its rows has 200"):
        repeated(make_stream([PRETRAINING, INSTRUCTION]), 150, seed=1)
    with pytest.raises(ValueError, match="too many"):
        repeated(make_stream([PRETRAINING, INSTRUCTION]), 200 * 40_000, seed=1)
