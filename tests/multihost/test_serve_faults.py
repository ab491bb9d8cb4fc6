"""Replicas come with the queue; one whose host loses its power under load: which requests fail, and for how long."""

import contextlib
import json
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from .cluster import BIN, ROOT, Cluster, wait_until
from .recorder import Recorder
from .rows import FAULTS, TRAINED, steps_of

CLIENTS, TIMEOUT_S = 4, 60.0


@dataclass
class Load:
    """Questions of several clients, one after another each, to `address` until the block ends."""

    cluster: Cluster
    address: str
    right: str
    pause_s: float = 0.1
    answers: list[tuple[float, float, str]] = field(default_factory=list)  # asked, seconds, "" or what went wrong

    def ask(self) -> str:
        """The text of an answer; each is the same."""
        body = {"model": "ensemble", "prompt": "fever", "max_tokens": 12, "temperature": 0}
        request = urllib.request.Request(
            f"{self.address}/v1/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            return str(json.load(answer)["choices"][0]["text"])

    def __enter__(self) -> "Load":
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self.cluster.network.inside, args=(self._work,)) for _ in range(CLIENTS)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def _work(self) -> None:
        while not self._stop.is_set():
            asked = time.monotonic()
            try:
                wrong = "" if self.ask() == self.right else "another text"
            except Exception as error:
                wrong = f"{type(error).__name__}: {error}"
            self.answers.append((asked, time.monotonic() - asked, wrong))
            time.sleep(self.pause_s)

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(TIMEOUT_S + 10)


def replicas(cluster: Cluster) -> dict[str, str]:
    """Address of the host -> id, of the replicas that are alive."""
    nodes = {node["node_id"]: node["node_ip"] for node in cluster.state("nodes")}
    return {
        nodes[actor["node_id"]]: actor["actor_id"]
        for actor in cluster.state("actors")
        if actor["class_name"].startswith("ServeReplica:ensemble:Endpoint") and actor["state"] == "ALIVE"
    }


def serve(cluster: Cluster, *words: str) -> None:
    command = [str(BIN / "serve"), *words, "--address", cluster.dashboard]
    done = subprocess.run(
        cluster.network.client(command),
        env=dict(cluster.network.env),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@contextlib.contextmanager
def deployed(cluster: Cluster, folder: Path, **args: Any) -> Iterator[str]:
    """A model that the cluster has trained, by its step's Serve file with other arguments; the head's proxy's address."""
    words = ["ensemble", f"store={TRAINED}"]
    cluster.submit(FAULTS, *words).succeed()
    step = steps_of(FAULTS, *words)["ensemble"]
    key = f"trained/ensemble/{step.fingerprint}/serve/serve.yaml"
    document: dict[str, Any] = yaml.safe_load(boto3.client("s3").get_object(Bucket="apollo", Key=key)["Body"].read())
    document |= {"proxy_location": "EveryNode", "http_options": {"host": "0.0.0.0", "port": 8000}}
    document["applications"][0]["args"] |= args
    file = folder / "serve.yaml"
    file.write_text(yaml.safe_dump(document))
    serve(cluster, "deploy", str(file))
    try:
        wait_until(lambda: len(replicas(cluster)) == args["replicas"], 120)
        yield f"http://{cluster.head.ip}:8000"
    finally:
        serve(cluster, "shutdown", "--yes")
        wait_until(lambda: not replicas(cluster), 60)


def warm(cluster: Cluster, address: str, **options: float) -> Load:
    """Questions whose right answer is known."""
    load = Load(cluster, address, "", **options)
    for _ in range(10):
        load.right = cluster.network.inside(load.ask)
    return load


@pytest.fixture
def address(cluster: Cluster, trained: float, tmp_path: Path) -> Iterator[str]:
    """Two replicas, one on each worker."""
    with deployed(cluster, tmp_path, replicas=2) as found:
        yield found


def test_replicas_come_with_the_queue(cluster: Cluster, trained: float, tmp_path: Path, faults: Recorder) -> None:
    scaled = deployed(cluster, tmp_path, replicas=1, max_replicas=2, slots=1)
    with scaled as address, warm(cluster, address, pause_s=0.0) as load:
        seconds = wait_until(lambda: len(replicas(cluster)) == 2, 120)
        grown = len(load.answers)
        wait_until(lambda: len(load.answers) > grown + 40, 60)
    assert [wrong for _, _, wrong in load.answers if wrong] == []
    faults.record(
        "no fault: more clients than one replica has slots (`max_replicas: 2`)",
        f"nothing: {len(load.answers)} requests answered",
        f"{seconds:.0f} until the second replica",
        f"{CLIENTS} clients, one slot a replica",
    )


def test_a_replicas_host_lost_under_load(cluster: Cluster, address: str, faults: Recorder) -> None:
    load = warm(cluster, address)
    lost = cluster.workers[0]
    assert set(replicas(cluster)) == {worker.ip for worker in cluster.workers}
    with load:
        wait_until(lambda: len(load.answers) > 40, 60)
        lost.cut()
        cut = time.monotonic()
        noticed = wait_until(lambda: lost.ip not in cluster.alive(), 60)
        time.sleep(10)
        cluster.replace(lost)
        wait_until(lambda: lost.ip in replicas(cluster), 120)
        whole = time.monotonic() - cut
        time.sleep(5)
    before = [answer for answer in load.answers if answer[0] + answer[1] < cut]
    after = [answer for answer in load.answers if answer[0] + answer[1] >= cut]
    assert [wrong for _, _, wrong in before if wrong] == []
    failed = [answer for answer in after if answer[2]]
    usual = sorted(seconds for _, seconds, _ in before)[len(before) // 2]
    slow = [seconds for _, seconds, wrong in after if not wrong and seconds > 1 + 5 * usual]
    last = max([asked + seconds - cut for asked, seconds, wrong in after if wrong], default=0.0)
    print(failed, slow)
    assert len(failed) <= 3 * CLIENTS
    assert last < noticed + 15
    faults.record(
        "host of one of two Serve replicas, power cut under load",
        f"{len(failed)} of {len(after)} requests after the cut failed ({'; '.join(sorted({f[2] for f in failed})) or 'none'})",
        f"{noticed:.0f} until noticed, {last:.1f} until the last failure, {whole:.0f} until two replicas again",
        f"{CLIENTS} clients at the head's proxy, {usual:.2f} s an answer; {len(slow)} answers waited, at most "
        f"{max(slow, default=0.0):.1f} s; the other host was started 10 s after the cut was noticed",
    )
