"""Jobs on a cluster with token authentication, as `ray job submit` and jobs/submit.py send them."""

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from ray.job_submission import JobSubmissionClient

from apollo_ray.store import Store

from .proxy import Proxy

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


def test_ctrl_c_stops_the_job_and_a_later_submit_starts_it_again(cluster, tmp_path) -> None:
    words = ["tests/configs/mini.yaml", "documents", f"store={tmp_path}", "--address", cluster.dashboard]
    submitter = subprocess.Popen(
        [sys.executable, "jobs/submit.py", *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert submitter.stdout is not None
    started = next(line for line in submitter.stdout if "]" in line and ": job " in line)
    submitter.send_signal(signal.SIGINT)
    out, err = submitter.communicate(timeout=120)
    identity = started.split()[-1]
    assert submitter.returncode == 130, out + err
    assert f"job {identity} has ended" in out
    assert err.strip().splitlines()[-1] == "interrupted; run the same command again to go on"
    assert "Traceback" not in err
    assert str(JobSubmissionClient(cluster.dashboard).get_job_status(identity)) == "STOPPED"
    assert not finished(tmp_path)
    again = run([sys.executable, "jobs/submit.py", *words, "--no-wait"])
    assert again.returncode == 0, again.stdout + again.stderr
    stem, attempt = identity.rsplit("-", 1)
    assert again.stdout.split()[-1] == f"{stem}-{int(attempt) + 1}"
    stop = run([sys.executable, "jobs/submit.py", *words, "--stop"])
    assert stop.returncode == 0, stop.stdout + stop.stderr
    told = run([sys.executable, "jobs/submit.py", *words, "--status"])
    assert re.search(f"documents .*: STOPPED since .*, job {again.stdout.split()[-1]}", told.stdout), told.stdout


def test_a_job_is_followed_through_a_network_that_breaks(cluster, tmp_path) -> None:
    """Started by one submitter, followed by another whose every few requests are cut: one job, each line once."""
    words = ["tests/configs/mini.yaml", "general", f"store={tmp_path}", "--address"]
    first = run([sys.executable, "jobs/submit.py", *words, cluster.dashboard, "--no-wait"])
    assert first.returncode == 0, first.stdout + first.stderr
    host, port = cluster.dashboard.removeprefix("http://").split(":")
    proxy = Proxy((host, int(port)))
    with proxy.cutting(every_bytes=1500):
        done = run([sys.executable, "jobs/submit.py", *words, f"http://127.0.0.1:{proxy.port}"])
    proxy.close()
    assert done.returncode == 0, done.stdout + done.stderr
    assert finished(tmp_path) == {"general"}
    assert proxy.cut > 0
    lines = [line for line in done.stdout.splitlines() if line.startswith("    ") and "general" in line]
    assert lines
    assert max(Counter(lines).values()) == 1
    assert "is there (" in done.stdout
    told = run([sys.executable, "jobs/submit.py", *words, cluster.dashboard, "--status"])
    assert "finished" in told.stdout
    jobs = JobSubmissionClient(cluster.dashboard).list_jobs()
    assert sum((job.metadata or {}).get("store") == str(tmp_path) for job in jobs) == 1
