import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.evaluate.statistics import accuracy_rows, macro_rows, perplexity_rows
from apollo_ray.intervals import wilson_interval

NUMBERS = itertools.count()


def answer(correct=None, prediction="A", model="base", lang="en", method="loglikelihood", **more):
    cell = {"id": f"{next(NUMBERS)}", "model": model, "benchmark": "mini", "lang": lang, "method": method}
    return cell | {"correct": correct, "prediction": prediction} | more


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
