"""Jobs on a cluster with token authentication, as `ray job submit` and jobs/submit.py send them."""

import os
import subprocess
import sys
from pathlib import Path

from apollo_ray.store import Store

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


def run(command: list[str]) -> subprocess.CompletedProcess:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False, env=os.environ)


def finished(store: Path) -> set[str]:
    return {path.parts[-3] for path in store.glob("*/*/manifest.json")}


def test_ray_job_submit_runs_a_stage(cluster, tmp_path) -> None:
    job = [str(BIN / "ray"), "job", "submit", "--address", cluster.dashboard, "--working-dir", ".", "--"]
    done = run([*job, "python", "jobs/corpus.py", "jobs/configs/starter.yaml", "general", f"store={tmp_path}"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert finished(tmp_path) == {"general"}


def test_submit_sends_what_is_not_finished(cluster, tmp_path) -> None:
    submit = [sys.executable, "jobs/submit.py", "tests/configs/mini.yaml", "--address", cluster.dashboard]
    words = ["tokenizer", f"store={tmp_path}"]
    done = run([*submit, *words])
    assert done.returncode == 0, done.stdout + done.stderr
    assert finished(tmp_path) == {"documents", "general", "tokenizer"}
    assert set(Store(str(tmp_path)).pointers("mini")) == {"documents", "general", "tokenizer"}
    again = run([*submit, *words])
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("finished before") == 3


def test_a_job_that_fails_by_the_users_mistake_exits_with_2(cluster, tmp_path) -> None:
    (tmp_path / "short.jsonl").write_text('{"text": "too short"}\n')
    submit = [sys.executable, "jobs/submit.py", "tests/configs/mini.yaml", "--address", cluster.dashboard]
    source = f"documents.sources=[{{name: a, path: {tmp_path}/short.jsonl}}]"
    done = run([*submit, "documents", source, f"store={tmp_path}/store"])
    assert done.returncode == 2, done.stdout + done.stderr
    assert "the corpus is empty" in done.stdout
    nowhere = run([sys.executable, "jobs/submit.py", "tests/configs/mini.yaml", "--address", "http://127.0.0.1:9"])
    assert nowhere.returncode == 75
    assert "127.0.0.1:9" in nowhere.stderr
