"""The stage on answers that a store holds."""

from contextlib import nullcontext

import pyarrow as pa
import pytest

from apollo_ray.compare.settings import StageSettings
from apollo_ray.compare.stage import run
from apollo_ray.config import parse
from apollo_ray.errors import UserError
from apollo_ray.records import COMPARISON, EVAL_ANSWER, TRAINING_STEP
from apollo_ray.step import Context
from apollo_ray.store import Counts, Manifest, Store

SETTINGS = {
    "question": "Which one?",
    "against": "before",
    "limits": "two items",
    "arms": [
        {"name": "before", "scores": "scores", "model": "base"},
        {"name": "after", "scores": "more-scores", "model": "expert"},
    ],
}


def answers(model, correct):
    return [
        {"id": str(n), "benchmark": "exam", "lang": "en", "model": model, "method": "loglikelihood", "correct": right}
        for n, right in enumerate(correct)
    ]


@pytest.fixture
def context(tmp_path):
    store = Store(str(tmp_path))

    def finished(step, rows, schema=EVAL_ANSWER):
        entry = store.write_table(f"{step}/f/data", pa.Table.from_pylist(rows, schema=schema))
        counts = Counts("answer", len(rows), len(rows))
        return Manifest(step, "evaluate", "f", {}, {}, counts, [entry], [], [], {}, {}, "", "")

    inputs = {
        "scores": finished("scores", answers("base", [False, False])),
        "more-scores": finished("more-scores", answers("expert", [True, False])),
        "other": finished("other", [], TRAINING_STEP),
    }

    def make(**changes):
        settings = parse(StageSettings, SETTINGS | changes, where="steps.table")
        return Context("run", "table", settings, store, "f", inputs, lambda _: None, lambda _: nullcontext(""))

    return make


def test_arms_of_several_steps_meet_in_one_table(context):
    made = context()
    result = run(made)
    assert result.summary["question"] == "Which one?"
    assert [(row["arm"], row["value"], row["difference"]) for row in result.summary["rows"]] == [
        ("before", 0.0, None),
        ("after", 0.5, 0.5),
    ]
    stored = made.store.read_table("table/f", result.data[0])
    assert stored.schema.names == COMPARISON.names
    assert stored.to_pylist() == result.summary["rows"]
    assert (result.counts.read, result.counts.kept) == (2, 2)


def test_a_model_without_answers_is_named_with_those_that_have_some(context):
    arms = [SETTINGS["arms"][0], {"name": "after", "scores": "scores", "model": "exprt"}]
    with pytest.raises(UserError, match=r"arms\[1\]\.model: 'exprt' has no scored answers .*models there: base"):
        run(context(arms=arms))


def test_a_step_with_other_rows_is_refused(context):
    arms = [SETTINGS["arms"][0], {"name": "after", "scores": "other", "model": "expert"}]
    with pytest.raises(UserError, match="step 'other'"):
        run(context(arms=arms))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"against": "nobody"}, "'nobody' is no arm; its arms are before, after"),
        ({"arms": [SETTINGS["arms"][0]] * 2}, "two have the name 'before'"),
        ({"arms": SETTINGS["arms"][:1]}, "arms"),
        ({"limits": ""}, "limits"),
    ],
)
def test_settings_that_make_no_table_are_refused(context, changes, message):
    with pytest.raises(UserError, match=message):
        context(**changes)


def test_an_arm_may_have_a_reference_of_its_own():
    arms = [*SETTINGS["arms"], {"name": "third", "scores": "scores", "model": "x", "against": "after"}]
    settings = parse(StageSettings, SETTINGS | {"arms": arms}, where="steps.table")
    assert [settings.reference(arm) for arm in settings.arms] == [None, "before", "after"]
