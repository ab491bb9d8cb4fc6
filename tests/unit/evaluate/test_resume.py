"""A step that was ended in the middle goes on: nothing that was answered is asked again."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from apollo_ray.config import load_config
from apollo_ray.errors import ServiceError
from apollo_ray.evaluate import stage
from apollo_ray.evaluate.calls import Call
from apollo_ray.evaluate.settings import StageSettings
from apollo_ray.planning import plan
from apollo_ray.run import execute
from apollo_ray.step import Context
from apollo_ray.store import Counts, Manifest, Store

RUN = """
import sys
from contextlib import contextmanager, nullcontext
from apollo_ray.config import load_config
from apollo_ray.planning import plan
from apollo_ray.run import execute
config = load_config(sys.argv[1])
execute(config, plan(config), print, nullcontext)
"""
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def file(tmp_path, endpoint):
    """A run of one step: 12 choices by two methods and 12 texts, for two models."""
    choices = [
        {"id": f"{n}", "lang": "en", "question": f"Choice {n}?", "options": ["p", "q"], "answer": "A"}
        for n in range(12)
    ]
    texts = [{"id": f"{n}", "lang": "en", "question": f"Text {n}?", "answer": f"Because of {n}."} for n in range(12)]
    for name, rows in (("choices", choices), ("texts", texts)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    step = {
        "stage": "evaluate",
        "endpoint": endpoint.address,
        "models": ["base", "expert"],
        "concurrency": 3,
        "retries": 0,
        "benchmarks": [
            {"name": "exam", "path": f"{tmp_path}/choices.jsonl", "task": "choice"},
            {"name": "qa", "path": f"{tmp_path}/texts.jsonl", "task": "text"},
        ],
    }
    file = tmp_path / "run.json"
    file.write_text(json.dumps({"run": "resume", "store": str(tmp_path / "store"), "steps": {"scores": step}}))
    return file


def run(file, *overrides):
    config = load_config(file, list(overrides))
    (step,) = execute(config, plan(config), lambda text: None, nullcontext)
    (table,) = Store(config.store).tables(step.manifest)
    return step.manifest, table.to_pylist()


def asked(requests):
    """(model, prompt, whether it was to be scored) of each text that came, in order."""
    return [(body["model"], prompt, bool(body.get("echo"))) for _, body, _ in requests for prompt in body["prompt"]]


def kept(file):
    return len(list((file.parent / "store" / "answers").glob("??/*.json")))


def test_a_killed_step_asks_no_item_twice(file, endpoint):
    """SIGKILL while three requests hang: only those three come again, and the rows are those of an unbroken run."""
    gate = threading.Event()
    endpoint.fault = lambda number, body: gate.wait(60) and None if number > 20 else None
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", RUN, str(file)], env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while (len(endpoint.requests) < 23 or kept(file) < 20) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    gate.set()
    answered, hanging = asked(endpoint.requests[:20]), asked(endpoint.requests[20:])
    assert (len(endpoint.requests), kept(file)) == (23, 20)
    assert not list((file.parent / "store").glob("scores/*/manifest.json"))

    endpoint.requests.clear()
    manifest, rows = run(file)
    again = asked(endpoint.requests)
    assert not set(answered) & set(again)
    assert set(hanging) <= set(again)
    assert len(again) == len(set(again)) == 2 * (12 * 2 + 12 + 12) - len(answered)
    assert manifest.counts.kept == len(rows) == 2 * (12 + 12 + 12)
    _, unbroken = run(file, f"store={file.parent / 'other'}")
    assert rows == unbroken


def test_a_fault_keeps_what_was_answered_before_it(file, endpoint, fault):
    endpoint.fault = lambda number, body: fault(500) if number > 10 else None
    with pytest.raises(ServiceError, match="is kept; run the same command again"):
        run(file, "scores.concurrency=1")
    before = asked(endpoint.requests[:10])
    endpoint.fault = lambda number, body: None
    endpoint.requests.clear()
    run(file)
    assert not set(before) & set(asked(endpoint.requests))


def test_a_refusal_is_asked_again_since_what_refused_may_have_been_mended(file, endpoint, fault):
    endpoint.fault = lambda number, body: fault(400) if "Choice 3?" in str(body) else None
    config = load_config(file)
    (planned,) = plan(config)
    manifest, _ = run(file)
    assert manifest.counts.dropped == {"refused_by_endpoint": 4}
    directory = file.parent / "store" / "scores" / planned.fingerprint
    (directory / "manifest.json").unlink()
    endpoint.fault = lambda number, body: None
    endpoint.requests.clear()
    manifest, _ = run(file)
    assert manifest.counts.dropped == {}
    assert len(endpoint.requests) == 4


def test_a_serve_step_whose_answers_are_all_kept_is_not_started(file, endpoint):
    """And another evaluate step of the same served models takes the answers that it needs."""
    served = Manifest("ensemble", "serve", "f" * 16, {}, {}, Counts("model", 3, 3), [], [], [], {}, {}, "", "")
    opened = []

    @contextmanager
    def open_endpoint(name):
        opened.append(name)
        yield endpoint.address

    def evaluate(fingerprint, **changes):
        raw = load_config(file).steps["scores"] | {"endpoint": "ensemble"} | changes
        settings = StageSettings.model_validate({key: value for key, value in raw.items() if key != "stage"})
        store = Store(str(file.parent / "store"))
        stage.run(
            Context("r", "scores", settings, store, fingerprint, {"ensemble": served}, lambda text: None, open_endpoint)
        )

    evaluate("1" * 16)
    assert opened == ["ensemble"]
    evaluate("2" * 16, limit=5)
    assert opened == ["ensemble"]


def test_items_that_are_asked_the_same_are_asked_once(file, endpoint):
    rows = (file.parent / "texts.jsonl").read_text().splitlines()
    (file.parent / "texts.jsonl").write_text("\n".join([*rows, rows[0].replace('"id": "0"', '"id": "again"')]))
    manifest, found = run(file)
    assert manifest.counts.kept == 2 * (12 + 12 + 13)
    assert len(asked(endpoint.requests)) == len(set(asked(endpoint.requests)))
    same = {row["id"]: row["logprob"] for row in found if row["id"] in ("0", "again") and row["method"] == "perplexity"}
    assert same["0"] == same["again"]


def test_another_step_takes_nothing_from_an_address_whose_models_may_have_changed(file, endpoint):
    run(file)
    endpoint.requests.clear()
    run(file, "scores.limit=5")
    assert len(asked(endpoint.requests)) == 2 * (5 * 2 + 5 + 5)


@pytest.mark.parametrize(
    "change",
    [{"kind": "generate"}, {"prompt": "other"}, {"continuations": (" A",)}, {"stop": ("\n",)}, {"max_tokens": 1}],
)
def test_whatever_can_change_an_answer_is_in_its_key(change):
    values = {"model": "base", "kind": "score", "prompt": "one", "continuations": (" A", " B")}
    assert Call(**values).key("id") != Call(**(values | change)).key("id")
    assert Call(**values).key("id") != Call(**values).key("another")
    assert Call(**values).key("id") == Call(**(values | {"model": "renamed"})).key("id")


def test_flips_are_counted_where_the_endpoint_lists_the_likeliest_tokens(file, endpoint):
    manifest, rows = run(file)
    texts = [row for row in rows if row["method"] == "perplexity"]
    assert {row["flipped"] for row in texts if row["model"] == "base"} == {None}
    for row in texts:
        if row["model"] == "expert":
            places = range(len(row["question"]) + len("User:\nAssistant:") - 1, 10**3)
            assert row["flipped"] == sum(place % 3 == 0 for place in places[: row["num_tokens"]])
    (told,) = manifest.summary["signatures"]["tokens"]
    assert told["flipped"] == sum(row["flipped"] or 0 for row in texts) / told["tokens"]
