"""`apollo doctor --cluster` on a real Ray: one node through the command line, two by what the nodes tell."""

import os
import subprocess
import sys

import pytest
import ray

from apollo_ray.cluster_checks import Reduced
from apollo_ray.cluster_doctor import ask
from apollo_ray.cluster_probe import Probe
from apollo_ray.store import Store

WORDS = [sys.executable, "-m", "apollo_ray.cli", "doctor", "--cluster"]


def doctor(*words: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*WORDS, *words], capture_output=True, text=True, timeout=180, check=False, env=os.environ | environment
    )


def test_a_cluster_of_one_node_is_found_fit(cluster, tmp_path) -> None:
    found = doctor("tests/configs/mini.yaml", f"store={cluster.bucket}/doctor", RAY_ADDRESS=cluster.address)
    assert found.returncode == 0, found.stdout + found.stderr
    for name in ("python", "ray", "torch", "apollo_ray", "token", "clocks", "disk", "shared memory", "store"):
        assert f"ok   {name}: " in found.stdout
    assert "skip gloo: there is one node" in found.stdout
    assert not Store(f"{cluster.bucket}/doctor").fs.glob(f"{cluster.bucket.removeprefix('s3://')}/doctor/.probe-*")


def test_an_address_is_needed_and_a_url_is_none() -> None:
    nowhere = doctor(RAY_ADDRESS="")
    assert nowhere.returncode == 2
    assert "RAY_ADDRESS" in nowhere.stderr
    assert doctor("http://127.0.0.1:1", RAY_ADDRESS="127.0.0.1:1").returncode == 2


def test_a_store_that_cannot_be_written_is_told_by_node(ray_session, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    ((node,), reduced) = ask(Store(str(tmp_path / "file" / "store")))
    assert node.problem is None
    assert node.store is not None
    assert "cannot write" in node.store
    assert reduced is None


def test_a_folder_of_the_same_name_is_not_the_same_store(tmp_path) -> None:
    there = Probe().store(str(tmp_path), ".probe-theirs", ".probe-mine")
    assert there is not None
    assert "another folder of the same name" in there


@pytest.mark.timeout(60)
def test_probes_reduce_over_gloo_and_say_where_they_meet(ray_session) -> None:
    """Two processes of this node stand for two nodes."""
    probes = [ray.remote(num_cpus=0)(Probe).remote() for _ in range(2)]
    try:
        address = ray.get(probes[0].rendezvous.remote())
        sums = ray.get([probe.all_reduce.remote(address, rank, 2, 30) for rank, probe in enumerate(probes)])
        assert Reduced(sums) == Reduced([3.0, 3.0])
        assert ray.get(probes[0].interface.remote()) == Probe().interface()
    finally:
        for probe in probes:
            ray.kill(probe)
