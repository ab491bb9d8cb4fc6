"""The corpus on Ray: the same bytes whoever works, in whatever order; and nothing done twice after a kill."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from apollo_ray.config import load_config
from apollo_ray.corpus import sources
from apollo_ray.corpus.sources import format_of
from apollo_ray.planning import plan
from apollo_ray.store import Store, open_fs, step_directory

STARTER = sorted((Path(__file__).parents[2] / "apollo_ray" / "starter" / "documents").glob("*.jsonl"))
EXAM = "starter://eval/choice_*.jsonl"
PACK = 20_000  # bytes: some twenty packs


def config_file(folder: Path, paths: list[Path], **changes: object) -> Path:
    sources = [{"name": path.stem, "path": str(path), "kind": "encyclopedia"} for path in paths]
    step = {
        "stage": "corpus",
        "sources": sources,
        "bytes_per_task": PACK,
        "decontaminate": {"benchmarks": [{"name": "exam", "path": EXAM}]},
    }
    file = folder / "run.yaml"
    file.write_text(json.dumps({"run": "r", "store": str(folder / "store"), "steps": {"corpus": step | changes}}))
    return file


RUN = """
import os, sys
os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "x" * 64, "RAY_DATA_DISABLE_PROGRESS_BARS": "1"}
import ray
ray.init(address="local", num_cpus=int(sys.argv[2]), include_dashboard=False, log_to_driver=False, logging_level="ERROR",
         object_store_memory=200 * 2**20)
from apollo_ray.config import load_config
from apollo_ray.planning import plan
from apollo_ray.run import execute
from apollo_ray.session import connect
config = load_config(sys.argv[1])
execute(config, plan(config), lambda text: None, lambda: connect(print))
"""


def own_ray(file: Path, workers: int) -> list[str]:
    return [sys.executable, "-c", RUN, str(file), str(workers)]


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".jsonl.zst", ".json", ".parquet", ".txt"])
def test_a_file_in_a_bucket_is_read_as_one_on_disk(suffix: str, s3_bucket: str, tmp_path: Path) -> None:
    """In chunks of 10 kB; the readers of objects lack what those of files have."""
    texts = [json.loads(line)["text"] for line in STARTER[0].read_text().splitlines()]
    local, remote = f"{tmp_path}/texts{suffix}", f"{s3_bucket}/texts{suffix}"
    with fsspec.open(local, "wb", compression="infer") as file:
        if suffix == ".parquet":
            pq.write_table(pa.table({"text": texts}), file)
        else:
            rows = [json.dumps({"text": text}) for text in texts]
            text = {".json": json.dumps(texts), ".txt": texts[0]}.get(suffix, "\n".join(rows))
            file.write(text.encode())
    fsspec.filesystem("s3").put(local, remote)

    def read(uri: str) -> list[bytes]:
        filesystem, path = open_fs(uri)
        with sources.open_file(filesystem, path) as opened:
            return [chunk.payload for chunk in sources.read_chunks(opened, uri, format_of(uri, "document"), 10_000)]

    assert read(remote) == read(local) != []


def parts(file: Path) -> dict[str, list[str]]:
    """sha256 of every part in order."""
    (step,) = plan(load_config(file))
    assert step.manifest is not None
    return {group: [entry.sha256 for entry in getattr(step.manifest, group)] for group in ("data", "dropped", "extra")}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Parts that one worker writes."""
    file = config_file(tmp_path_factory.mktemp("one"), STARTER)
    subprocess.run(own_ray(file, 1), check=True, timeout=200)
    return parts(file)


def test_four_workers_write_the_bytes_of_one(expected: dict[str, list[str]], tmp_path: Path) -> None:
    file = config_file(tmp_path, STARTER)
    subprocess.run(own_ray(file, 4), check=True, timeout=200)
    assert parts(file) == expected


def test_two_workers_and_files_in_another_order_write_the_same_bytes(run_steps, expected, tmp_path: Path) -> None:
    file = config_file(tmp_path, list(reversed(STARTER)))
    steps = run_steps(str(tmp_path / "store"), file=file)
    assert parts(file) == expected
    manifest = steps["corpus"].manifest
    assert manifest.counts.read == manifest.counts.kept + sum(manifest.counts.dropped.values())
    assert manifest.counts.dropped["exact_duplicate"] == 6
    assert manifest.counts.dropped["near_duplicate"] > 0
    assert not (Path(str(tmp_path)) / "store" / step_directory("corpus", manifest.fingerprint) / "work").exists()


def test_many_rows_find_their_copies_by_a_shuffle(run_steps, expected, tmp_path: Path) -> None:
    file = config_file(tmp_path, STARTER, rows_on_driver=0)
    run_steps(str(tmp_path / "store"), file=file)
    assert parts(file) == expected


def test_packs_of_another_size_hold_the_same_rows(run_steps, expected, tmp_path: Path) -> None:
    found = []
    for size in (1_000, 50_000_000):
        file = config_file(tmp_path, STARTER, bytes_per_task=size)
        step = run_steps(str(tmp_path / f"store-{size}"), [f"store={tmp_path}/store-{size}"], file=file)["corpus"]
        rows = [
            row for table in Store(str(tmp_path / f"store-{size}")).tables(step.manifest) for row in table.to_pylist()
        ]
        found.append(([json.dumps(row, default=str) for row in rows], step.fingerprint, step.manifest.summary))
    assert found[0] == found[1]


def test_a_killed_run_goes_on_with_the_packs_that_are_missing(expected: dict[str, list[str]], tmp_path: Path) -> None:
    file = config_file(tmp_path, STARTER)
    process = subprocess.Popen(own_ray(file, 2), start_new_session=True)
    work: list[Path] = []
    deadline = time.monotonic() + 150
    while len(work) < 5 and time.monotonic() < deadline:
        assert process.poll() is None, "it ended before it could be killed"
        work = list(tmp_path.glob("store/corpus/*/work/*.parquet"))
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    work = list(tmp_path.glob("store/corpus/*/work/*.parquet"))
    assert not list(tmp_path.glob("store/corpus/*/manifest.json"))
    marks = {path.name: path.stat().st_mtime_ns for path in work}
    script = RUN.replace(
        "execute(config",
        "import apollo_ray.corpus.stage as stage\nstage._remove_work = lambda context: None\nexecute(config",
    )
    subprocess.run([sys.executable, "-c", script, str(file), "2"], check=True, timeout=200)
    assert parts(file) == expected
    after = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("store/corpus/*/work/*.parquet")}
    assert len(after) > len(marks)
    assert {name: after[name] for name in marks} == marks, "what was there was not made again"


def test_a_leak_is_dropped_and_listed(run_steps, tmp_path: Path) -> None:
    exam = [
        json.loads(line) for path in sorted(STARTER[0].parents[1].glob("eval/choice_*.jsonl")) for line in path.open()
    ]
    long = [row for row in exam if len(row["question"]) > 70][:10]
    assert len(long) == 10
    filler = [json.loads(line)["text"] for line in STARTER[1].open()][: len(long)]
    rows = [{"text": f"{text} {row['question']}"} for text, row in zip(filler, long, strict=False)]
    rows += [{"text": text} for text in itertools.islice(filler, 3)]
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, rows)))
    file = config_file(tmp_path, [tmp_path / "in.jsonl"], duplicates="keep", language={"mixed": "keep", "min_score": 0})
    step = run_steps(str(tmp_path / "store"), file=file)["corpus"]
    assert step.manifest.counts.dropped["leak_consecutive_64"] == len(long)
    (entry,) = step.manifest.extra
    ledger = Store(str(tmp_path / "store")).read_table(step_directory("corpus", step.fingerprint), entry)
    assert ledger.num_rows >= len(long)
    assert step.manifest.summary["leaks"]["exam"]["consecutive_64"] == ledger.num_rows
