import json

import pytest

from apollo_ray.evaluate.signatures import signatures


def choices(model, lang, right, method="loglikelihood", benchmark="exam"):
    cell = {
        "model": model,
        "lang": lang,
        "method": method,
        "benchmark": benchmark,
        "num_tokens": 1,
        "entropy": None,
        "divergence": None,
        "flipped": None,
    }
    return [cell | {"id": str(number), "correct": one} for number, one in enumerate(right)]


def text(model, lang, logprob, number, name="1", **told):
    cell = {"id": name, "model": model, "lang": lang, "method": "perplexity", "benchmark": "qa", "correct": None}
    return (
        cell | {"logprob": logprob, "num_tokens": number, "entropy": None, "divergence": None, "flipped": None} | told
    )


def test_a_language_that_surely_declines_is_flagged_and_one_that_may_is_not():
    answers = [
        *choices("base", "en", [True] * 30), *choices("ensemble", "en", [False] * 12 + [True] * 18),
        *choices("base", "hi", [False] * 30), *choices("ensemble", "hi", [True] * 12 + [False] * 18),
        *choices("base", "fr", [True] * 30), *choices("ensemble", "fr", [False] * 3 + [True] * 27),
    ]  # fmt: skip
    found = signatures(answers)
    rows = {row["lang"]: row for row in found["accuracy"]}
    assert list(rows) == ["en", "hi", "fr", None]
    assert {lang: row["declined"] for lang, row in rows.items()} == {"en": True, "hi": False, "fr": False, None: False}
    assert (rows["en"]["accuracy"], rows["en"]["base"], rows["en"]["difference"]) == (0.6, 1.0, pytest.approx(-0.4))
    assert rows["en"]["p"] == pytest.approx(2 / 2**12)
    assert rows["en"]["p_holm"] == 3 * rows["en"]["p"]  # of three languages
    assert rows["fr"]["p_holm"] == rows["fr"]["p"] == pytest.approx(2 / 2**3)
    assert (rows[None]["items"], rows[None]["gained"], rows[None]["lost"], rows[None]["p_holm"]) == (
        90,
        12,
        15,
        rows[None]["p"],
    )
    (line,) = found["declines"]
    assert line.startswith("ensemble in en, exam, loglikelihood: -40.0 points against base [")
    json.dumps(found, allow_nan=False)


def test_the_same_ids_in_two_languages_are_two_items():
    answers = [
        row for lang in ("en", "fr") for model in ("base", "expert") for row in choices(model, lang, [True, False])
    ]
    assert [row["items"] for row in signatures(answers)["accuracy"]] == [2, 2, 4]


def test_perplexity_that_rises_is_a_decline():
    answers = [
        text(model, "en", loss * number, number, str(number))
        for model, loss in (("base", -1.0), ("ensemble", -1.5))
        for number in (10, 11, 12)
    ]
    found = signatures(answers)
    (row,) = found["nats"]
    assert (row["difference"], row["declined"]) == (pytest.approx(0.5), True)
    assert found["declines"][0].startswith("ensemble in en, qa: +0.500 nats per token against base [")
    mirrored = [row | {"model": {"base": "ensemble", "ensemble": "base"}[row["model"]]} for row in answers]
    assert signatures(mirrored)["declines"] == []


def test_tokens_are_weighed_one_by_one():
    answers = [
        text("base", "en", -1.0, 10), text("base", "en", -1.0, 30, "2"),
        text("ensemble", "en", -1.0, 10, "1", entropy=1.0, divergence=0.4, flipped=5),
        text("ensemble", "en", -1.0, 30, "2", entropy=2.0, divergence=0.8, flipped=0),
    ]  # fmt: skip
    (row,) = signatures(answers)["tokens"]
    assert (row["tokens"], row["entropy"], row["divergence"], row["flipped"]) == (
        40,
        pytest.approx(1.75),
        pytest.approx(0.7),
        5 / 40,
    )


def test_refused_answers_are_not_right_and_without_a_base_there_is_nothing_to_tell():
    refused = [{"id": "1", "model": "expert", "lang": "en", "method": "loglikelihood", "benchmark": "exam"}]
    answers = [*choices("base", "en", [True, True]), *choices("expert", "en", [True])]
    assert signatures(answers, refused)["accuracy"][0]["difference"] == -0.5
    nothing = signatures([row for row in answers if row["model"] == "expert"], refused)
    assert nothing == {"against": "base", "accuracy": [], "nats": [], "tokens": [], "declines": []}
