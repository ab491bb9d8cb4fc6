"""apollo tune-alpha against a stand-in endpoint."""

import json
from contextlib import nullcontext

import pytest
from typer.testing import CliRunner

from apollo_ray.cli import app
from apollo_ray.commands import tuning
from apollo_ray.serve.alphas import read_alphas


@pytest.fixture
def file(tmp_path, endpoint, monkeypatch):
    monkeypatch.setattr(tuning, "connect", lambda say: nullcontext())
    endpoint.models = ("ensemble@0", "ensemble@0.5", "ensemble@1")
    for name, start in (("test", 0), ("dev", 100)):
        rows = [
            {"id": f"{n}", "lang": "en", "question": f"What does medicine number {n} do?", "options": ["p", "q"], "answer": "A"}
            for n in range(start, start + 8)
        ]  # fmt: skip
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    step = {
        "stage": "evaluate",
        "endpoint": endpoint.address,
        "models": ["base", "ensemble"],
        "benchmarks": [{"name": "exam", "path": f"{tmp_path}/test.jsonl", "dev": f"{tmp_path}/dev.jsonl", "task": "choice"}],
    }  # fmt: skip
    run = {"run": "tune", "store": str(tmp_path / "store"), "steps": {"scores": step}}
    (tmp_path / "run.json").write_text(json.dumps(run))
    return tmp_path / "run.json"


def called(file, *words):
    return CliRunner().invoke(app, ["tune-alpha", str(file), "scores", *words])


def test_the_file_is_one_that_a_serve_step_takes(file, endpoint):
    done = called(file, "--alphas", "0.5,1")
    assert done.exit_code == 0, done.output
    path = file.parent / "store" / "alphas" / "tune-scores.json"
    found = read_alphas(str(path))
    assert (found.alpha, found.alpha_by_language) == (0.0, {"en": 0.0})  # this endpoint answers alike at every alpha
    assert [row["alpha"] for row in found.notes["rows"]] == [0.0, 0.5, 1.0] * 2
    assert found.notes["asked"] == [{"lang": "en", "method": "loglikelihood", "answers": 8}]
    assert str(path) in done.output.replace("\n", "")
    assert (path.parent / "tune-scores-accuracy.svg").read_text().startswith("<svg xmlns=")
    prompts = {prompt for _, body, _ in endpoint.requests for prompt in body["prompt"]}
    assert len(prompts) == 8 * 2
    assert all(any(f"number {n} do" in prompt for n in range(100, 108)) for prompt in prompts)


def test_a_second_call_asks_only_what_is_new(file, endpoint):
    called(file, "--alphas", "0.5")
    endpoint.requests.clear()
    assert called(file, "--alphas", "0.5,1").exit_code == 0
    assert {body["model"] for _, body, _ in endpoint.requests} == {"ensemble@1"}


def test_without_dev_items_or_with_those_of_test_it_refuses(file, endpoint):
    test = file.parent / "test.jsonl"
    same = called(file, f"scores.benchmarks.0.dev={test}")
    assert same.exit_code == 2
    assert "8 of 8 stand in test" in same.output.replace("\n", " ")
    none = called(file, "scores.benchmarks.0.dev=null")
    assert none.exit_code == 2
    assert "never on those of a reported score" in none.output.replace("\n", " ")
    assert endpoint.requests == []


def test_dev_items_that_stand_in_test_are_left_out_and_said(file, endpoint):
    dev = file.parent / "dev.jsonl"
    dev.write_text(dev.read_text() + "\n" + (file.parent / "test.jsonl").read_text().splitlines()[0])
    done = called(file, "--alphas", "1")
    assert "warning: 1 of 9 dev items stand in test" in done.output
    assert not any("number 0 do" in str(body) for _, body, _ in endpoint.requests)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--alphas", "a,b"], "expected numbers"),
        (["--alphas", "0"], "at least one of them not 0"),
        (["--by", "f1"], "none of accuracy, nats"),
    ],
)
def test_wrong_options_are_named(file, words, message):
    done = called(file, *words)
    assert done.exit_code == 2
    assert message in done.output.replace("\n", " ")
