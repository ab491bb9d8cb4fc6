"""Intervals against published values, and by how often they hold the truth."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.intervals import mean_interval, paired_difference, ratio_interval, student_t, wilson_interval


@pytest.mark.parametrize(
    ("correct", "total", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998), table I, the score method without continuity correction.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_against_published_intervals(correct, total, low, high):
    assert wilson_interval(correct, total) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_where_the_score_test_rejects(pair):
    correct, total = pair  # the roots of (p - x/n)^2 = z^2 p (1 - p) / n
    share, z2 = correct / total, 1.959963984540054**2
    roots = np.roots(np.array([1 + z2 / total, -(2 * share + z2 / total), share**2], dtype=np.float64))
    low, high = wilson_interval(correct, total)
    assert (low, high) == pytest.approx(tuple(sorted(np.real(roots))), abs=1e-6)
    assert 0 <= low <= share <= high <= 1


def test_no_items_say_nothing():
    assert wilson_interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("correct", "total"), [(2, 1), (-1, 5)])
def test_more_right_than_asked_is_an_error(correct, total):
    with pytest.raises(ValueError, match=f"got {correct} of {total}"):
        wilson_interval(correct, total)


@pytest.mark.parametrize(
    ("freedom", "expected"),  # the usual table
    [(1, 12.706), (2, 4.303), (4, 2.776), (5, 2.571), (6, 2.447), (9, 2.262), (15, 2.131), (30, 2.042), (120, 1.980)],
)
def test_students_t_is_that_of_the_tables(freedom, expected):
    assert student_t(freedom) == pytest.approx(expected, abs=0.004)


def test_a_mean_has_the_usual_interval_of_t():
    # Student's own ten differences in hours of sleep (1908): mean 1.58, sd 1.23, 95 % from 0.70 to 2.46.
    hours = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
    assert ratio_interval(hours, [1.0] * 10) == pytest.approx((1.58, 0.70, 2.46), abs=0.005)


@given(st.floats(0.1, 9), st.lists(st.integers(1, 500), min_size=2, max_size=30))
def test_a_rate_that_is_the_same_in_all_items_has_no_width(rate, weights):
    found = ratio_interval([rate * weight for weight in weights], weights)
    assert found == pytest.approx((rate, rate, rate))


def test_one_item_tells_no_interval():
    assert ratio_interval([6.0], [3]) == (2.0, -math.inf, math.inf)


@pytest.mark.parametrize(("values", "weights"), [([], []), ([1.0], [1, 2]), ([1.0], [0])])
def test_what_has_no_ratio_is_refused(values, weights):
    with pytest.raises(ValueError, match="as many values as weights"):
        ratio_interval(values, weights)


def test_a_ratios_interval_holds_the_truth_as_often_as_it_says():
    """12 texts of uneven length a draw, as in a language of the starter's questions."""
    draw = np.random.default_rng(5)
    hits, number = 0, 4_000
    for _ in range(number):
        tokens = draw.integers(20, 200, 12)
        nats = tokens * draw.normal(5.0, 0.8, 12)
        _, low, high = ratio_interval(nats.tolist(), tokens.tolist())
        hits += low <= 5.0 <= high
    assert 0.925 < hits / number < 0.97


@pytest.mark.parametrize("rates", [(0.25, 0.25), (0.3, 0.1), (0.05, 0.02)])
@pytest.mark.parametrize("total", [10, 20, 100])
def test_a_paired_interval_holds_the_truth_about_as_often_as_it_says(rates, total):
    gain, loss = rates
    draws = np.random.default_rng(7).multinomial(total, [gain, loss, 1 - gain - loss], 4_000)
    hits = 0
    for gained, lost, _ in draws.tolist():
        _, low, high = paired_difference(gained, lost, total)
        hits += low <= gain - loss <= high
    assert hits / len(draws) > 0.93  # 0.934 at worst, with 10 items


def test_two_models_that_never_disagree_are_not_known_to_be_the_same():
    value, low, high = paired_difference(0, 0, 20)
    assert value == 0
    assert low == -high
    assert 0.05 < high < 0.15


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 30))
def test_the_other_way_round_is_the_same_difference_negated(gained, lost, same):
    value, low, high = paired_difference(gained, lost, gained + lost + same)
    assert paired_difference(lost, gained, gained + lost + same) == pytest.approx((-value, -high, -low))
    assert -1 <= low <= value <= high <= 1


@pytest.mark.parametrize(("gained", "lost", "total"), [(-1, 0, 3), (2, 2, 3), (0, 0, 0)])
def test_counts_that_cannot_be_are_refused(gained, lost, total):
    with pytest.raises(ValueError, match=f"got {gained}, {lost}, {total}"):
        paired_difference(gained, lost, total)


def test_a_mean_of_equal_estimates_is_narrower_by_the_root_of_their_number():
    value, low, high = mean_interval([(0.5, 0.3, 0.9)] * 4)
    assert (value, low, high) == pytest.approx((0.5, 0.5 - 0.2 / 2, 0.5 + 0.4 / 2))
