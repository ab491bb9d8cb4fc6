import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.evaluate.paired import compare_accuracy, compare_nats, holm, shares, sign_flip_p


def mcnemar(gained, lost):
    """Two-sided exact p: twice the smaller tail of a fair coin."""
    number = gained + lost
    tail = sum(math.comb(number, k) for k in range(min(gained, lost) + 1)) / 2**number
    return min(1.0, 2 * tail)


def ones(gained, lost, ties=0):
    return [Fraction(1)] * gained + [Fraction(-1)] * lost + [Fraction(0)] * ties


@pytest.mark.parametrize(
    ("gained", "lost", "p"),
    [
        (0, 0, 1.0),
        (3, 3, 1.0),
        (6, 0, 2 / 64),
        (1, 9, 22 / 1024),
        (10, 2, 0.03857421875),
        (150, 86, 3.716e-05),  # McNemar's table of approval ratings (Agresti 2002, 10.1), exact
    ],
)
def test_of_single_answers_it_is_mcnemars_exact_test(gained, lost, p):
    assert sign_flip_p(ones(gained, lost, ties=5)) == pytest.approx(p, rel=1e-3)


@given(st.integers(0, 400), st.integers(0, 400))
def test_it_equals_the_binomial_tail(gained, lost):
    assert sign_flip_p(ones(gained, lost)) == pytest.approx(mcnemar(gained, lost), rel=1e-9, abs=1e-300)


@given(st.lists(st.sampled_from([Fraction(n, d) for d in (1, 2, 3, 4) for n in range(-d, d + 1)]), max_size=10))
def test_with_rotations_it_counts_all_signs(differences):
    total = abs(sum(differences))
    flips = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in product((1, -1), repeat=len(differences))
    ]
    assert sign_flip_p(differences) == pytest.approx(np.mean([one >= total for one in flips]), rel=1e-9)


def test_a_rotated_item_counts_once():
    """Ten rotations of one item are one piece of evidence, not ten."""
    rows = [{"id": "1", "correct": True}] * 10
    own, base = shares(rows), shares([row | {"correct": False} for row in rows])
    found = compare_accuracy(own, base)
    assert (found["items"], found["gained"], found["p"]) == (1, 1.0, 1.0)


def test_what_was_refused_is_not_right():
    assert shares([{"id": "1", "correct": True}], [{"id": "1"}, {"id": "2"}]) == {("1",): Fraction(1, 2), ("2",): 0}


def test_items_that_only_one_model_was_asked_do_not_count():
    found = compare_accuracy({("1",): Fraction(1), ("2",): Fraction(1)}, {("1",): Fraction(0), ("3",): Fraction(1)})
    assert (found["items"], found["difference"]) == (1, 1.0)


def test_holm_is_that_of_the_textbook():
    """Values of R's p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_lies_between_no_correction_and_bonferronis(p_values):
    adjusted = holm(p_values)
    for p, found in zip(p_values, adjusted, strict=True):
        assert p <= found <= min(1.0, p * len(p_values)) + 1e-12
    order = sorted(range(len(p_values)), key=lambda at: p_values[at])
    assert [adjusted[at] for at in order] == sorted(adjusted)


def test_nats_are_held_against_each_other_on_texts_of_the_same_length():
    own = {"1": (-10.0, 10), "2": (-30.0, 20), "3": (-1.0, 7), "4": (-9.0, 9)}
    base = {"1": (-20.0, 10), "2": (-35.0, 20), "3": (-1.0, 8)}
    found = compare_nats(own, base)
    assert (found["items"], found["difference"]) == (2, pytest.approx(-15 / 30))
    assert found["low"] < -0.5 < found["high"]
    assert compare_nats({"4": (-9.0, 9)}, base)["difference"] is None


def test_one_text_has_no_interval():
    assert compare_nats({"1": (-10.0, 10)}, {"1": (-20.0, 10)}) == {
        "items": 1,
        "difference": -1.0,
        "low": None,
        "high": None,
    }
