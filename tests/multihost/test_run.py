"""A run across hosts gives what one machine gives."""

import os
import subprocess
import sys

import pytest

from .cluster import ROOT, Cluster
from .rows import as_lines, rows_of, steps_of

MINI = ROOT / "tests" / "configs" / "mini.yaml"
STORE = "s3://apollo/starter"


@pytest.fixture(scope="session")
def one_machine(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The store of the same run by `apollo run`, with a Ray of its own."""
    store = str(tmp_path_factory.mktemp("one"))
    command = [sys.executable, "-m", "apollo_ray.cli", "run", str(MINI), f"store={store}"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return store


def test_a_run_across_hosts_has_the_rows_of_one_machine(one_machine: str, cluster: Cluster) -> None:
    seconds = cluster.submit(MINI, f"store={STORE}").succeed(280)
    print(f"\nthe run took {seconds:.0f} s on two worker hosts")
    made, expected = steps_of(MINI, f"store={STORE}"), steps_of(MINI, f"store={one_machine}")
    assert {name: step.fingerprint for name, step in made.items()} == {
        name: step.fingerprint for name, step in expected.items()
    }
    for name, step in made.items():
        assert step.manifest is not None
        assert step.manifest.counts == expected[name].manifest.counts, name
        rows, others = rows_of(STORE, step), rows_of(one_machine, expected[name])
        if step.stage == "train":
            assert [row["loss"] for row in rows] == pytest.approx([row["loss"] for row in others], abs=2e-5)
        elif step.stage in ("corpus", "rewrite", "mix", "tokenizer"):
            assert as_lines(rows) == as_lines(others), name
            assert as_lines(rows_of(STORE, step, "dropped")) == as_lines(
                rows_of(one_machine, expected[name], "dropped")
            )
