"""A host with a training worker loses its power: training goes on from the last checkpoint to the same losses."""

import time
from typing import Any

import boto3
import pytest

from .cluster import Cluster, Following, wait_until
from .recorder import Recorder
from .rows import FAULTS as FILE
from .rows import objects, rows_of, steps_of

STEP = "model"


def published(store: str) -> bool:
    """Whether a resumed run would find a checkpoint: its files alone are not enough."""
    s3 = boto3.client("s3")
    return any(
        b"step_0" in s3.get_object(Bucket="apollo", Key=key)["Body"].read()
        for key in objects(f"{store}/{STEP}/")
        if key.endswith("checkpoint_manager_snapshot.json")
    )


def summary(store: str) -> dict[str, Any]:
    manifest = steps_of(FILE, STEP, f"store=s3://apollo/{store}")[STEP].manifest
    assert manifest is not None
    return manifest.summary


def losses(store: str) -> list[float]:
    step = steps_of(FILE, STEP, f"store=s3://apollo/{store}")[STEP]
    return [row["loss"] for row in rows_of(f"s3://apollo/{store}", step)]


def start(cluster: Cluster, store: str, *words: str) -> Following:
    """The step in a store of its own, with a checkpoint behind it."""
    s3 = boto3.client("s3")
    for key in objects("trained/"):
        if not key.startswith(f"trained/{STEP}/"):
            source = {"Bucket": "apollo", "Key": key}
            s3.copy_object(Bucket="apollo", Key=key.replace("trained", store, 1), CopySource=source)
    running = cluster.submit(FILE, STEP, f"store=s3://apollo/{store}", *words)
    running.until(lambda: published(store))
    board = [
        actor for actor in cluster.state("actors") if actor["class_name"] == "_Board" and actor["state"] == "ALIVE"
    ]
    nodes = {node["node_id"]: node["node_ip"] for node in cluster.state("nodes")}
    assert [nodes[actor["node_id"]] for actor in board] == [cluster.head.ip]
    return running


def steps_lost(name: str) -> str:
    """What a run that lost a host did again, in words. It must have gone on from a checkpoint to the unbroken losses."""
    assert losses(name) == pytest.approx(losses("trained"), abs=2e-5)
    told = summary(name)
    assert told["resumed_from"] >= 4
    return (
        f"steps since the last checkpoint; goes on from step {told['resumed_from']} of {told['steps']}; "
        f"final loss {told['final_loss']:.6f}, unbroken {summary('trained')['final_loss']:.6f}"
    )


def test_a_training_host_lost_and_replaced(cluster: Cluster, trained: float, faults: Recorder) -> None:
    running = start(cluster, "replaced")
    lost = cluster.workers[1]
    lost.cut()
    cut = time.monotonic()
    noticed = wait_until(lambda: lost.ip not in cluster.alive(), 60)
    cluster.replace(lost)
    there = time.monotonic() - cut
    running.until(lambda: running.at("resumed at step"))
    resumed = (running.at("resumed at step") or 0.0) - cut
    taken = running.succeed()
    lost_steps = steps_lost("replaced")
    faults.record(
        "host of a training worker, power cut; another one comes",
        lost_steps,
        f"{noticed:.0f} until noticed, {there:.0f} until the new host is there, {resumed:.0f} until training goes on",
        f"two workers on two hosts; {taken:.0f} s, unbroken {trained:.0f} s",
    )


def test_training_goes_on_with_the_host_that_is_left(cluster: Cluster, trained: float, faults: Recorder) -> None:
    running = start(cluster, "elastic", f"{STEP}.fewest_workers=1")
    lost = cluster.workers[0]
    lost.cut()
    cut = time.monotonic()
    noticed = wait_until(lambda: lost.ip not in cluster.alive(), 60)
    running.until(lambda: running.at("resumed at step"))
    resumed = (running.at("resumed at step") or 0.0) - cut
    taken = running.succeed()
    assert "on 1 workers" in running.text
    lost_steps = steps_lost("elastic")
    faults.record(
        "host of a training worker, power cut; `fewest_workers: 1`",
        lost_steps,
        f"{noticed:.0f} until noticed, {resumed:.0f} until training goes on",
        f"one worker of two was left; {taken:.0f} s, unbroken {trained:.0f} s",
    )
