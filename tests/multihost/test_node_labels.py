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


@pytest.mark.parametrize(("wanted", "has"), [("train", True), ("!train", False)])
def test_training_goes_where_the_label_says(
    cluster: Cluster, trained: float, labelled: Host, wanted: str, has: bool
) -> None:
    """Both ways, so that a worker that always goes to one host fails one of them."""
    words = [f"store={TRAINED}", "model.workers=1", "model.epochs=1", f"model.seed={int(has)}"]
    cluster.submit(FAULTS, "model", *words, f'model.node_labels={{use: "{wanted}"}}').succeed()
    addresses = {node["node_id"]: node["node_ip"] for node in cluster.state("nodes") if node["state"] == "ALIVE"}
    workers = [actor for actor in cluster.state("actors") if actor["class_name"] == "RayTrainWorker"]
    latest = max(workers, key=lambda actor: int(actor["job_id"], 16))
    assert (addresses[latest["node_id"]] == labelled.ip) == has
