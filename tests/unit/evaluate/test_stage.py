import json
from contextlib import nullcontext
from dataclasses import replace

import pytest

from apollo_ray.config import parse
from apollo_ray.errors import UserError
from apollo_ray.evaluate import stage
from apollo_ray.evaluate.reading import read
from apollo_ray.evaluate.settings import Benchmark, StageSettings
from apollo_ray.records import DROPPED, EVAL_ANSWER
from apollo_ray.step import Context
from apollo_ray.store import Counts, Manifest, Store, content_digest


def write(folder, name, rows):
    (folder / name).write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")


@pytest.fixture
def folder(tmp_path):
    options = ["one", "two", "three", "four"]
    for lang in ("en", "fr"):
        rows = [{"id": str(n), "question": f"Q{n}", "options": options, "answer": "AB"[n % 2]} for n in range(4)]
        write(tmp_path, f"choice_{lang}.jsonl", [*rows, {"id": "bad", "question": ""}])
        write(tmp_path, f"qa_{lang}.jsonl", [{"id": "1", "question": "Why?", "answer": f"Because {lang}."}])
    write(tmp_path, "ask.jsonl", [{"id": "1", "lang": "en", "question": "How?"}])
    return tmp_path


def context(folder, endpoint, say=lambda text: None, **changes):
    values = {
        "endpoint": endpoint,
        "models": ["base", "expert"],
        "benchmarks": [
            {"name": "choice", "path": f"{folder}/choice_*.jsonl", "task": "choice"},
            {"name": "qa", "path": f"{folder}/qa_*.jsonl", "task": "text"},
            {"name": "free", "path": f"{folder}/ask.jsonl", "task": "ask"},
        ],
        "retries": 0,
    }
    settings = parse(StageSettings, values | changes, where="steps.scores")
    store = Store(str(folder / "store"))
    return Context("mini", "scores", settings, store, "0" * 16, {}, say, nullcontext)


def rows(context, entries):
    return [row for entry in entries for row in context.store.read_table(context.directory, entry).to_pylist()]


def test_every_planned_answer_is_written_or_dropped(folder, endpoint, token_score):
    endpoint.text = " B"
    run = context(folder, endpoint.address)
    result = stage.run(run)
    assert (result.counts.read, result.counts.kept, result.counts.dropped) == (40, 38, {"no_question": 2})
    answers, dropped = rows(run, result.data), rows(run, result.dropped)
    assert (len(answers), len(dropped)) == (38, 2)
    assert list(answers[0]) == EVAL_ANSWER.names
    assert list(dropped[0]) == DROPPED.names
    accuracy = {(row["model"], row["lang"], row["method"]): row for row in result.summary["accuracy"]}
    assert len(accuracy) == 8
    for (_, _, method), row in accuracy.items():
        assert row["total"] == 4
        assert row["correct"] == 2 if method == "generation" else row["correct"] in (0, 2)
        assert 0 < row["low"] < row["high"] < 1 or row["correct"] == 0
    assert [row["languages"] for row in result.summary["macro_accuracy"]] == [2] * 4
    perplexity = {(row["model"], row["lang"]): row for row in result.summary["perplexity"]}
    text = "Because en."
    assert perplexity["base", "en"]["num_tokens"] == len(text)
    expected = 2.718281828459045 ** (-token_score(text) / len(text))
    assert perplexity["base", "en"]["perplexity"] == pytest.approx(expected, rel=1e-12)
    assert result.summary["answers"][0] == {
        "model": "base",
        "lang": "en",
        "question": "How?",
        "text": " reply to How?",
    }
    assert result.summary["mode"] == "strict"
    assert result.summary["warnings"] == []
    json.dumps(result.summary, allow_nan=False)


def test_refusals_are_dropped_rows_and_stay_in_the_denominator(folder, endpoint, fault):
    endpoint.fault = lambda number, body: fault(400) if "Q1" in str(body) else None
    run = context(folder, endpoint.address, models=["base"], methods=["generation"])
    result = stage.run(run)
    assert result.counts.dropped == {"no_question": 2, "refused_by_endpoint": 2}
    refused = [row for row in rows(run, result.dropped) if row["rule"] == "endpoint"]
    assert [(row["id"], json.loads(row["row"])["model"]) for row in refused] == [("1", "base")] * 2
    assert [(row["total"], row["refused"]) for row in result.summary["accuracy"]] == [(4, 1), (4, 1)]
    assert [warning.split(" (")[0] for warning in result.summary["warnings"]] == [
        f"base, choice, {lang}, generation: 1 without an answer" for lang in ("en", "fr")
    ]


def test_the_limit_holds_per_benchmark_and_language(folder, endpoint):
    result = stage.run(context(folder, endpoint.address, models=["base"], methods=["generation"], limit=1))
    assert [(row["lang"], row["total"]) for row in result.summary["accuracy"]] == [("en", 1), ("fr", 1)]


def test_two_runs_write_the_same_rows_in_the_same_order(folder, endpoint):
    one = context(folder, endpoint.address, concurrency=1)
    many = context(folder, endpoint.address, concurrency=8)
    assert rows(one, stage.run(one).data) == rows(many, stage.run(many).data)


def test_an_endpoint_that_refuses_everything_stops_the_step(folder, endpoint, fault):
    endpoint.fault = lambda number, body: fault(400, '{"error": {"message": "echo is not supported"}}')
    with pytest.raises(UserError, match="echo is not supported"):
        stage.run(context(folder, endpoint.address))


def test_benchmarks_without_one_usable_row_stop_the_step(folder, endpoint):
    benchmark = {"name": "qa", "path": f"{folder}/ask.jsonl", "task": "text"}
    with pytest.raises(UserError, match="no_answer"):
        stage.run(context(folder, endpoint.address, benchmarks=[benchmark]))
    assert endpoint.requests == []


def test_an_endpoint_that_is_no_step_is_named(folder):
    with pytest.raises(UserError, match="'ensembel' is not a step"):
        stage.run(context(folder, "ensembel"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"endpoint": "http://host:8000"}, "ends in /v1"),
        ({"endpoint": "s3://host/v1"}, "ends in /v1"),
        ({"models": []}, "models"),
        ({"models": [" "]}, "models"),
        ({"models": [{"name": "base", "model": "small"}]}, "'base' is local"),
        ({"endpoint": None}, "models: 'base' is a name that an endpoint must know"),
        ({"endpoint": None, "models": [{"name": "a", "model": "x"}] * 2}, "'a' is given twice"),
        ({"endpoint": None, "models": [{"name": "a", "modle": "x"}]}, "did you mean 'model'"),
        ({"endpoint": None, "models": [{"name": "a", "base": "x", "expert": "y"}]}, "anti_expert' is missing"),
        (
            {"endpoint": None, "models": [{"name": "a", "base": "x", "expert": "y", "anti_expert": "z", "alpha": 101}]},
            "less than or equal to 100",
        ),
        ({"models": ["base", "base"]}, "'base' is given twice"),
        ({"methods": ["guess"]}, "methods"),
        ({"limit": 0}, "limit"),
        ({"benchmarks": [{"name": "a", "path": "x", "task": "text"}] * 2}, "two benchmarks have the name 'a'"),
        ({"concurency": 4}, "did you mean 'concurrency'"),
    ],
)
def test_wrong_settings_are_named(folder, change, message):
    with pytest.raises(UserError, match=message):
        context(folder, **({"endpoint": "http://host/v1"} | change))


def test_a_step_that_serves_nothing_is_no_endpoint(folder):
    run = context(folder, "mix")
    manifest = Manifest("mix", "mix", "0" * 16, {}, {}, Counts("row", 0, 0), [], [], [], {}, {}, "", "")
    with pytest.raises(UserError, match="of stage mix, not serve"):
        stage.run(replace(run, inputs={"mix": manifest}))


def test_real_multiple_choice_rows_parse_whole(shared_data):
    path = f"{shared_data}/starter/eval_mcq.jsonl"
    settings = StageSettings(
        endpoint="http://host/v1", models=("base",), benchmarks=(Benchmark(name="xmed", path=path, task="choice"),)
    )
    found = read(settings)
    items, dropped = found.items, found.dropped
    assert dropped.num_rows == 0
    assert len({item["lang"] for item in items}) == 6


def test_the_embedded_benchmarks_parse_whole():
    for task, path in (("choice", "choice_*.jsonl"), ("text", "qa_*.jsonl"), ("ask", "ask.jsonl")):
        uri = f"starter://eval/{path}"
        assert content_digest(uri)
        settings = StageSettings.model_validate(
            {
                "endpoint": "http://host/v1",
                "models": ["base"],
                "benchmarks": [{"name": "starter", "path": uri, "task": task}],
            }
        )
        found = read(settings)
        items, dropped = found.items, found.dropped
        assert dropped.num_rows == 0
        assert {item["lang"] for item in items} == {"en", "zh", "hi", "es", "fr", "ar"}
