"""No secret is in what a run leaves behind: the store, the report, what was printed, Ray's logs, jobs and environments."""

import gzip
import io
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ray.job_submission import JobSubmissionClient
from ray.util.state import list_actors, list_runtime_envs, list_workers

from apollo_ray.config import load_config
from apollo_ray.errors import UserError
from apollo_ray.planning import plan
from apollo_ray.store import Store

ROOT = Path(__file__).resolve().parents[2]
MINI = "tests/configs/mini.yaml"
LLM_KEY = "SCRIPTED_LLM_KEY"


def plain(name: str, data: bytes) -> bytes:
    """What a file says, its compression undone."""
    if name.endswith(".parquet"):
        return repr(pq.read_table(io.BytesIO(data)).to_pylist()).encode()
    if name.endswith(".arrow"):
        return repr(pa.ipc.open_file(data).read_all().to_pylist()).encode()
    return gzip.decompress(data) if name.endswith(".gz") else data


def told(pieces: Iterator[tuple[str, bytes]], values: dict[str, str]) -> list[str]:
    """`NAME in PIECE` for every secret that a piece gives away."""
    return [f"{name} in {piece}" for piece, data in pieces for name, value in values.items() if value.encode() in data]


def stored(store: str) -> Iterator[tuple[str, bytes]]:
    opened = Store(store)
    for path in opened.fs.find(opened.path()):
        yield path, plain(path, opened.fs.cat_file(path))


def session_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """All that Ray's processes wrote, except the archives of working directories."""
    for path in folder.rglob("*"):
        if path.is_file() and "_ray_pkg_" not in str(path):
            yield str(path), path.read_bytes()


def command_lines() -> Iterator[tuple[str, bytes]]:
    """Any user of a host can read them."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield str(path), path.read_bytes()
        except OSError:  # it has ended
            continue


def ray_records(dashboard: str) -> Iterator[tuple[str, bytes]]:
    """What the dashboard shows to whoever may see it."""
    jobs = JobSubmissionClient(dashboard).list_jobs()
    assert jobs
    yield "jobs", repr([job.model_dump() for job in jobs]).encode()
    for job in jobs:
        if job.submission_id:
            yield "logs of a job", JobSubmissionClient(dashboard).get_job_logs(job.submission_id).encode()
    for ask in (list_runtime_envs, list_actors, list_workers):
        found: list[Any] = ask(address=dashboard, detail=True, limit=1000, raise_on_missing_output=False)
        yield ask.__name__, repr(found).encode()


def run(*command: str, **environment: str) -> str:
    """Output of a command that must end well."""
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=150
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_what_a_run_leaves_behind_tells_no_secret(cluster: Any, scripted_openai: Callable[..., Any]) -> None:
    given = {LLM_KEY: f"sk-{secrets.token_hex(20)}", "APOLLO_API_KEY": secrets.token_hex(20)}
    values = given | {name: os.environ[name] for name in ("AWS_SECRET_ACCESS_KEY", "RAY_AUTH_TOKEN")}
    assert all(len(value) >= 40 for value in values.values())
    scripted, store = scripted_openai(), f"{cluster.bucket}/secrets"
    llm = {"kind": "openai", "model": "m", "base_url": scripted.address, "key": LLM_KEY, "timeout_s": 3}
    words = [
        f"store={store}",
        f"qa.engine={json.dumps(llm)}",
        f"scores.endpoint={scripted.address}",
        "scores.models=[m]",
    ]
    words.append("documents.sources=[{name: few, path: starter://documents/es.jsonl}]")
    words.append("scores.benchmarks=[{name: ask, path: starter://eval/ask.jsonl, task: ask}]")
    said = run("jobs/submit.py", MINI, "documents", *words, "--address", cluster.dashboard, **given)
    said += run("-m", "apollo_ray.cli", "run", MINI, "qa", "scores", *words, **given, RAY_ADDRESS=cluster.address)
    assert scripted.server.keys == set(given.values()), "a key was never used"
    reports = [name for name, _ in stored(store) if name.endswith(".html")]
    assert len(reports) == 1
    assert not told(iter([("output", said.encode())]), values)
    assert not told(stored(store), values)
    assert not told(session_files(cluster.folder), values)
    assert not told(ray_records(cluster.dashboard), values)
    assert not told(command_lines(), values)


def test_a_key_in_the_place_of_its_name_is_refused_and_not_repeated() -> None:
    engine = json.dumps({"kind": "openai", "model": "m", "key": "sk-0123456789abcdef"})
    with pytest.raises(UserError, match="key: expected the name of an environment variable") as refusal:
        plan(load_config(ROOT / MINI, [f"qa.engine={engine}"]), ["qa"])
    assert "0123456789" not in str(refusal.value)


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl.gz", ".log"])
def test_a_planted_secret_is_found(suffix: str, tmp_path: Path) -> None:
    value = secrets.token_hex(20)
    file = tmp_path / f"planted{suffix}"
    with fsspec.open(str(file), "wb", compression="infer") as opened:
        if suffix == ".parquet":
            pq.write_table(pa.table({"text": [f"before {value} after"] * 9}), opened, compression="zstd")
        else:
            opened.write(b"before " + value.encode() + b" after")
    assert told(stored(str(tmp_path)), {"KEY": value}) == [f"KEY in {file}"]
    assert not told(stored(str(tmp_path)), {"KEY": value[::-1]})
