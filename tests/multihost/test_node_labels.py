"""Labels of nodes, as cluster.yaml gives them to its groups, say where a step's workers go."""

from collections.abc import Iterator

import pytest

from .cluster import Cluster
from .hosts import Host
from .rows import FAULTS, TRAINED


@pytest.fixture
def labelled(cluster: Cluster) -> Iterator[Host]:
    """One of the two worker hosts, with a label."""
    host = cluster.workers[1]
    cluster.replace(host, "--labels", "use=train")
    yield host
    cluster.replace(host)


def test_training_goes_to_the_host_with_the_label(cluster: Cluster, trained: float, labelled: Host) -> None:
    words = [f"store={TRAINED}", "model.workers=1", "model.epochs=1", "model.node_labels={use: train}"]
    cluster.submit(FAULTS, "model", *words).succeed()
    addresses = {node["node_id"]: node["node_ip"] for node in cluster.state("nodes") if node["state"] == "ALIVE"}
    workers = [actor for actor in cluster.state("actors") if actor["class_name"] == "RayTrainWorker"]
    latest = max(workers, key=lambda actor: int(actor["job_id"], 16))
    assert addresses[latest["node_id"]] == labelled.ip
