"""What nodes tell, judged: a fit cluster passes every check, and each fault is seen by its own check alone."""

from dataclasses import replace

import pytest

from apollo_ray.checks import Check
from apollo_ray.cluster_checks import Node, Reduced, judged

VERSIONS = {"python": "3.11.9", "ray": "2.60.0", "torch": "2.9.0", "apollo_ray": "0.1.0 (12345678)"}
FIT = Node(
    name="head:1", versions=VERSIONS, gpus_of_ray=2.0, gpus_of_torch=2, object_store=2**30, shared_memory=2**31,
    disk_place="/tmp/ray", disk_free=50 * 2**30, disk_bytes=100 * 2**30, token=True, interface="eth0 10.0.0.1",
)  # fmt: skip
WORKER = replace(FIT, name="worker:1", interface="eth0 10.0.0.2")
SUMS = Reduced([3.0, 3.0])


def checked(nodes, store="s3://bucket/run", reduced=SUMS) -> dict[str, Check]:
    return {check.name: check for check in judged(nodes, store, reduced)}


def test_a_fit_cluster_passes_every_check() -> None:
    found = checked([FIT, WORKER])
    assert all(check.passed for check in found.values()), found
    assert "eth0 10.0.0.1" in found["gloo"].found
    assert "eth0 10.0.0.2" in found["gloo"].found


@pytest.mark.parametrize(
    ("change", "name", "said"),
    [
        ({"versions": VERSIONS | {"python": "3.12.1"}}, "python", "3.12.1 on worker:1"),
        ({"versions": VERSIONS | {"ray": "2.61.0"}}, "ray", "2.60.0 on head:1"),
        ({"versions": VERSIONS | {"torch": "2.8.0"}}, "torch", "2.8.0 on worker:1"),
        ({"versions": VERSIONS | {"apollo_ray": "0.1.0 (87654321)"}}, "apollo_ray", "(87654321) on worker:1"),
        ({"token": False}, "token", "off on worker:1"),
        ({"gpus_of_torch": 1}, "GPUs", "worker:1: Ray counts 2, torch sees 1"),
        ({"gpus_of_torch": None}, "GPUs", "missing"),
        ({"skew_s": -3.0, "skew_error_s": 0.01}, "clocks", "worker:1: -3.0 s"),
        ({"disk_free": 4 * 2**30}, "disk", "4.0 of 100 GiB free at /tmp/ray"),
        ({"disk_free": 40 * 2**30, "disk_bytes": 1000 * 2**30}, "disk", "40.0 of 1000 GiB"),
        ({"shared_memory": 2**26}, "shared memory", "/dev/shm has 0.06 GiB"),
        ({"store": "NoCredentialsError"}, "store", "worker:1: NoCredentialsError"),
    ],
)
def test_each_fault_is_seen_by_its_check_alone(change, name, said) -> None:
    found = checked([FIT, replace(WORKER, **change)])
    failed = [check for check in found.values() if check.passed is False]
    assert [check.name for check in failed] == [name]
    assert said in failed[0].found
    assert failed[0].remedy


def test_a_package_that_is_missing_everywhere_is_no_agreement() -> None:
    missing = VERSIONS | {"torch": "none (No module named 'torch')"}
    found = checked([replace(FIT, versions=missing), replace(WORKER, versions=missing)])
    assert found["torch"].passed is False


def test_a_slow_answer_is_no_skew() -> None:
    assert checked([FIT, replace(WORKER, skew_s=3.0, skew_error_s=1.5)])["clocks"].passed


def test_a_node_that_does_not_answer_fails_and_the_others_are_judged() -> None:
    found = checked([FIT, Node("worker:1", problem="the raylet died")], reduced=None)
    assert found["nodes"].passed is False
    assert "worker:1: the raylet died" in found["nodes"].found
    assert found["ray"].passed
    assert list(checked([Node("worker:1", problem="gone")], reduced=None)) == ["nodes"]


@pytest.mark.parametrize(
    ("reduced", "said"),
    [
        (Reduced(error="Gloo connectFullMesh failed"), "connectFullMesh failed (head:1: eth0 10.0.0.1"),
        (Reduced([3.0, 1.0]), "a sum that is 3 came out as 3, 1"),
    ],
)
def test_a_network_that_does_not_carry_an_all_reduce_fails(reduced, said) -> None:
    check = checked([FIT, WORKER], reduced=reduced)["gloo"]
    assert check.passed is False
    assert said in check.found
    assert "GLOO_SOCKET_IFNAME" in check.remedy


def test_what_does_not_apply_is_skipped_with_words() -> None:
    found = checked([FIT], store=None, reduced=None)
    assert found["gloo"].passed is None
    assert found["store"].passed is None
    assert found["gloo"].found
    assert found["store"].found
