"""`apollo doctor --cluster`: a probe on each node of the Ray that is connected, and what they tell."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from apollo_ray import cluster_probe
from apollo_ray.cluster_checks import Node, Reduced
from apollo_ray.store import Store

NODE_S = 120.0  # for a node to start a process and import torch
REDUCE_S = 60.0


def ask(store: Store | None) -> tuple[list[Node], Reduced | None]:
    """What each node tells, and how they reduced over each other where there are several. Ray must be initialised."""
    ray.cloudpickle.register_pickle_by_value(cluster_probe)
    try:
        found = [node for node in ray.nodes() if node["Alive"]]
        probes = [_probe(node["NodeID"]) for node in found]
    finally:
        ray.cloudpickle.unregister_pickle_by_value(cluster_probe)
    try:
        with ThreadPoolExecutor(len(found)) as pool:
            nodes = list(pool.map(_told, found, probes))
        alive = [index for index, node in enumerate(nodes) if not node.problem]
        if store is not None:
            for index, problem in _stored(store, {index: probes[index] for index in alive}).items():
                nodes[index] = replace(nodes[index], store=problem)
        reduced = _reduced([probes[index] for index in alive]) if len(alive) > 1 else None
        return nodes, reduced
    finally:
        for probe in probes:
            ray.kill(probe)


def _probe(node_id: str) -> Any:
    """On that node and no other, a head without CPUs included; it sees the GPUs though it asks for none."""
    here = NodeAffinitySchedulingStrategy(node_id, soft=False)
    variables = {"RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES": "1"}
    actor = ray.remote(num_cpus=0, scheduling_strategy=here, runtime_env={"env_vars": variables})(cluster_probe.Probe)
    return actor.remote()


def _told(found: dict[str, Any], probe: Any) -> Node:
    name = f"{found['NodeManagerAddress']}:{found['NodeManagerPort']}"
    try:
        facts = ray.get(probe.facts.remote(), timeout=NODE_S)
        skew, error = _skew(probe)
        interface = ray.get(probe.interface.remote(), timeout=NODE_S)
    except Exception as problem:  # Ray's, or whatever this node's Python raised
        return Node(name, problem=_short(problem))
    resources = found["Resources"]
    return Node(
        name=name,
        versions=facts["versions"],
        gpus_of_ray=resources.get("GPU", 0.0),
        gpus_of_torch=facts["gpus"],
        object_store=resources.get("object_store_memory", 0.0),
        shared_memory=facts["shared_memory"],
        disk_place=facts["disk_place"],
        disk_free=facts["disk_free"],
        disk_bytes=facts["disk_bytes"],
        token=facts["token"],
        skew_s=skew,
        skew_error_s=error,
        interface=interface,
    )


def _skew(probe: Any) -> tuple[float, float]:
    """The node's clock less ours, and how far that may be off: the fastest of five answers, as NTP has it."""
    tries = []
    for _ in range(5):
        before, wall = time.monotonic(), time.time()
        theirs = ray.get(probe.now.remote(), timeout=NODE_S)
        half = (time.monotonic() - before) / 2
        tries.append((half, theirs - (wall + half)))
    half, skew = min(tries)
    return skew, half


def _stored(store: Store, probes: dict[int, Any]) -> dict[int, str | None]:
    """What is wrong, by node: each reads what this process wrote, and the other way round, so it is one place."""
    stem = f".probe-{uuid.uuid4().hex}"
    mine = store.path(stem)
    try:
        store.check_writable()
        store.write(mine, b"apollo")
    except Exception as error:  # every file system raises its own
        return dict.fromkeys(probes, f"this process cannot write it: {_short(error)}")
    asked = {index: probe.store.remote(store.uri, stem, f"{stem}-{index}") for index, probe in probes.items()}
    found: dict[int, str | None] = {}
    for index, answer in asked.items():
        theirs = store.path(f"{stem}-{index}")
        try:
            found[index] = ray.get(answer, timeout=NODE_S)
            if found[index] is None and store.read(theirs) is None:
                found[index] = "what it wrote is not seen from here"
        except Exception as error:
            found[index] = _short(error)
        with suppress(Exception):  # it may never have been written
            store.fs.rm_file(theirs)
    with suppress(Exception):
        store.fs.rm_file(mine)
    return found


def _reduced(probes: list[Any]) -> Reduced:
    try:
        address = ray.get(probes[0].rendezvous.remote(), timeout=NODE_S)
        sums = [probe.all_reduce.remote(address, rank, len(probes), REDUCE_S) for rank, probe in enumerate(probes)]
        return Reduced(sums=ray.get(sums, timeout=REDUCE_S + NODE_S))
    except Exception as error:  # torch's, gloo's and Ray's share no base class
        return Reduced(error=_short(error))


def _short(error: BaseException) -> str:
    """The last line that says something: Ray puts the remote stack trace before it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__
