"""The table of an experiment: which items meet, what is the difference, what is left out."""

import math

import pytest

from apollo_ray.compare.paired import cells, table
from apollo_ray.intervals import paired_difference, ratio_interval, wilson_interval


def choice(id, correct, lang="en", method="loglikelihood"):
    return {"id": id, "benchmark": "exam", "method": method, "lang": lang, "correct": correct}


def text(id, logprob, num_tokens, lang="en"):
    cell = {"id": id, "benchmark": "qa", "method": "perplexity", "lang": lang}
    return cell | {"logprob": logprob, "num_tokens": num_tokens}


def rows_of(arms, against):
    return {(row["arm"], row["method"], row["lang"]): row for row in table(arms, against)}


def test_accuracies_are_paired_item_by_item():
    first = [choice(str(n), n < 12) for n in range(20)]  # right in 0 to 11
    second = [choice(str(n), 4 <= n < 10) for n in range(20)]  # right in 4 to 9
    found = rows_of({"new": cells(first), "old": cells(second)}, {"new": "old", "old": None})
    new, old = (found[arm, "loglikelihood", "en"] for arm in ("new", "old"))
    assert (new["value"], new["low"], new["high"]) == (0.6, *wilson_interval(12, 20))
    assert (new["difference"], new["difference_low"], new["difference_high"]) == paired_difference(6, 0, 20)
    assert (old["value"], old["difference"], old["against"], old["items"]) == (0.3, None, None, 20)


def test_what_one_arm_was_refused_counts_as_not_right_in_it():
    new = [choice("a", True), choice("b", True)]
    old = [choice("a", True), choice("b", True), choice("c", True), choice("d", False)]
    found = rows_of({"new": cells(new), "old": cells(old)}, {"new": "old", "old": None})["new", "loglikelihood", "en"]
    assert (found["items"], found["value"]) == (4, 0.5)
    assert found["difference"] == -0.25  # c


def test_an_item_in_several_orders_counts_once_by_the_share_that_was_right():
    new = [choice("a", True) | {"rotation": 0}, choice("a", False) | {"rotation": 1}, choice("b", True)]
    old = [choice("a", False), choice("b", True)]
    found = rows_of({"new": cells(new), "old": cells(old)}, {"new": "old", "old": None})["new", "loglikelihood", "en"]
    assert (found["items"], found["value"], found["low"]) == (2, 0.75, wilson_interval(1.5, 2)[0])
    assert found["difference"] == 0.25


def test_nats_are_per_token_and_paired_text_by_text():
    new = [text("a", -10.0, 5), text("b", -40.0, 10)]
    old = [text("b", -62.0, 10), text("a", -18.0, 5)]
    found = rows_of({"new": cells(new), "old": cells(old)}, {"new": "old", "old": None})["new", "perplexity", "en"]
    assert found["measure"] == "nats"
    assert (found["value"], found["low"], found["high"]) == ratio_interval([10.0, 40.0], [5, 10])
    assert found["difference"] == pytest.approx(-30 / 15)  # the new model is the better one
    assert found["difference_low"] < -2 < found["difference_high"]


def test_another_tokenizer_has_nats_of_its_own_and_no_difference():
    found = rows_of(
        {"new": cells([text("a", -10.0, 5)]), "old": cells([text("a", -10.0, 6)])}, {"new": "old", "old": None}
    )["new", "perplexity", "en"]
    assert found["value"] == 2.0
    assert found["difference"] is None


def test_the_mean_weighs_each_language_the_same():
    new = [choice(str(n), True) for n in range(30)] + [choice(str(n), False, lang="ar") for n in range(10)]
    old = [row | {"correct": False} for row in new]
    found = rows_of({"new": cells(new), "old": cells(old)}, {"new": "old", "old": None})
    mean = found["new", "loglikelihood", None]
    assert (mean["value"], mean["difference"], mean["items"]) == (0.5, 0.5, 40)
    assert mean["low"] < 0.5 < mean["high"]
    assert math.isclose(mean["low"], 0.5 - (1 - wilson_interval(30, 30)[0]) / 2)


def test_one_language_has_no_mean():
    arms = {"new": cells([choice("a", True)]), "old": cells([choice("a", True)])}
    assert {lang for _, _, lang in rows_of(arms, {"new": "old", "old": None})} == {"en"}


def test_a_language_that_the_other_lacks_has_no_difference_nor_has_the_mean():
    new = [choice("a", True), choice("a", True, lang="hi")]
    arms = {"new": cells(new), "old": cells([choice("a", False)])}
    found = rows_of(arms, {"new": "old", "old": None})
    assert found["new", "loglikelihood", "en"]["difference"] == 1.0
    assert found["new", "loglikelihood", "hi"]["difference"] is None
    assert found["new", "loglikelihood", None]["difference"] is None


def test_free_answers_are_not_compared():
    assert cells([{"id": "a", "benchmark": "b", "method": "ask", "lang": "en"}]) == {}
