import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from apollo_ray.errors import ServiceError
from apollo_ray.planning import PlannedStep
from apollo_ray.report.collect import collect
from apollo_ray.report.contents import percent, shown
from apollo_ray.store import Counts, Store

Finish = Callable[..., PlannedStep]
Pending = Callable[[str, str], PlannedStep]


def perplexity(values: dict[tuple[str, str], float | None], benchmark: str = "qa", tokens: int = 10) -> dict[str, Any]:
    """Summary of an evaluate step from (language, model) -> perplexity."""
    rows = [
        {"model": model, "benchmark": benchmark, "lang": lang, "perplexity": value, "num_tokens": tokens}
        for (lang, model), value in values.items()
    ]
    return {"perplexity": rows}


def evaluation(finish: Finish, summary: dict[str, Any], name: str = "scores") -> PlannedStep:
    return finish(name, "evaluate", Counts("answer", 1, 1), summary)


def test_the_package_imports_no_stage_no_ray_and_no_pyplot() -> None:
    code = (
        "import sys, apollo_ray.report.page, apollo_ray.report.terminal;"
        "stages = ('corpus', 'rewrite', 'mix', 'train', 'evaluate', 'serve');"
        "bad = [m for m in sys.modules if m in ('ray', 'torch', 'matplotlib.pyplot')"
        " or m.startswith(tuple(f'apollo_ray.{s}' for s in stages))];"
        "sys.exit(str(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_a_funnel_has_what_was_read_kept_and_dropped(store: Store, steps: list[PlannedStep]) -> None:
    documents, qa = collect(store, "starter", steps).funnels
    english, arabic = documents.languages
    assert (english.name, english.read, english.kept, english.dropped) == ("en", 832, 800, {"exact_duplicate": 32})
    assert (arabic.name, arabic.read, arabic.kept, arabic.dropped) == ("ar", 402, 301, {"too_short": 101})
    assert documents.reasons == ("too_short", "exact_duplicate")  # the most frequent first
    assert [(row.name, row.read, row.kept) for row in documents.sources] == [("shelf", 1234, 1101)]
    assert (qa.unit, qa.engine, qa.documents, qa.row("ar")) == ("passage", "template", 1101, None)


def test_steps_have_their_place_time_and_counts(store: Store, steps: list[PlannedStep], pending: Pending) -> None:
    report = collect(store, "starter", [*steps, pending("later", "train")])
    documents, later = report.steps[0], report.steps[-1]
    assert documents.directory == f"{store.uri}/documents/{documents.fingerprint}"
    assert (documents.dropped, documents.files, documents.bytes, documents.seconds) == (133, 1, 321, 72.5)
    assert (later.manifest, later.dropped, later.files, later.seconds) == (None, None, None, None)
    assert report.packages == ("apollo_ray", "ray")


def test_absent_steps_are_named(store: Store, steps: list[PlannedStep], pending: Pending) -> None:
    report = collect(store, "starter", [*steps, pending("later", "train")])
    assert report.absent("train") == "Not finished: later."
    assert report.absent("evaluate") == ""
    assert collect(store, "starter", []).absent("corpus", "rewrite") == "No corpus or rewrite step is in this report."


def test_loss_curves_come_from_the_rows_of_the_step(store: Store, steps: list[PlannedStep]) -> None:
    (training,) = collect(store, "starter", steps).trainings
    assert training.curve == ((1, 5.4321), (2, 3.5), (3, 2.3456))


def test_rows_that_were_changed_are_not_reported(store: Store, steps: list[PlannedStep]) -> None:
    expert = next(step for step in steps if step.name == "expert")
    assert expert.manifest
    store.write(store.path("expert", expert.fingerprint, expert.manifest.data[0].path), b"something else")
    with pytest.raises(ServiceError, match="changed since it was written"):
        collect(store, "starter", steps)


def test_models_and_languages_have_a_fixed_order(store: Store, steps: list[PlannedStep]) -> None:
    (group,) = collect(store, "starter", steps).perplexities
    assert group.models == ("base", "expert", "anti_expert", "ensemble")
    assert group.languages == ("en", "hi", "ar")


def test_the_best_model_and_the_ratio_need_the_same_tokens(store: Store, steps: list[PlannedStep]) -> None:
    report = collect(store, "starter", steps)
    (group,) = report.perplexities
    assert group.best("en") == ("ensemble",)
    assert group.ratio("en") == 33.0 / 41.25
    assert group.best("ar") == ("base",)
    assert group.ratio("ar") == 1.2
    assert group.best("hi") == ()
    assert group.ratio("hi") is None
    assert group.token_counts("hi") == [60, 61]
    assert [step for step, text in report.warnings if "tokens in hi " in text] == ["scores"]


@pytest.mark.parametrize("value", [None, float("inf"), float("nan")])
def test_a_perplexity_that_is_no_number_is_never_best(store: Store, finish: Finish, value: float | None) -> None:
    step = evaluation(finish, perplexity({("en", "base"): 5.0, ("en", "ensemble"): value, ("en", "expert"): 7.0}))
    (group,) = collect(store, "starter", [step]).perplexities
    assert group.best("en") == ("base",)
    assert group.ratio("en") is None


def test_equal_perplexities_are_best_together_and_neither_better_nor_worse(store: Store, finish: Finish) -> None:
    step = evaluation(finish, perplexity({("en", "base"): 5.0, ("en", "ensemble"): 5.0}))
    report = collect(store, "starter", [step])
    assert report.perplexities[0].best("en") == ("base", "ensemble")
    assert "in 0 of 1 language; it is worse in none" in report.verdict[0]


def test_the_verdict_says_where_the_ensemble_is_worse(store: Store, steps: list[PlannedStep]) -> None:
    first, second = collect(store, "starter", steps).verdict
    assert "lower perplexity than the base in 1 of 2 languages" in first
    assert "worse in ar (1.20 times)" in first
    assert "more often than the base in 1 of 2 languages and less often in ar;" in second  # fr was refused whole
    assert "intervals of the two are apart in 1," in second
    assert "(25 %) in 1." in second


def test_the_verdict_does_not_hide_that_the_expert_alone_is_better(store: Store, finish: Finish) -> None:
    values = {("en", "base"): 9.0, ("en", "expert"): 4.0, ("en", "ensemble"): 5.0}
    values |= {("fr", "base"): 9.0, ("fr", "expert"): 6.0, ("fr", "ensemble"): 5.0}
    verdict = collect(store, "starter", [evaluation(finish, perplexity({**values}))]).verdict[0]
    assert verdict.endswith("worse in none. The expert alone is lower than the ensemble in 1 of 2.")


def test_the_verdict_tells_benchmarks_apart(store: Store, finish: Finish) -> None:
    one = perplexity({("en", "base"): 5.0, ("en", "ensemble"): 6.0}, "first")
    two = perplexity({("en", "base"): 5.0, ("en", "ensemble"): 4.0}, "second")
    step = evaluation(finish, {"perplexity": one["perplexity"] + two["perplexity"]})
    verdict = collect(store, "starter", [step]).verdict[0]
    assert "in 1 of 2 comparisons in 1 language; it is worse in en [first] (1.20 times)" in verdict


def test_the_verdict_tells_evaluate_steps_apart(store: Store, finish: Finish) -> None:
    worse = perplexity({("en", "base"): 5.0, ("en", "ensemble"): 6.0})
    steps = [evaluation(finish, worse, "one"), evaluation(finish, worse, "two")]
    assert "en [one] (1.20 times), en [two] (1.20 times)" in collect(store, "starter", steps).verdict[0]


def test_without_scores_the_verdict_says_so(store: Store, pending: Pending) -> None:
    first, second = collect(store, "starter", [pending("scores", "evaluate")]).verdict
    assert first.endswith("not measured.")
    assert second.endswith("not measured.")


def test_answers_are_those_of_the_ensemble_at_any_strength(store: Store, finish: Finish) -> None:
    answers = [
        {"model": model, "lang": "en", "question": "q", "text": model} for model in ("base", "ensemble", "ensemble@0.5")
    ]
    report = collect(store, "starter", [evaluation(finish, {"answers": answers})])
    assert [answer.text for answer in report.answers] == ["ensemble", "ensemble@0.5"]


def test_without_an_ensemble_the_other_answers_are_shown(store: Store, finish: Finish) -> None:
    answers = [{"model": "base", "lang": "en", "question": "q", "text": None}]
    report = collect(store, "starter", [evaluation(finish, {"answers": answers})])
    assert [(answer.model, answer.text) for answer in report.answers] == [("base", "")]


def test_accuracy_keeps_refused_cells_without_a_number(store: Store, steps: list[PlannedStep]) -> None:
    (group,) = collect(store, "starter", steps).accuracies
    refused = group.scores["fr", "ensemble"]
    assert (refused.measured, refused.refused, refused.total) == (False, 8, 8)
    assert group.scores["en", "base"].measured
    assert (group.means, group.mode) == ({"ensemble": 0.4437}, "plain-questions")


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(1234567, 0, "1,234,567"), (2.3456, 2, "2.35"), (0, 0, "0"), (None, 0, "-"), (float("nan"), 2, "-")],
)
def test_numbers_are_written_the_same_everywhere(value: float | None, digits: int, text: str) -> None:
    assert shown(value, digits) == text


def test_shares_are_written_as_percent() -> None:
    assert (percent(0.0123), percent(1, 0), percent(None), percent(float("inf"))) == ("1.2 %", "100 %", "-", "-")


def test_a_benchmark_that_nobody_decontaminated_against_is_a_warning(store: Store, finish: Finish) -> None:
    exams = [
        {"name": "guarded", "path": "a.jsonl", "task": "choice"},
        {"name": "forgotten", "path": "b.jsonl", "task": "text"},
    ]
    exams.append({"name": "asked", "path": "c.jsonl", "task": "ask"})
    corpus = {"decontaminate": {"benchmarks": [{"name": "x", "path": "a.jsonl"}]}}
    steps = [
        finish("documents", "corpus", Counts("row", 1, 1), {}, settings=corpus),
        finish("scores", "evaluate", Counts("answer", 1, 1), {}, settings={"benchmarks": exams}),
    ]
    said = [text for step, text in collect(store, "r", steps).warnings if step == "scores"]
    assert [text.split(":")[0] for text in said] == ["forgotten"]
