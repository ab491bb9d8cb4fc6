"""Training on two workers: the curve of a plain loop, the same curve after any kill, a model that loads."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from apollo_ray.errors import UserError
from apollo_ray.store import Store, step_directory
from apollo_ray.train.data import PackedRows, collate
from apollo_ray.train.loss import summed_loss, supervised_tokens
from apollo_ray.train.model import load_model, parameter_groups
from apollo_ray.train.schedule import learning_rate_factor

ROOT = Path(__file__).resolve().parents[2]
MINI = ROOT / "tests" / "configs" / "mini.yaml"
SLOW_ENOUGH_TO_KILL = ["small.epochs=4"]


@pytest.fixture(scope="module")
def trained() -> dict:
    """The first test's run, for the ones that compare with it."""
    return {}


def history(store: str, step) -> list[dict]:
    return [row for table in Store(store).tables(step.manifest) for row in table.to_pylist()]


def test_two_workers_follow_a_plain_loop_on_one(run_steps, local_store, trained) -> None:
    store = local_store
    steps = run_steps(store, ["small", *SLOW_ENOUGH_TO_KILL])
    trained |= {"store": store, "steps": steps}
    made = history(store, steps["small"])
    settings, mix = steps["small"].settings, steps["general-mix"].manifest
    assert mix is not None
    rows = PackedRows(Store(store), mix, settings.epochs)
    tokenizer = Path(store) / step_directory(mix.step, mix.fingerprint) / "tokenizer"
    torch.set_num_threads(2)
    model = load_model(None, settings.architecture, str(tokenizer), settings.seed)
    optimizer = torch.optim.AdamW(parameter_groups(model, settings.weight_decay), lr=settings.learning_rate)
    total = -(-len(rows) // settings.global_batch)
    assert len(made) == total
    for step in range(10):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * learning_rate_factor(step, total, settings.warmup, 0.0)
        batch = collate([rows.row(step * settings.global_batch + place) for place in range(settings.global_batch)])
        labels = batch.pop("labels")
        loss = summed_loss(model(**batch, use_cache=False).logits, labels) / supervised_tokens(labels)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        optimizer.step()
        optimizer.zero_grad()
        assert made[step]["supervised_tokens"] == supervised_tokens(labels)
        assert made[step]["loss"] == pytest.approx(float(loss.detach()), abs=2e-5)
        assert made[step]["gradient_norm"] == pytest.approx(float(norm), rel=1e-3)
        assert made[step]["learning_rate"] == pytest.approx(optimizer.param_groups[0]["lr"])


def test_the_export_is_the_model_that_was_trained(trained) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    step = trained["steps"]["small"]
    folder = Path(trained["store"]) / step_directory(step.name, step.fingerprint) / "model"
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    assert len(AutoTokenizer.from_pretrained(folder)) == model.config.vocab_size == 600
    mix = trained["steps"]["general-mix"].manifest
    rows = PackedRows(Store(trained["store"]), mix, 1)
    batch = collate([rows.row(place) for place in range(8)])
    labels = batch.pop("labels")
    with torch.no_grad():
        loss = float(summed_loss(model(**batch, use_cache=False).logits, labels)) / supervised_tokens(labels)
    first, last = history(trained["store"], step)[0]["loss"], history(trained["store"], step)[-1]["loss"]
    assert loss < last + 0.5 < first


def start_run(store: Path, words: list[str]) -> subprocess.Popen:
    command = [sys.executable, "-m", "apollo_ray.cli", "run", str(MINI), *words, f"store={store}"]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def checkpoint_published(store: Path) -> bool:
    """Whether a resumed run would find a checkpoint: its files alone are not enough."""
    return any(
        "step_0" in path.read_text() for path in store.glob("small/*/checkpoints/checkpoint_manager_snapshot.json")
    )


def wait_for(condition, process: subprocess.Popen, seconds: float = 150) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline, "nothing to kill in time"
        time.sleep(0.05)


def test_a_killed_run_resumes_and_ends_the_same(run_steps, cluster, tmp_path, trained, monkeypatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    shutil.copytree(trained["store"], tmp_path, ignore=shutil.ignore_patterns("small", "expert"), dirs_exist_ok=True)
    process = start_run(tmp_path, ["small", *SLOW_ENOUGH_TO_KILL])
    wait_for(lambda: checkpoint_published(tmp_path), process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not list(tmp_path.glob("small/*/manifest.json")), "killed too late"
    with pytest.raises(UserError, match=r"written by 2 workers.*run again with workers=2"):
        run_steps(str(tmp_path), ["small", *SLOW_ENOUGH_TO_KILL, "small.workers=1"])
    steps = run_steps(str(tmp_path), ["small", *SLOW_ENOUGH_TO_KILL])
    assert steps["small"].manifest.summary["resumed_from"] >= 4
    assert steps["small"].fingerprint == trained["steps"]["small"].fingerprint
    resumed, whole = history(str(tmp_path), steps["small"]), history(trained["store"], trained["steps"]["small"])
    assert [row["step"] for row in resumed] == [row["step"] for row in whole]
    for one, other in zip(resumed, whole, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], abs=1e-5)


def test_checkpoints_and_models_live_in_an_object_store(run_steps, cluster) -> None:
    steps = run_steps(f"{cluster.bucket}/same", ["small"])
    manifest = steps["small"].manifest
    assert any(entry.path == "model/model.safetensors" for entry in manifest.extra)
    folder = Store(f"{cluster.bucket}/same").fs.find(f"apollo/same/small/{manifest.fingerprint}/checkpoints")
    assert any("step_0000004" in name for name in folder)
