"""Training on Ray: the curve of a plain loop, the same curve after any kill, a model that loads."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import torch

from apollo_ray.packed import PackedRows
from apollo_ray.store import Store, open_fs, step_directory
from apollo_ray.train.data import batch_of
from apollo_ray.train.loss import Objective
from apollo_ray.train.model import load_model, parameter_groups
from apollo_ray.train.schedule import learning_rate_factor

ROOT = Path(__file__).resolve().parents[2]
MINI = ROOT / "tests" / "configs" / "mini.yaml"
SLOW_ENOUGH_TO_KILL = ["small.epochs=6", "small.checkpoint_every=3"]


@pytest.fixture(scope="module")
def trained() -> dict:
    """The first test's run, for the ones that compare with it."""
    return {}


def history(store: str, step) -> list[dict]:
    return [row for table in Store(store).tables(step.manifest) for row in table.to_pylist()]


def assert_same_curve(store: str, step, trained: dict) -> None:
    made, whole = history(store, step), history(trained["store"], trained["steps"]["small"])
    assert step.fingerprint == trained["steps"]["small"].fingerprint
    assert [row["step"] for row in made] == [row["step"] for row in whole]
    for one, other in zip(made, whole, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], abs=2e-5)
        assert one["supervised_tokens"] == other["supervised_tokens"]


def test_two_workers_follow_a_plain_loop_on_one(run_steps, local_store, trained) -> None:
    store = local_store
    steps = run_steps(store, ["small", *SLOW_ENOUGH_TO_KILL])
    trained |= {"store": store, "steps": steps}
    made = history(store, steps["small"])
    settings, mix = steps["small"].settings, steps["general-mix"].manifest
    assert mix is not None
    rows = PackedRows(Store(store), mix)
    tokenizer = Path(store) / step_directory(mix.step, mix.fingerprint) / "tokenizer"
    torch.set_num_threads(1)
    model = Objective(load_model(None, settings.architecture, str(tokenizer), settings.seed))
    optimizer = torch.optim.AdamW(parameter_groups(model, settings.weight_decay), lr=settings.learning_rate)
    total = -(-len(rows) * settings.epochs // settings.global_batch)
    assert len(made) == total
    for step in range(10):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * learning_rate_factor(step, total, settings.warmup, 0.0)
        places = range(step * settings.global_batch, (step + 1) * settings.global_batch)
        losses = model(**batch_of([rows.row(place % len(rows)) for place in places]).inputs("cpu"))
        losses.mean().backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        optimizer.step()
        optimizer.zero_grad()
        assert made[step]["supervised_tokens"] == len(losses)
        assert made[step]["loss"] == pytest.approx(float(losses.mean().detach()), abs=2e-5)
        assert made[step]["gradient_norm"] == pytest.approx(float(norm), rel=1e-3)
        assert made[step]["learning_rate"] == pytest.approx(optimizer.param_groups[0]["lr"])


def test_the_export_is_the_model_that_was_trained(trained) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    step = trained["steps"]["small"]
    folder = Path(trained["store"]) / step_directory(step.name, step.fingerprint) / "model"
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="documents").eval()
    assert len(AutoTokenizer.from_pretrained(folder)) == model.config.vocab_size == 600
    rows = PackedRows(Store(trained["store"]), trained["steps"]["general-mix"].manifest)
    with torch.no_grad():
        loss = float(Objective(model)(**batch_of([rows.row(place) for place in range(8)]).inputs("cpu")).mean())
    first, last = history(trained["store"], step)[0]["loss"], history(trained["store"], step)[-1]["loss"]
    assert loss < last + 0.5 < first


def test_numbers_are_kept_as_lines_and_for_tensorboard(trained) -> None:
    step = trained["steps"]["small"]
    folder = Path(trained["store"]) / step_directory(step.name, step.fingerprint)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    made = history(trained["store"], step)
    assert [line["step"] for line in lines] == [row["step"] for row in made]
    assert [line["loss"] for line in lines] == [row["loss"] for row in made]
    assert all(line["tokens_per_second"] > 0 and 0 <= line["waiting_for_data"] < 1 for line in lines)
    assert [path for path in (folder / "tensorboard").iterdir() if path.stat().st_size > 1000]


def start_run(store: str, words: list[str]) -> subprocess.Popen:
    command = [sys.executable, "-m", "apollo_ray.cli", "run", str(MINI), *words, f"store={store}"]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def published(store: Path) -> bool:
    """Whether a resumed run would find a checkpoint: its files alone are not enough."""
    return any(
        "step_0" in path.read_text() for path in store.glob("small/*/checkpoints/checkpoint_manager_snapshot.json")
    )


def wait_for(condition: Callable[[], object], process: subprocess.Popen, seconds: float = 150) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, f"the run ended before it could be killed: {process.stdout.read()[-2000:]}"
        assert time.monotonic() < deadline, "nothing to kill in time"
        time.sleep(0.02)


@pytest.fixture
def copied(cluster, tmp_path, trained, monkeypatch) -> Path:
    """A store with all that comes before `small`."""
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    shutil.copytree(trained["store"], tmp_path, ignore=shutil.ignore_patterns("small", "expert"), dirs_exist_ok=True)
    return tmp_path


def test_a_killed_run_goes_on_with_another_number_of_workers(run_steps, copied, trained) -> None:
    process = start_run(str(copied), ["small", *SLOW_ENOUGH_TO_KILL])
    wait_for(lambda: published(copied), process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not list(copied.glob("small/*/manifest.json")), "killed too late"
    steps = run_steps(str(copied), ["small", *SLOW_ENOUGH_TO_KILL, "small.workers=1", "small.zero_stage=1"])
    assert steps["small"].manifest.summary["resumed_from"] >= 3
    assert_same_curve(str(copied), steps["small"], trained)


def test_a_run_that_is_told_to_end_saves_first_and_goes_on(run_steps, cluster, copied, trained) -> None:
    process = start_run(str(copied), ["small", *SLOW_ENOUGH_TO_KILL, "small.checkpoint_every=1000"])
    wait_for(lambda: training_workers(cluster.folder), process)
    time.sleep(4)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM, output
    assert "asked to stop" in output
    assert published(copied)
    steps = run_steps(str(copied), ["small", *SLOW_ENOUGH_TO_KILL])
    assert steps["small"].manifest.summary["resumed_from"] >= 1
    assert_same_curve(str(copied), steps["small"], trained)


def training_workers(folder: Path) -> list[psutil.Process]:
    """Of the Ray whose session lies in `folder`; another one may train beside it."""
    found = []
    for raylet in psutil.process_iter(["name", "cmdline"]):
        if raylet.info["name"] == "raylet" and any(str(folder) in word for word in raylet.info["cmdline"] or []):
            for process in raylet.children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    line = " ".join(process.cmdline())
                    if line.startswith("ray::") and "RayTrainWorker" in line:
                        found.append(process)
    return found


def test_a_killed_worker_costs_no_step_beyond_the_last_checkpoint(run_steps, cluster, copied, trained) -> None:
    ours = {process.pid for process in training_workers(cluster.folder)}
    process = start_run(str(copied), ["small", *SLOW_ENOUGH_TO_KILL])
    wait_for(lambda: published(copied), process)
    workers = [worker for worker in training_workers(cluster.folder) if worker.pid not in ours]
    assert len(workers) == 2
    os.kill(workers[1].pid, signal.SIGKILL)
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output[-3000:]
    assert "resumed at step" in output
    steps = run_steps(str(copied), ["small", *SLOW_ENOUGH_TO_KILL])
    assert steps["small"].manifest.summary["resumed_from"] >= 3
    assert_same_curve(str(copied), steps["small"], trained)


def test_checkpoints_survive_cut_connections_to_an_object_store(run_steps, cluster, s3_proxy, copied, trained) -> None:
    store = f"{cluster.bucket}/same"
    words = ["small", *SLOW_ENOUGH_TO_KILL, "small.checkpoint_every=1"]
    filesystem, folder = open_fs(store)
    filesystem.put(f"{copied}/", folder, recursive=True)
    before = s3_proxy.cut
    with s3_proxy.cutting(every_bytes=400_000):
        steps = run_steps(store, words)
    assert s3_proxy.cut > before + 3, "nothing was cut"
    manifest = steps["small"].manifest
    assert any(entry.path == "model/model.safetensors" for entry in manifest.extra)
    assert_same_curve(store, steps["small"], trained)
