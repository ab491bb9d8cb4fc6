"""`apollo doctor --cluster` on three hosts: fit, and two that do not reach each other."""

from collections.abc import Iterator

import pytest

from .cluster import Cluster
from .rows import FAULTS, objects

CHECKS = ("nodes", "python", "ray", "torch", "apollo_ray", "token", "GPUs", "clocks", "disk", "shared memory")


def doctor(cluster: Cluster, *words: str) -> tuple[int, dict[str, str]]:
    """Its exit status, and what it found by check with its mark."""
    found = cluster.drive("-m", "apollo_ray.cli", "doctor", "--cluster", *words)
    code = found.end()
    checks: dict[str, str] = {}
    for line in found.text.splitlines():
        mark, _, rest = line.partition(" ")
        if mark in ("ok", "FAIL", "skip") and ":" in rest:
            name, _, told = rest.strip().partition(": ")
            checks[name] = f"{mark} {told}"
        elif checks:  # a long line goes on in the next
            checks[list(checks)[-1]] += f" {line.strip()}"
    return code, checks


def test_three_hosts_are_found_fit(cluster: Cluster) -> None:
    code, found = doctor(cluster, str(FAULTS), "store=s3://apollo/doctor")
    assert code == 0, found
    assert set(found) >= {*CHECKS, "store", "gloo"}
    assert [name for name, told in found.items() if not told.startswith("ok ")] == []
    assert "3 answered" in found["nodes"]
    for host in (cluster.head, *cluster.workers):
        assert f"{host.ip}:" in found["gloo"]
        assert "eth0" in found["gloo"]
    assert objects("doctor/") == [], "the probes' files are gone"


@pytest.fixture
def parted(cluster: Cluster) -> Iterator[Cluster]:
    """The two workers reach the head, and not each other."""
    one, two = cluster.workers
    one.run(["ip", "route", "add", "blackhole", two.ip])
    two.run(["ip", "route", "add", "blackhole", one.ip])
    yield cluster
    for host, other in ((one, two), (two, one)):
        if host.is_on:
            host.run(["ip", "route", "del", "blackhole", other.ip])


def test_hosts_that_do_not_reach_each_other_are_told(parted: Cluster) -> None:
    code, found = doctor(parted)
    assert code == 2, found
    assert [name for name, told in found.items() if told.startswith("FAIL")] == ["gloo"]
    assert "GLOO_SOCKET_IFNAME" in found["gloo"]
