import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.evaluate.statistics import accuracy_rows, macro_rows, perplexity_rows, wilson_interval

NUMBERS = itertools.count()


def answer(correct=None, prediction="A", model="base", lang="en", method="loglikelihood", **more):
    cell = {"id": f"{next(NUMBERS)}", "model": model, "benchmark": "mini", "lang": lang, "method": method}
    return cell | {"correct": correct, "prediction": prediction} | more


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
    with pytest.raises(ValueError, match=f"{correct} of {total}"):
        wilson_interval(correct, total)


def test_unparsed_and_refused_answers_stay_in_the_denominator():
    refused = {"model": "base", "benchmark": "mini", "lang": "en", "method": "generation"}
    answers = [answer(True, method="generation"), answer(False, None, method="generation"), answer(True)]
    generation, loglikelihood = accuracy_rows(answers, [refused, refused])
    assert (generation["correct"], generation["total"]) == (1, 4)
    assert (generation["unparsed"], generation["refused"], generation["accuracy"]) == (1, 2, 0.25)
    assert (generation["low"], generation["high"]) == wilson_interval(1, 4)
    assert (loglikelihood["total"], loglikelihood["accuracy"]) == (1, 1.0)


def test_rotations_are_answers_of_one_item_and_the_interval_counts_items():
    answers = [answer(right, id=name) for name, rights in (("1", (1, 1)), ("2", (1, 0))) for right in rights]
    (row,) = accuracy_rows(answers)
    assert (row["rotations"], row["correct"], row["total"], row["accuracy"], row["all_right"]) == (2, 3, 4, 0.75, 0.5)
    assert (row["low"], row["high"]) == wilson_interval(1.5, 2)


def test_a_cell_with_no_right_answer_is_still_a_row():
    assert [row["accuracy"] for row in accuracy_rows([answer(False)])] == [0.0]


def test_where_all_was_refused_nothing_was_measured():
    refused = {"model": "base", "benchmark": "mini", "lang": "en", "method": "generation"}
    assert accuracy_rows([], [refused]) == []
    assert perplexity_rows([], [refused | {"method": "perplexity"}])[0]["perplexity"] is None


def test_languages_weigh_the_same_in_the_mean():
    answers = [answer(True, lang="fr"), *(answer(False, lang="en") for _ in range(9))]
    assert macro_rows(accuracy_rows(answers)) == [
        {"model": "base", "benchmark": "mini", "method": "loglikelihood", "languages": 2, "accuracy": 0.5}
    ]


@given(st.lists(st.tuples(st.floats(-50, 0), st.integers(1, 40)), min_size=1))
def test_perplexity_is_over_tokens_not_texts(texts):
    answers = [answer(method="perplexity", logprob=logprob, num_tokens=number) for logprob, number in texts]
    logprobs, numbers = np.array(texts, dtype=np.float64).T
    (row,) = perplexity_rows(answers)
    assert row["perplexity"] == pytest.approx(float(np.exp(-logprobs.sum() / numbers.sum())), rel=1e-12)
    assert row["num_tokens"] == numbers.sum()
    assert "method" not in row


def test_perplexity_past_a_float_is_none():
    (row,) = perplexity_rows([answer(method="perplexity", logprob=-9999.0, num_tokens=1)])
    assert row["perplexity"] is None


def test_uniform_guessing_has_the_vocabulary_as_perplexity():
    (row,) = perplexity_rows([answer(method="perplexity", logprob=-7 * math.log(50), num_tokens=7)])
    assert row["perplexity"] == pytest.approx(50, rel=1e-12)
