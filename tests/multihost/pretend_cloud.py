"""A cloud for `ray up` whose instances are hosts of this machine, so that cluster.yaml's groups truly grow and shrink.

    ray up, autoscaler --PretendCloudProvider--> HTTP on the bridge --PretendCloud--> hosts on and off

Ray loads `PretendCloudProvider` by its module's name (`provider: external`), on the laptop and on the head. `PretendCloud`
runs in the test. As at a real cloud a new instance is first pending, and one that is taken away says nothing.
"""

import json
import subprocess
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import Request, urlopen

from ray.autoscaler.node_provider import NodeProvider

ALIVE = ("pending", "running")
TYPE_TAG = "ray-user-node-type"
EVERY_S = 0.2


class PretendCloudProvider(NodeProvider):
    """Ray's half. `provider.api` in the cluster file is the cloud's address."""

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        request = Request(f"{self.provider_config['api']}{path}", json.dumps(body).encode(), method=method)
        with urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def _instances(self) -> dict[str, dict[str, Any]]:
        return self._call("GET", "/instances")

    def non_terminated_nodes(self, tag_filters: dict[str, str]) -> list[str]:
        return [
            name
            for name, instance in self._instances().items()
            if instance["state"] in ALIVE and tag_filters.items() <= instance["tags"].items()
        ]

    def is_running(self, node_id: str) -> bool:
        return self._instances()[node_id]["state"] == "running"

    def is_terminated(self, node_id: str) -> bool:
        return self._instances()[node_id]["state"] not in ALIVE

    def node_tags(self, node_id: str) -> dict[str, str]:
        return self._instances()[node_id]["tags"]

    def internal_ip(self, node_id: str) -> str | None:
        return self._instances()[node_id]["ip"]

    external_ip = internal_ip

    def create_node(self, node_config: dict[str, Any], tags: dict[str, str], count: int) -> dict[str, Any]:
        return {self._call("POST", "/instances", tags): {} for _ in range(count)}

    def set_node_tags(self, node_id: str, tags: dict[str, str]) -> None:
        self._call("PATCH", f"/instances/{node_id}", tags)

    def terminate_node(self, node_id: str) -> None:
        self._call("DELETE", f"/instances/{node_id}")


@dataclass
class Instance:
    """`host` is of tests/multihost/hosts.py, None while it is pending."""

    tags: dict[str, str]
    state: str = "pending"  # running, ending, ended
    host: Any = None


@dataclass(frozen=True)
class Event:
    at: float  # time.monotonic()
    what: str  # launched, ended, taken
    node_type: str
    host: str


@dataclass
class PretendCloud:
    """The test's half: a context manager around an HTTP server on the bridge and a thread that makes and ends hosts.

    `network` is a HostNetwork; `prepare` readies a new host for SSH.
    """

    network: Any
    prepare: Callable[[Any], None]
    port: int = 7777
    instances: dict[str, Instance] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def __enter__(self) -> "PretendCloud":
        self._over = threading.Event()
        self._lock = threading.Lock()  # of `instances`
        handler = type("Handler", (_Handler,), {"cloud": self})
        self._server = self.network.inside(lambda: ThreadingHTTPServer((self.network.address, self.port), handler))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._maker = threading.Thread(target=self._make, name="pretend-cloud")
        self._maker.start()  # hosts end with the thread that made them
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._maker.join()
        self._server.shutdown()
        self._server.server_close()

    @property
    def api(self) -> str:
        return f"http://{self.network.address}:{self.port}"

    def alive(self, node_type: str | None = None) -> list[Instance]:
        """Instances that are pending or running, of one type or of all."""
        return [i for i in self._listed().values() if i.state in ALIVE and node_type in (None, i.tags[TYPE_TAG])]

    def take(self, node_type: str, silently: bool = False) -> str:
        """End a running instance, as a spot market does, and tell no autoscaler; returns the host's name.

        `silently`: its connections are not closed; its peers hear nothing any more.
        """
        with self._lock:
            chosen = next(i for i in self.instances.values() if i.state == "running" and i.tags[TYPE_TAG] == node_type)
            chosen.state = "ended"
        if silently:
            chosen.host.unplug()
        chosen.host.power_off()
        self._note("taken", chosen)
        return str(chosen.host.name)

    def _listed(self) -> dict[str, Instance]:
        with self._lock:
            return dict(self.instances)

    def _note(self, what: str, instance: Instance) -> None:
        self.events.append(Event(time.monotonic(), what, instance.tags[TYPE_TAG], instance.host.name))

    def _make(self) -> None:
        while not self._over.wait(EVERY_S):
            for name, instance in self._listed().items():
                if instance.state == "pending":
                    instance.host = self.network.add(name)
                    self.prepare(instance.host)
                    with self._lock:  # it may have been given up meanwhile
                        instance.state = "running" if instance.state == "pending" else instance.state
                    self._note("launched", instance)
                elif instance.state == "ending":
                    instance.host.power_off()
                    instance.state = "ended"
                    self._note("ended", instance)

    def answer(self, method: str, path: str, body: Any) -> Any:
        """What the API says; JSON in and out."""
        name = path.removeprefix("/instances").removeprefix("/")
        with self._lock:
            if method == "POST":
                name = f"i{uuid.uuid4().hex[:6]}"
                self.instances[name] = Instance(body)
                return name
            if method == "PATCH":
                self.instances[name].tags |= body
            elif method == "DELETE" and self.instances[name].state in ALIVE:
                self.instances[name].state = "ending"
            return {
                name: {"state": i.state, "tags": i.tags, "ip": i.host and i.host.ip}
                for name, i in self.instances.items()
            }


class _Handler(BaseHTTPRequestHandler):
    cloud: PretendCloud

    def _answer(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"null")
        data = json.dumps(self.cloud.answer(self.command, self.path, body)).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = do_DELETE = _answer

    def log_message(self, *_: Any) -> None:
        """Nothing: the cloud keeps events of its own."""


def ssh_server(host: Any, public_key: str, exports: dict[str, str]) -> None:
    """Let the holder of a key in as root; what logs in has `exports` in its environment, in which $NAME stands for a value."""
    lines = "".join(f'export {name}="{value}"\n' for name, value in exports.items())
    host.run(
        ["bash", "-c", f"mkdir -p -m 700 /root/.ssh /run/sshd && echo '{public_key}' > /root/.ssh/authorized_keys"]
    )
    host.run(
        ["bash", "-c", f"cat > /root/.bashrc <<'END'\n{lines}END\ncp /root/.bashrc /root/.bash_profile; ssh-keygen -A"]
    )
    options = ["-o", "UsePAM=no", "-o", f"ListenAddress={host.ip}"]
    host.popen(["/usr/sbin/sshd", *options], stdin=subprocess.DEVNULL)  # goes to the background by itself
