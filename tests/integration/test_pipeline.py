"""Data stages on Ray: nothing is lost, any store gives the same, and a run goes on where it was killed."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from apollo_ray.planning import PlannedStep
from apollo_ray.records import CONVERSATION, DOCUMENT, DROPPED, PACKED_SEQUENCE
from apollo_ray.store import Store, step_directory

REAL = Path(__file__).resolve().parents[1] / "configs" / "real.yaml"
DATA_STEPS = ["medical-mix", "general-mix"]  # and what they need


def rows_of(store: str, step: PlannedStep, group: str = "data") -> list[dict]:
    manifest, opened = step.manifest, Store(store)
    assert manifest is not None
    directory = step_directory(step.name, step.fingerprint)
    return [row for entry in getattr(manifest, group) for row in opened.read_table(directory, entry).to_pylist()]


def assert_nothing_lost(store: str, steps: dict[str, PlannedStep]) -> None:
    for step in steps.values():
        assert step.manifest is not None
        counts = step.manifest.counts
        assert counts.read == counts.kept + sum(counts.dropped.values())
        dropped = rows_of(store, step, "dropped")
        assert Counter(row["reason"] for row in dropped) == counts.dropped
        if step.stage in ("corpus", "rewrite"):
            assert step.manifest.rows == counts.kept


def canonical(rows: list[dict]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True, default=str) for row in rows)


@pytest.fixture(scope="module")
def finished() -> dict[str, Any]:
    """The local store of the first test, for the ones that compare with it."""
    return {}


def test_every_row_is_kept_or_dropped_with_a_reason(run_steps, local_store, finished) -> None:
    store = local_store
    steps = run_steps(store, DATA_STEPS)
    finished |= {"store": store, "steps": steps}
    assert_nothing_lost(store, steps)
    documents = rows_of(store, steps["documents"])
    assert {row["lang"] for row in documents} == {"en", "es"}
    counts = steps["documents"].manifest.counts
    assert pa.Table.from_pylist(documents, DOCUMENT).num_rows == counts.kept >= 50
    assert {"exact_duplicate": 2, "other_language": 1, "too_short": 2}.items() <= counts.dropped.items()
    assert not [row for row in documents if "<p>" in row["text"] or "Ã" in row["text"] or "@example" in row["text"]]
    assert any("<18.5" in row["text"] for row in documents)
    pairs = rows_of(store, steps["qa"])
    assert {row["document"] for row in pairs} == {row["id"] for row in documents}
    assert set(pairs[0]) == set(CONVERSATION.names)
    assert set(rows_of(store, steps["documents"], "dropped")[0]) == set(DROPPED.names)
    sequences = rows_of(store, steps["medical-mix"])
    assert [row["row"] for row in sequences] == list(range(len(sequences)))
    assert set(sequences[0]) == set(PACKED_SEQUENCE.names)


def test_a_second_run_does_nothing(run_steps, finished) -> None:
    before = sorted(Path(finished["store"]).rglob("*"))
    again = run_steps(finished["store"], DATA_STEPS)
    assert sorted(Path(finished["store"]).rglob("*")) == before
    assert all(again[name].manifest == step.manifest for name, step in finished["steps"].items())


def test_an_object_store_gives_the_same_fingerprints_and_rows(run_steps, cluster, finished) -> None:
    store = f"{cluster.bucket}/same"
    steps = run_steps(store, DATA_STEPS)
    assert_nothing_lost(store, steps)
    for name, step in steps.items():
        local = finished["steps"][name]
        assert step.fingerprint == local.fingerprint
        assert canonical(rows_of(store, step)) == canonical(rows_of(finished["store"], local))
        assert step.manifest.summary == local.manifest.summary


def test_how_to_run_changes_no_row(run_steps, tmp_path, finished) -> None:
    words = [*DATA_STEPS, "documents.bytes_per_task=3000", "medical-mix.sequences_per_part=5"]
    steps = run_steps(str(tmp_path), words)
    for name, step in steps.items():
        local = finished["steps"][name]
        assert step.fingerprint == local.fingerprint
        assert rows_of(str(tmp_path), step) == rows_of(finished["store"], local)
    assert len(steps["medical-mix"].manifest.data) > 1


def test_bad_files_become_rows_with_reasons(run_steps, tmp_path, finished) -> None:
    good = (Path(__file__).parents[2] / "apollo_ray/starter/documents/en.jsonl").read_bytes()
    lines = good.splitlines(keepends=True)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "cut.jsonl").write_bytes(b"".join(lines[:3]) + lines[3][:100])
    (tmp_path / "in" / "broken.parquet").write_bytes(b"PAR1 this is no Parquet file")
    (tmp_path / "in" / "list.json").write_text(
        json.dumps([json.loads(lines[4])["text"], json.loads(lines[5])["text"]])[:-9]
    )
    config = tmp_path / "run.yaml"
    config.write_text(
        f"run: bad\nstore: x\nsteps: {{documents: {{stage: corpus, sources: [{{name: a, path: {tmp_path}/in}}]}}}}\n"
    )
    steps = run_steps(str(tmp_path / "store"), file=config)
    assert steps["documents"].manifest.counts.kept == 4
    dropped = rows_of(str(tmp_path / "store"), steps["documents"], "dropped")
    found = {(Path(row["uri"]).name, row["position"], row["reason"]) for row in dropped}
    assert found == {
        ("cut.jsonl", 3, "not_json"),
        ("broken.parquet", 0, "unreadable_file"),
        ("list.json", 1, "unreadable_file"),
    }


def test_real_text_goes_through(run_steps, tmp_path, shared_data) -> None:
    store = str(tmp_path / "store")
    words = [
        f"documents.sources.0.path={shared_data}/starter/raw_*.jsonl",
        f"instructions.sources.0.path={shared_data}/starter/qa_*.jsonl",
    ]
    steps = run_steps(store, ["qa", "raw-mix", "medical-mix", *words], file=REAL)
    assert_nothing_lost(store, steps)
    files = {
        name: sum(1 for _ in path.open("rb"))
        for name, path in ((path.name, path) for path in sorted((shared_data / "starter").glob("*.jsonl")))
    }
    assert steps["documents"].manifest.counts.read == sum(n for name, n in files.items() if name.startswith("raw_"))
    assert steps["instructions"].manifest.counts.read == sum(n for name, n in files.items() if name.startswith("qa_"))
    assert steps["medical-mix"].manifest.summary["padding"] < 0.01
    assert {"en", "zh", "hi", "es", "fr", "ar"} <= set(steps["documents"].manifest.summary["by_language"])
