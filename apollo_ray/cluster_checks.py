"""What the nodes of a cluster told of themselves, judged: is it fit for a run? Pure."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from apollo_ray.checks import FREE_GIB_NEEDED, Check

MOST_SKEW_S = 2.0  # of clocks; logs and manifests of several nodes are put in order by them, S3 refuses from 15 minutes
FULLEST_DISK = 0.95  # Ray places no objects on a disk that is fuller
VERSIONS = ("python", "ray", "torch", "apollo_ray")


@dataclass(frozen=True)
class Node:
    """One node of a cluster. `problem`: why it told nothing else, or None; sizes in bytes, times in seconds.

    `skew_s`: its clock less the driver's, right to within `skew_error_s`. `store`: what is wrong with the store there;
    None where nothing is, or where no store was given.
    """

    name: str
    problem: str | None = None
    versions: dict[str, str] | None = None
    gpus_of_ray: float = 0.0
    gpus_of_torch: int | None = 0
    object_store: float = 0.0
    shared_memory: int | None = None
    disk_place: str = ""
    disk_free: int = 0
    disk_bytes: int = 1
    token: bool = False
    skew_s: float = 0.0
    skew_error_s: float = 0.0
    store: str | None = None
    interface: str = ""


@dataclass(frozen=True)
class Reduced:
    """An all-reduce between nodes: what each got, or the first error."""

    sums: Sequence[float] = ()
    error: str | None = None


def judged(nodes: Sequence[Node], store: str | None, reduced: Reduced | None) -> Iterator[Check]:
    """One check at a time. `store` is None without a run's file, `reduced` where there is only one node."""
    lost = [f"{node.name}: {node.problem}" for node in nodes if node.problem]
    yield _check("nodes", lost, f"{len(nodes)} answered", "see `ray list nodes` and the raylet's log there")
    nodes = [node for node in nodes if not node.problem]
    if not nodes:
        return
    for package in VERSIONS:
        yield _version(package, nodes)
    yield _token(nodes)
    yield _gpus(nodes)
    yield _clocks(nodes)
    yield _disk(nodes)
    yield _shared_memory(nodes)
    yield _store(nodes, store)
    yield _network(nodes, reduced)


def _check(name: str, wrong: list[str], found: str, remedy: str) -> Check:
    return Check(name, not wrong, "; ".join(wrong) or found, remedy)


def _version(package: str, nodes: Sequence[Node]) -> Check:
    places = defaultdict(list)
    for node in nodes:
        places[(node.versions or {}).get(package, "none")].append(node.name)
    if len(places) == 1 and not next(iter(places)).startswith("none"):
        return Check(package, True, f"{next(iter(places))} on all nodes")
    told = "; ".join(f"{version} on {', '.join(names)}" for version, names in places.items())
    return Check(package, False, told, f"give all nodes one image with one version of {package}")


def _token(nodes: Sequence[Node]) -> Check:
    open_ones = [node.name for node in nodes if not node.token]
    wrong = [f"off on {', '.join(open_ones)}: whoever reaches its ports may run code"] if open_ones else []
    return _check("token", wrong, "asked for on all nodes", "set RAY_AUTH_MODE=token and one token on every node")


def _gpus(nodes: Sequence[Node]) -> Check:
    wrong = [
        f"{node.name}: Ray counts {node.gpus_of_ray:g}, torch sees "
        + ("none, for it is missing" if node.gpus_of_torch is None else str(node.gpus_of_torch))
        for node in nodes
        if node.gpus_of_ray != (node.gpus_of_torch or 0)
    ]
    total = sum(node.gpus_of_ray for node in nodes)
    found = f"{total:g}, as many as torch sees" if total else "none: everything runs on CPU"
    return _check("GPUs", wrong, found, "look at the driver (nvidia-smi), the image and `ray start --num-gpus`")


def _clocks(nodes: Sequence[Node]) -> Check:
    wrong = [
        f"{node.name}: {node.skew_s:+.1f} s"
        for node in nodes
        if abs(node.skew_s) - node.skew_error_s > MOST_SKEW_S  # what a slow answer could explain is no skew
    ]
    widest = max(abs(node.skew_s) + node.skew_error_s for node in nodes)
    return _check("clocks", wrong, f"within {widest:.2f} s of this process's", "run an NTP client on that node")


def _disk(nodes: Sequence[Node]) -> Check:
    wrong = [
        f"{node.name}: {node.disk_free / 2**30:.1f} of {node.disk_bytes / 2**30:.0f} GiB free at {node.disk_place}"
        for node in nodes
        if node.disk_free < FREE_GIB_NEEDED * 2**30 or node.disk_free < (1 - FULLEST_DISK) * node.disk_bytes
    ]
    least = min(node.disk_free for node in nodes) / 2**30
    return _check(
        "disk", wrong, f"at least {least:.0f} GiB free for Ray's files", "free some space, or `ray start --temp-dir`"
    )


def _shared_memory(nodes: Sequence[Node]) -> Check:
    wrong = [
        f"{node.name}: /dev/shm has {node.shared_memory / 2**30:.2f} GiB, "
        f"Ray's objects may take {node.object_store / 2**30:.2f}"
        for node in nodes
        if node.shared_memory is not None and node.shared_memory < node.object_store
    ]
    found = "room for Ray's objects on all nodes"
    return _check("shared memory", wrong, found, "give the container more (docker --shm-size), or objects go to disk")


def _store(nodes: Sequence[Node], store: str | None) -> Check:
    if store is None:
        return Check("store", None, "give a run's FILE to check its store")
    wrong = [f"{node.name}: {node.store}" for node in nodes if node.store]
    remedy = "give an address that every node sees, and the credentials in every node's environment"
    return _check("store", wrong, f"{store} is written and read by all nodes", remedy)


def _network(nodes: Sequence[Node], reduced: Reduced | None) -> Check:
    if reduced is None:
        return Check("gloo", None, "there is one node: nothing to reduce over")
    interfaces = ", ".join(f"{node.name}: {node.interface}" for node in nodes)
    expected = len(nodes) * (len(nodes) + 1) / 2
    wrong = []
    if reduced.error:
        wrong = [f"{reduced.error} ({interfaces})"]
    elif list(reduced.sums) != [expected] * len(nodes):
        wrong = [f"a sum that is {expected:g} came out as {', '.join(f'{value:g}' for value in reduced.sums)}"]
    remedy = (
        "let each hostname resolve to the address that the nodes share, or name its interface in GLOO_SOCKET_IFNAME "
        "and NCCL_SOCKET_IFNAME, and open all ports between nodes"
    )
    return _check("gloo", wrong, f"all nodes reduce with each other ({interfaces})", remedy)
