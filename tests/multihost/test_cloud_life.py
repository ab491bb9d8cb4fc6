"""The life of a cluster at a cloud: cluster.yaml is launched, grows for a step, loses a spot host under it, shrinks, ends.

The file is the one that ships, with provider, login and sizes exchanged (`pretended`). A laptop does what README says: a
token, `ray up`, `ray dashboard`, `jobs/submit.py`, `ray down`.
"""

import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import fsspec
import pytest
import yaml

from apollo_ray.store import step_directory

from .cluster import BIN, ROOT, S3, Following, wait_until
from .hosts import Host, HostNetwork
from .pretend_cloud import PretendCloud, ssh_server
from .rows import as_lines, rows_of, steps_of

HERE = Path(__file__).resolve().parent
RUN = HERE / "cloud.yaml"
ALONE = "s3://apollo/alone"
FILES, FILE_BYTES = 5, 3 * 2**20
CUT_AFTER = 4  # of some 16 packs
NEEDED = ("ssh", "sshd", "ssh-keygen", "rsync")


def pretended(api: str) -> dict[str, Any]:
    """cluster.yaml for the pretend cloud: its groups, labels, mounts and start commands stay."""
    config = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    config |= {
        "provider": {"type": "external", "module": "pretend_cloud.PretendCloudProvider", "api": api},
        "auth": {"ssh_user": "root", "ssh_private_key": "~/.ssh/id_ed25519"},
        "docker": {},
        "idle_timeout_minutes": 0.25,
        "max_workers": 2,  # with more, tasks of CPUs would at last get hosts with GPUs
        "file_mounts": {path.replace("/home/ray", "/root"): own for path, own in config["file_mounts"].items()},
    }
    for name in ("setup_commands", "initialization_commands", "head_setup_commands", "worker_setup_commands"):
        config[name] = []
    for name in ("cluster_synced_files", "rsync_exclude", "rsync_filter"):
        config[name] = []
    for group in config["available_node_types"].values():
        group.pop("docker", None)
        group["node_config"] = {"InstanceType": group["node_config"]["InstanceType"]}
    config["available_node_types"]["cpu_spot"] |= {"max_workers": 2, "resources": {"CPU": 1}}
    return config


def write_documents() -> None:
    """The starter's documents, over and over, each time with other words, so that few are copies."""
    texts = [
        json.loads(line)["text"]
        for lang in ("en", "es", "fr")
        for line in (ROOT / "apollo_ray" / "starter" / "documents" / f"{lang}.jsonl").read_text().splitlines()
    ]
    client, copies = boto3.client("s3"), itertools.count()
    for number in range(FILES):
        lines, size = [], 0
        while size < FILE_BYTES:
            copy = next(copies)
            words = texts[copy % len(texts)].split(" ")
            text = " ".join(f"{word}x{copy}" if at % 5 == 4 else word for at, word in enumerate(words))
            lines.append(json.dumps({"id": f"{copy}", "text": text}, ensure_ascii=False))
            size += len(lines[-1].encode())
        client.put_object(Bucket="apollo", Key=f"made/part-{number}.jsonl", Body="\n".join(lines).encode())


class Laptop:
    """A host from which the cluster is ruled; its token is its own file's, not this process's."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.host.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/.ssh/id_ed25519"])
        self.run(str(BIN / "ray"), "get-auth-token", "--generate")

    @property
    def public_key(self) -> str:
        return self.host.run(["cat", "/root/.ssh/id_ed25519.pub"]).strip()

    def start(self, *command: str) -> Following:
        there = ["env", "-u", "RAY_AUTH_TOKEN", f"--chdir={ROOT}", *command]
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return Following(self.host.popen(there, **streams))

    def answers(self, port: int) -> bool:
        """Whether something of the laptop's own listens there."""
        return (
            self.host.popen(["bash", "-c", f": < /dev/tcp/127.0.0.1/{port}"], stderr=subprocess.DEVNULL).wait(10) == 0
        )

    def run(self, *command: str, seconds: float = 240) -> str:
        started = self.start(*command)
        started.succeed(seconds)
        return started.text


@pytest.fixture
def laptop(network: HostNetwork, s3: S3) -> Laptop:
    if missing := [name for name in NEEDED if shutil.which(name) is None]:
        pytest.skip(f"`ray up` needs {', '.join(missing)}")
    network.env = {**network.env, "PYTHONPATH": f"{ROOT}:{HERE}"}
    return Laptop(network.add(f"laptop{len(network.hosts)}"))


@pytest.fixture
def cloud(network: HostNetwork, laptop: Laptop) -> Iterator[PretendCloud]:
    exports = {name: value for name, value in network.env.items() if name not in ("HOME", "RAY_AUTH_TOKEN")}
    # For the autoscaler; the package comes with the job. Shells that Ray starts read this file again, so it must add.
    exports |= {"PYTHONPATH": f"${{PYTHONPATH:+$PYTHONPATH:}}{HERE}"}
    exports |= {"AUTOSCALER_UPDATE_INTERVAL_S": "1", "RAY_DEFAULT_OBJECT_STORE_MAX_MEMORY_BYTES": str(150 * 2**20)}
    key = laptop.public_key
    with PretendCloud(network, lambda host: ssh_server(host, key, exports)) as made:
        yield made


def packs_done(store: str) -> int:
    (step,) = steps_of(RUN, f"store={store}").values()
    s3fs = fsspec.filesystem("s3", skip_instance_cache=True, use_listings_cache=False)
    return len(s3fs.glob(f"{store}/{step_directory(step.name, step.fingerprint)}/work/*.parquet"))


ASK = """
import sys, urllib.error, urllib.request
for port in sys.argv[2:]:
    try:
        body = urllib.request.urlopen(f"http://{sys.argv[1]}:{port}/api/jobs/", timeout=3).read(6)
        print(port, "metrics" if body == b"# HELP" else body)
    except urllib.error.HTTPError as error:
        print(port, error.code)
    except urllib.error.URLError as error:
        print(port, "closed")
    except Exception:  # it speaks no HTTP
        print(port, "other")
"""


def assert_closed(laptop: Laptop, head: Host) -> None:
    """What README says of the head's ports: from another host, without a token, metrics alone are to be had."""
    listening = [line.split()[3].rsplit(":", 1)[1] for line in head.run(["ss", "-Hltn"]).splitlines()]
    said = laptop.run("python", "-c", ASK, head.ip, *sorted(set(listening)))
    found = dict(line.split() for line in said.splitlines())
    assert found["8265"] == "closed", "the dashboard is on loopback"
    assert found["52365"] == "401", "the dashboard's agent asks for the token"
    assert {"6379", "8076", "10001"} <= {port for port, answer in found.items() if answer == "other"}, "gRPC"
    assert sorted(answer for answer in found.values() if answer not in ("other", "closed", "401")) == ["metrics"] * 3
    refused = laptop.start("env", "RAY_AUTH_MODE=disabled", "ray", "status", f"--address={head.ip}:6379")
    assert refused.end(60) != 0
    assert "InvalidAuthToken" in refused.text


@pytest.mark.timeout(480)
@pytest.mark.parametrize("silently", [False, True])
def test_a_cluster_lives_through_growth_loss_and_end(laptop: Laptop, cloud: PretendCloud, silently: bool) -> None:
    together = f"s3://apollo/cloud-{silently}"
    took: list[tuple[str, float]] = []
    begun = [time.monotonic()]

    def note(what: str) -> None:
        now = time.monotonic()
        took.append((what, now - begun[0]))
        print(f"\n{took[-1][1]:6.1f} s  {what}", flush=True)
        begun[0] = now

    write_documents()
    laptop.host.popen(["tee", "/root/cluster.yaml"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL).communicate(
        yaml.safe_dump(pretended(cloud.api))
    )
    laptop.run("ray", "up", "-y", "--no-config-cache", "/root/cluster.yaml")
    assert [event.node_type for event in cloud.events] == ["head"]
    note("ray up: a head that takes no tasks")

    assert_closed(laptop, cloud.alive("head")[0].host)
    note("whoever has no token is refused")

    tunnel = laptop.start("ray", "dashboard", "/root/cluster.yaml")
    tunnel.until(lambda: laptop.answers(8265), 30)
    job = laptop.start("python", "jobs/submit.py", str(RUN), f"store={together}")
    job.until(lambda: cloud.alive("cpu_spot"), 60)
    note("the step is submitted, until a spot host is asked for")
    job.until(lambda: packs_done(together) >= CUT_AFTER, 120)
    done, hosts = packs_done(together), len(cloud.alive("cpu_spot"))
    note(f"until {done} packs are done ({hosts} spot hosts)")

    cloud.take("cpu_spot", silently)
    job.succeed(240)
    note(f"a spot host is taken{' in silence' if silently else ''}, until the step is finished")
    laptop.run("python", "jobs/corpus.py", str(RUN), f"store={ALONE}")
    note("the step alone on one machine, to compare")
    (made,), (expected,) = steps_of(RUN, f"store={together}").values(), steps_of(RUN, f"store={ALONE}").values()
    assert made.fingerprint == expected.fingerprint
    assert made.manifest is not None
    assert expected.manifest is not None
    assert made.manifest.counts == expected.manifest.counts
    for group in ("data", "dropped"):
        assert as_lines(rows_of(together, made, group)) == as_lines(rows_of(ALONE, expected, group))

    wait_until(lambda: not cloud.alive("cpu_spot"), 90)
    note("idle spot hosts are ended")
    tunnel.process.terminate()
    tunnel.end(20)
    laptop.run("ray", "down", "-y", "/root/cluster.yaml")
    wait_until(lambda: not cloud.alive(), 20)
    note("ray down: nothing is left")
    assert {event.node_type for event in cloud.events} == {"head", "cpu_spot"}, "a GPU was paid for"
    print("\n".join(f"{event.what} {event.node_type} {event.host}" for event in cloud.events))
    if table := os.environ.get("APOLLO_CLOUD_TABLE"):
        rows = [f"| {what} | {seconds:.0f} |" for what, seconds in took]
        with Path(table).open("a") as file:
            file.write("\n".join(["| what | s |", "|---|---|", *rows, "", ""]))
