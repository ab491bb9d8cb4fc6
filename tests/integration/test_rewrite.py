"""The rewrite stage against a scripted OpenAI server: faults, kills, workers, estimates, and what a changed check costs."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from apollo_ray.config import load_config
from apollo_ray.errors import ServiceError
from apollo_ray.planning import PlannedStep, plan
from apollo_ray.records import CONVERSATION
from apollo_ray.run import estimates, execute
from apollo_ray.store import Store, step_directory

ROOT = Path(__file__).resolve().parents[2]
MINI = ROOT / "tests" / "configs" / "mini.yaml"


def engine(address: str, **settings: object) -> str:
    told = {"kind": "openai", "model": "m", "base_url": address, "timeout_s": 3, "concurrency": 8} | settings
    return f"qa.engine={json.dumps(told)}"


def run(store: str, *words: str) -> PlannedStep:
    config = load_config(MINI, [f"store={store}", *words])
    done = execute(config, plan(config, ["qa"]), lambda _: None, contextlib.nullcontext)
    return next(step for step in done if step.name == "qa")


def rows_of(store: str, step: PlannedStep, group: str = "data") -> list[dict]:
    opened, directory = Store(store), step_directory(step.name, step.fingerprint)
    return [row for entry in getattr(step.manifest, group) for row in opened.read_table(directory, entry).to_pylist()]


def canonical(store: str, step: PlannedStep) -> tuple[list[str], list[tuple[str, str]]]:
    return (
        [json.dumps(row, sort_keys=True) for row in rows_of(store, step)],
        [(row["id"], row["reason"]) for row in rows_of(store, step, "dropped")],
    )


def test_faults_workers_and_order_change_no_row(cluster, tmp_path, scripted_openai) -> None:
    found = []
    for number, settings in enumerate(({"concurrency": 2}, {"concurrency": 16})):
        scripted = scripted_openai(delay_s=0.002, faults=0.2, content_faults=0.15, seed=number)
        store = str(tmp_path / str(number))
        step = run(store, engine(scripted.address, **settings), "qa.verify={judge: true}")
        counts = step.manifest.counts
        assert counts.read == counts.kept + sum(counts.dropped.values())
        assert scripted.server.stats()["paid_twice"] == 0
        assert {"unwilling", "wrong_language"} & set(counts.dropped)
        assert "judged_unsupported" in counts.dropped
        checks = [told["check"]["calls"] for told in step.manifest.summary["cost"].values() if "check" in told]
        assert sum(checks) >= counts.dropped["judged_unsupported"] + counts.kept / 2
        pairs = rows_of(store, step)
        assert list(pairs[0]) == CONVERSATION.names
        written = [row for row in pairs if row["engine"] == "m"]
        assert all(json.loads(row["scores"])["support"] == 1.0 for row in written)
        assert all(row["prompt_version"] and row["prompt_hash"] for row in written)
        found.append(canonical(store, step))
    assert found[0] == found[1]


def test_a_changed_check_asks_for_nothing_anew_and_an_estimate_says_so(cluster, tmp_path, scripted_openai) -> None:
    scripted = scripted_openai(content_faults=0.1)
    store, words = str(tmp_path), engine(scripted.address, input_price=1.0, output_price=2.0)
    documents = load_config(MINI, [f"store={store}", words])
    execute(documents, plan(documents, ["documents"]), lambda _: None, contextlib.nullcontext)

    def estimate(*more: str) -> dict:
        config = load_config(MINI, [f"store={store}", words, *more])
        return estimates(config, plan(config, ["qa"]), ["qa"], lambda _: None, contextlib.nullcontext)["qa"]

    before = estimate()
    assert scripted.server.stats()["seen"] == {}
    assert before["calls_to_make"] > before["calls_paid"] == 0
    first = run(store, words)
    paid = scripted.server.stats()["prompts_paid"]
    assert 0 < paid <= before["calls_to_make"]
    cost = first.manifest.summary["cost"]
    assert {"en", "es"} == set(cost)
    assert sum(entry["calls"] for calls in cost.values() for entry in calls.values()) >= paid
    assert estimate()["calls_to_make"] == 0
    second = run(store, words, "qa.verify={answer_characters: {default: [400, 6000]}}")
    assert second.fingerprint != first.fingerprint
    assert second.manifest.counts.dropped["answer_too_short"] > 0
    assert scripted.server.stats()["prompts_paid"] == paid


def test_a_budget_stops_the_step_and_nothing_reads_as_finished(cluster, tmp_path, scripted_openai) -> None:
    scripted = scripted_openai()
    store = str(tmp_path)
    priced = {"input_price": 1000.0, "output_price": 1000.0, "max_tokens": 50, "budget": 2.0}
    with pytest.raises(ServiceError, match="budget"):
        run(store, engine(scripted.address, **priced))
    assert not list(tmp_path.glob("qa/*/manifest.json"))
    assert run(store, engine(scripted.address)).manifest.counts.kept
    assert scripted.server.stats()["paid_twice"] == 0


@pytest.fixture
def server_process() -> Iterator[Callable[..., str]]:
    """Starts the scripted server as a process of its own, which outlives whoever is killed."""
    started = []

    def start(port: int, *options: str) -> str:
        command = [sys.executable, str(ROOT / "tests" / "scripted_openai.py"), "--port", str(port), *options]
        started.append(subprocess.Popen(command))
        for _ in range(200):
            with contextlib.suppress(OSError):
                stats(f"http://127.0.0.1:{port}/v1")
                break
            time.sleep(0.05)
        return f"http://127.0.0.1:{port}/v1"

    yield start
    for process in started:
        process.terminate()
        process.wait()


def stats(address: str) -> dict:
    with urllib.request.urlopen(f"{address.removesuffix('/v1')}/stats") as answer:
        return json.load(answer)


def test_a_killed_run_goes_on_and_pays_for_nothing_twice(cluster, tmp_path, server_process, free_port) -> None:
    address = server_process(free_port(), "--delay", "0.05", "--faults", "0.2", "--content-faults", "0.1")
    store, words = str(tmp_path / "killed"), engine(address, concurrency=4)
    command = [str(Path(sys.executable).parent / "apollo"), "run", str(MINI), "qa", f"store={store}", words]
    process = subprocess.Popen(command, env=os.environ | {"RAY_ADDRESS": cluster.address}, start_new_session=True)
    deadline = time.monotonic() + 120
    while stats(address)["prompts_paid"] < 40:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not list(Path(store).glob("qa/*/manifest.json"))
    resumed = run(store, words)
    # Only answers that were on the wire at the kill can be paid again: at most one a connection.
    assert stats(address)["paid_twice"] <= 4
    whole = str(tmp_path / "whole")
    assert canonical(whole, run(whole, words)) == canonical(store, resumed)


def test_passages_keep_to_the_tokens_of_the_runs_tokenizer(cluster, tmp_path) -> None:
    from transformers import AutoTokenizer

    store = str(tmp_path)
    words = ["qa.tokenizer=tokenizer", "qa.passage_tokens={default: 90}"]
    config = load_config(MINI, [f"store={store}", *words])
    done = {s.name: s for s in execute(config, plan(config, ["qa"]), lambda _: None, contextlib.nullcontext)}
    folder = next(Path(store).glob("tokenizer/*/tokenizer"))
    encode = AutoTokenizer.from_pretrained(folder)
    answers = [row["turns"][1] for row in rows_of(store, done["qa"]) if row["engine"] == "template"]
    sizes = [len(encode(answer)["input_ids"]) for answer in answers]
    assert max(sizes) <= 90
    assert max(sizes) > 60
