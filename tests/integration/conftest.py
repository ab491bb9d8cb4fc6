"""One Ray and one S3 server for all tests of a session; what they start, they end by its process."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from apollo_ray.config import load_config
from apollo_ray.planning import PlannedStep, plan
from apollo_ray.run import execute
from apollo_ray.session import connect

from .proxy import Proxy

ROOT = Path(__file__).resolve().parents[2]
MINI = ROOT / "tests" / "configs" / "mini.yaml"
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Cluster:
    """A head on this machine: address for drivers, dashboard for jobs, the bucket of the S3 server beside it, and the
    folder of its session, with all logs."""

    address: str
    dashboard: str
    bucket: str
    folder: Path


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture(scope="session", name="free_port")
def free_port_fixture() -> Callable[[], int]:
    return free_port


@pytest.fixture(scope="session")
def s3_proxy() -> Iterator[Proxy]:
    """What stands before a real S3 server on loopback."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    proxy = Proxy(server.get_host_and_port())
    yield proxy
    proxy.close()
    server.stop()


@pytest.fixture(scope="session")
def s3_bucket(s3_proxy: Proxy) -> str:
    """A bucket of the S3 server; its address and keys are in the environment, as on a cluster's hosts."""
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{s3_proxy.port}",
        "AWS_ACCESS_KEY_ID": "test",
        # moto takes any; tests/integration/test_secrets.py looks for it
        "AWS_SECRET_ACCESS_KEY": secrets.token_hex(20),
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    boto3.client("s3").create_bucket(Bucket="apollo")
    return "s3://apollo"


@pytest.fixture(scope="session")
def cluster(s3_bucket: str) -> Iterator[Cluster]:
    """A Ray head with its dashboard, as `ray start` makes one, joined by this process."""
    import ray

    port, dashboard = free_port(), free_port()
    temporary = tempfile.mkdtemp(prefix="apr-", dir="/tmp")  # socket paths have room for 107 characters
    os.environ["PATH"] = f"{BIN}:{os.environ['PATH']}"
    os.environ["RAY_DATA_DISABLE_PROGRESS_BARS"] = "1"
    with open(f"{temporary}.log", "w") as log:
        head = subprocess.Popen(
            [
                str(BIN / "ray"), "start", "--head", "--labels=use=tests", "--block", "--disable-usage-stats", "--num-cpus=2",
                f"--port={port}", f"--dashboard-port={dashboard}", "--dashboard-host=127.0.0.1",
                f"--dashboard-agent-listen-port={free_port()}",  # the usual one is another Ray's where two share a host
                "--node-ip-address=127.0.0.1", f"--temp-dir={temporary}", f"--object-store-memory={512 * 2**20}",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    try:
        _wait_for(port, head, f"{temporary}.log")
        _wait_for(dashboard, head, f"{temporary}.log")
        ray.init(address=f"127.0.0.1:{port}", logging_level="WARNING", log_to_driver=False)
        yield Cluster(f"127.0.0.1:{port}", f"http://127.0.0.1:{dashboard}", s3_bucket, Path(temporary))
        ray.shutdown()
    finally:
        _end(head)


def _end(head: subprocess.Popen) -> None:
    """Ask the head to end its processes; what is left of its process group after 3 s is killed."""
    head.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        head.wait(timeout=3)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(head.pid, signal.SIGKILL)
    head.wait()


def _wait_for(port: int, head: subprocess.Popen, log: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert head.poll() is None, f"ray start ended: {Path(log).read_text()[-2000:]}"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise TimeoutError(f"nothing answers at port {port}: {Path(log).read_text()[-2000:]}")


@pytest.fixture(scope="session")
def ray_session(cluster: Cluster) -> None:
    """Ray is initialised in this process, with two CPUs."""


@pytest.fixture(scope="session")
def local_store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store that several modules write to: a step that one has finished is there for the next."""
    return str(tmp_path_factory.mktemp("store"))


Runner = Callable[..., dict[str, PlannedStep]]


@pytest.fixture
def run_steps(cluster: Cluster) -> Runner:
    """`run_steps(store, words, file)`: run a file's steps into a store; the finished steps by name."""

    def run(store: str, words: list[str] | None = None, file: Path = MINI) -> dict[str, PlannedStep]:
        overrides = [f"store={store}", *[word for word in words or [] if "=" in word]]
        config = load_config(file, overrides)
        steps = plan(config, [word for word in words or [] if "=" not in word])
        return {step.name: step for step in execute(config, steps, print, lambda: connect(print))}

    return run
