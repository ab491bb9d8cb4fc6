"""One cluster of a head and two workers for all tests: `make test-multihost`, as root on Linux."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from .cluster import BIN, NOTICE, ROOT, S3, Cluster
from .hosts import HostNetwork, why_not
from .recorder import Recorder
from .rows import FAULTS, TRAINED, WHOLE, many_documents

PASSED_ON = ("HOME", "LANG", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "OMP_NUM_THREADS")


@pytest.fixture(scope="session")
def network() -> Iterator[HostNetwork]:
    """A bridge without hosts. Its environment gets what hosts need as they are added."""
    if reason := why_not():
        pytest.skip(reason)
    env = {name: os.environ[name] for name in PASSED_ON if name in os.environ} | NOTICE
    env |= {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    }
    with HostNetwork(f"apollo{os.getpid()}", env) as made:
        yield made


@pytest.fixture(scope="session")
def s3(network: HostNetwork) -> Iterator[S3]:
    """An S3 server with the bucket `apollo`; keys and addresses are in this process's environment and the hosts'."""
    server = S3(network)
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ |= keys | {"AWS_ENDPOINT_URL": server.on_loopback}
    network.env = {**network.env, **keys, "AWS_ENDPOINT_URL": server.on_bridge}
    boto3.client("s3").create_bucket(Bucket="apollo")
    yield server
    server.close()


@pytest.fixture(scope="session")
def the_cluster(network: HostNetwork, s3: S3) -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory() as logs:
        yield Cluster(network, Path(logs))


@pytest.fixture(scope="session")
def unbroken_corpus(the_cluster: Cluster) -> float:
    """Seconds of the step `documents` on two worker hosts, in the store WHOLE."""
    the_cluster.mend()
    boto3.client("s3").put_object(Bucket="apollo", Key="raw/many.jsonl", Body=many_documents())
    return the_cluster.submit(FAULTS, "documents", f"store={WHOLE}").succeed()


@pytest.fixture(scope="session")
def trained(the_cluster: Cluster) -> float:
    """Seconds of the step `model` on two worker hosts, in the store TRAINED."""
    the_cluster.mend()
    the_cluster.submit(FAULTS, "mix", f"store={TRAINED}").succeed()
    return the_cluster.submit(FAULTS, "model", f"store={TRAINED}").succeed()


@pytest.fixture
def cluster(the_cluster: Cluster) -> Cluster:
    """The cluster, whole: hosts that a test before has lost are back."""
    the_cluster.mend()
    return the_cluster


@pytest.fixture(scope="session")
def faults() -> Recorder:
    return Recorder()
