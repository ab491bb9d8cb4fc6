import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.evaluate.statistics import accuracy_rows, macro_rows, overall_rows, perplexity_rows
from apollo_ray.intervals import wilson_interval

NUMBERS = itertools.count()


def answer(correct=None, prediction="A", model="base", lang="en", method="loglikelihood", **more):
    cell = {"id": f"{next(NUMBERS)}", "model": model, "benchmark": "mini", "lang": lang, "method": method}
    return cell | {"correct": correct, "prediction": prediction, "gold": "A"} | more


def refusal(**more):
    return {"id": f"{next(NUMBERS)}", "model": "base", "benchmark": "mini", "lang": "en", "gold": "B"} | more


def test_unparsed_and_refused_answers_stay_in_the_denominator():
    refused = [refusal(method="generation"), refusal(method="generation")]
    answers = [answer(True, method="generation"), answer(False, None, method="generation"), answer(True)]
    generation, loglikelihood = accuracy_rows(answers, refused)
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
    assert accuracy_rows([], [refusal(method="generation")]) == []
    assert perplexity_rows([], [refusal(method="perplexity")])[0]["perplexity"] is None


def test_languages_weigh_the_same_in_the_mean():
    answers = [answer(True, lang="fr"), *(answer(False, lang="en") for _ in range(9))]
    (row,) = macro_rows(accuracy_rows(answers))
    low, high = row.pop("low"), row.pop("high")
    assert row == {"model": "base", "benchmark": "mini", "method": "loglikelihood", "languages": 2, "accuracy": 0.5}
    french, english = wilson_interval(1, 1), wilson_interval(0, 9)
    assert 0.5 - low == pytest.approx(math.hypot(1 - french[0], 0 - english[0]) / 2)
    assert high - 0.5 == pytest.approx(math.hypot(french[1] - 1, english[1]) / 2)


def test_the_papers_mean_counts_benchmarks_and_the_other_languages():
    """Apollo-0.5B of the paper's table: 37.47 over nine benchmarks."""
    cells = {
        ("en", "medqa"): 32.99, ("en", "medmcqa"): 37.82, ("en", "mmlu"): 45.87, ("zh", "mcmle"): 56.57,
        ("zh", "cmmlu"): 42.08, ("fr", "frenchmedmcqa"): 27.41, ("es", "headqa"): 36.67, ("ar", "mmlu"): 31.89,
        ("hi", "mmlu"): 25.90,
    }  # fmt: skip
    rows = [
        {
            "model": "a",
            "benchmark": name,
            "method": "generation",
            "lang": lang,
            "accuracy": value,
            "low": value - 1,
            "high": value + 1,
        }
        for (lang, name), value in cells.items()
    ]
    (row,) = overall_rows(rows)
    assert (row["benchmarks"], row["languages"]) == (9, 6)
    assert row["mean_of_benchmarks"] == pytest.approx(37.47, abs=0.006)
    english, chinese = (32.99 + 37.82 + 45.87) / 3, (56.57 + 42.08) / 2
    assert row["macro"] == pytest.approx((english + chinese + 27.41 + 36.67 + 31.89 + 25.90) / 6)
    assert row["mean_of_benchmarks_high"] - row["mean_of_benchmarks"] == pytest.approx(1 / 3)  # 1 / sqrt(9)
    assert row["macro_high"] - row["macro"] == pytest.approx(math.sqrt(1 / 3 + 1 / 2 + 4) / 6)


def test_the_majority_is_of_the_items_that_were_asked():
    golds = [("1", "A"), ("1", "A"), ("2", "B"), ("3", "B")]  # item 1 in two rotations
    (row,) = accuracy_rows(
        [answer(True, id=name, gold=gold) for name, gold in golds], [refusal(gold="B", method="loglikelihood")]
    )
    assert row["majority"] == 3 / 4


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
