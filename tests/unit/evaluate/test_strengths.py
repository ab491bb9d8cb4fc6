import json

import pytest

from apollo_ray.errors import UserError
from apollo_ray.evaluate.strengths import dev_items, first, grid, tune
from apollo_ray.report.tuning_plot import strengths as draw

NAMES = {"e@0": 0.0, "e@0.5": 0.5, "e@1": 1.0, "e@-0.5": -0.5}


def choices(name, lang, right):
    cell = {"model": name, "lang": lang, "benchmark": "exam", "method": "loglikelihood"}
    return [cell | {"id": str(number), "correct": one} for number, one in enumerate(right)]


def texts(name, lang, losses):
    cell = {"model": name, "lang": lang, "benchmark": "qa", "method": "perplexity", "num_tokens": 10}
    return [cell | {"id": str(number), "logprob": -10 * loss} for number, loss in enumerate(losses)]


def right(number, of=40):
    return [True] * number + [False] * (of - number)


def of_language(rows, lang, measure="accuracy"):
    return {row["alpha"]: row for row in rows if (row["lang"], row["measure"]) == (lang, measure)}


def test_english_need_not_decline_for_hindi_to_gain():
    answers = [
        *choices("e@0", "hi", right(10)), *choices("e@0.5", "hi", right(20)), *choices("e@1", "hi", right(30)), *choices("e@-0.5", "hi", right(5)),
        *choices("e@0", "en", right(30)), *choices("e@0.5", "en", right(20)), *choices("e@1", "en", right(10)), *choices("e@-0.5", "en", right(31)),
    ]  # fmt: skip
    found = tune(answers, NAMES, None)
    assert found["alpha_by_language"] == {"hi": 1.0, "en": 0.0}
    rows = of_language(found["rows"], "hi")
    assert list(rows) == [0.0, 0.5, 1.0, -0.5]
    assert (rows[1.0]["value"], rows[1.0]["difference"], rows[1.0]["better"], rows[1.0]["chosen"]) == (
        0.75,
        0.5,
        True,
        True,
    )
    assert rows[0.5]["p_holm"] == pytest.approx(2 * 2 / 2**10)  # the second of three
    english = of_language(found["rows"], "en")
    assert (english[-0.5]["difference"], english[-0.5]["better"]) == (pytest.approx(1 / 40), False)  # not surely
    assert found["alpha"] == 0.0  # together nothing is gained
    json.dumps(found, allow_nan=False)


def test_of_equals_the_smaller_strength_is_taken():
    names = {"e@0": 0.0, "e@0.5": 0.5, "e@1": 1.0, "e@-0.5": -0.5}
    answers = [row for name in names for row in choices(name, "fr", right(10 if name == "e@0" else 30))]
    found = tune(answers, names, None)
    assert found["alpha_by_language"] == {"fr": 0.5}
    assert found["alpha"] == 0.5
    assert [row["chosen"] for row in found["rows"] if row["lang"] == "fr"] == [False, True, False, False]


def test_the_more_is_tried_the_surer_a_gain_must_be():
    def asked(number):
        return {f"e@{n}": n / 10 for n in range(number + 1)}

    def answers(names):
        return [row for name in names for row in choices(name, "zh", [False] * 6 if name != "e@1" else [True] * 6)]

    few, many = asked(1), asked(2)
    assert tune(answers(few), few, None)["alpha_by_language"] == {"zh": 0.1}  # p = 2/64
    assert tune(answers(many), many, None)["alpha_by_language"] == {"zh": 0.0}  # twice that


def test_nats_decide_where_there_are_no_choices_or_where_they_are_to():
    losses = [2.0, 2.1, 2.2, 1.9, 2.0, 2.05]
    answers = [
        *texts("e@0", "es", losses), *texts("e@0.5", "es", [loss - 0.5 for loss in losses]),
        *texts("e@1", "es", [loss - 0.4 for loss in losses]), *texts("e@-0.5", "es", [loss + 1 for loss in losses]),
    ]  # fmt: skip
    found = tune(answers, NAMES, None)
    assert found["alpha_by_language"] == {"es": 0.5}
    answers += [row for name in NAMES for row in choices(name, "es", right(20))]
    assert tune(answers, NAMES, None)["alpha_by_language"] == {"es": 0.0}
    assert tune(answers, NAMES, "nats")["alpha_by_language"] == {"es": 0.5}
    rows = of_language(found["rows"], "es", "nats")
    assert (rows[0.5]["difference"], rows[0.5]["gain"]) == (pytest.approx(-0.5), pytest.approx(0.5))
    assert not rows[-0.5]["better"]


def test_one_text_proves_nothing():
    answers = [*texts("e@0", "es", [2.0]), *texts("e@0.5", "es", [1.0])]
    found = tune(answers, {"e@0": 0.0, "e@0.5": 0.5}, None)
    assert found["alpha_by_language"] == {"es": 0.0}
    json.dumps(found, allow_nan=False)
    assert "<svg" in draw(found["rows"], "nats")


def test_the_plot_has_a_panel_for_each_language_and_for_all():
    answers = [row for name in NAMES for lang in ("hi", "en") for row in choices(name, lang, right(10))]
    drawn = draw(tune(answers, NAMES, None)["rows"], "accuracy")
    for text in (">hi<", ">en<", ">all<", "points of accuracy"):
        assert text in drawn


def test_a_grid_has_0_and_something_to_try():
    assert grid([1.0, 0.5, 1.0, -0.5]) == (-0.5, 0.0, 0.5, 1.0)
    for wrong in ([], [0.0], [float("nan"), 1.0]):
        with pytest.raises(UserError, match="alphas"):
            grid(wrong)


def item(
    name, question, lang="en", task="choice", options=("yes of course", "no never", "it depends on age"), answer="A"
):
    return {
        "id": name, "benchmark": "exam", "lang": lang, "task": task, "context": None, "question": question, "fault": None,
        "letters": list("ABC") if task == "choice" else [], "options": list(options) if task == "choice" else [], "answer": answer,
    }  # fmt: skip


LONG = (
    "Which of these is the first choice of treatment for an adult of forty years with acute otitis media and a fever?"
)


def test_what_test_has_too_is_never_tuned_on():
    test = [item("1", "Does aspirin thin the blood?"), item("2", LONG)]
    dev = [
        item("a", "does ASPIRIN thin the  blood?", options=("other", "options", "here")),
        item("b", f"Read this. {LONG}", options=("p", "q", "r")),
        item("c", "Is the liver on the left side?"),
        item("c2", "Is the liver on the left side?"),
        item("d", "Is the spleen on the left side?"),
        item("e", "What is a stroke?", task="text", answer="A lack of blood in the brain."),
        item("f", "Tell me of strokes.", task="ask", answer=None),
    ]
    kept, left_out = dev_items(test, dev, shots=[dev[4]])
    assert [one["id"] for one in kept] == ["c", "e"]
    assert left_out == {"in_test": 2, "unfit": 1, "shot": 1}
    assert dev_items(dev, dev, [])[0] == []


def test_a_limit_is_of_each_benchmark_and_language():
    items = [item(str(number), f"{number}?", lang=lang) for number in range(3) for lang in ("en", "fr")]
    assert [(one["id"], one["lang"]) for one in first(items, 1)] == [("0", "en"), ("0", "fr")]
    assert first(items, None) == items
