"""A run read back from its store alone."""

from pathlib import Path

import pyarrow as pa
import pytest

from apollo_ray.errors import UserError
from apollo_ray.finished import read_run
from apollo_ray.store import Counts, Manifest, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(str(tmp_path))
    data = [
        store.write_table("documents/f1/data", pa.table({"text": [f"{part}{n}" for n in range(2)]})) for part in "ab"
    ]
    dropped = [store.write_table("documents/f1/dropped", pa.table({"reason": ["too_short"]}))]
    counts = Counts("row", 5, 4, {"too_short": 1})
    inputs = {"documents": "f1", "starter://x": "digest"}
    store.finish(Manifest("documents", "corpus", "f1", {}, {}, counts, data, dropped, [], {}, {}, "", ""))
    store.finish(Manifest("qa", "rewrite", "f2", {}, inputs, Counts("passage", 0, 0), [], [], [], {}, {}, "", ""))
    store.write_pointers("first", {"documents": "f1", "qa": "f2", "lost": "f3"})
    return store


def test_rows_and_refused_rows_come_in_the_manifests_order(store: Store) -> None:
    run = read_run(store.uri)
    assert [row["text"] for row in run.rows("documents")] == ["a0", "a1", "b0", "b1"]
    assert [row["text"] for row in run.rows("documents", 3)] == ["a0", "a1", "b0"]
    assert run.dropped("documents") == [{"reason": "too_short"}]
    assert run.of_stage("rewrite") == ["qa"]
    assert (run.name, run.step("documents").counts.kept) == ("first", 4)


def test_its_report_knows_what_needs_what(store: Store) -> None:
    steps = {step.name: step for step in read_run(store.uri).report.steps}
    assert steps["qa"].needs == ("documents",)
    assert steps["documents"].dropped == 1
    assert "lost" not in steps, "a pointer to what has gone is no step"


def test_a_step_that_is_not_there_is_named_with_those_that_are(store: Store) -> None:
    with pytest.raises(UserError, match="no finished step 'mix'; it has: documents, qa"):
        read_run(store.uri).rows("mix")


def test_of_several_runs_one_is_named(store: Store) -> None:
    store.write_pointers("second", {})
    with pytest.raises(UserError, match=r"name one of its runs \(first, second\)"):
        read_run(store.uri)
    assert read_run(store.uri, "first").of_stage("corpus") == ["documents"]


def test_a_store_without_a_run_says_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="apollo run makes one"):
        read_run(str(tmp_path / "empty"))
