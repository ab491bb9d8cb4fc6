"""A Ray cluster on hosts of its own, and an S3 server that all of them reach."""

import contextlib
import json
import logging
import os
import random
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from .hosts import Host, HostNetwork

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PORT, DASHBOARD = 6379, 8265
OBJECT_STORE = f"--object-store-memory={150 * 2**20}"
NOTICE = {
    # A host that is silent for 3 s is taken for dead. Ray's own settings take 5 times 10 s.
    "RAY_health_check_initial_delay_ms": "0",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
    # Even then a call to a host without power ends only when TCP gives up on it: after 120 s by Ray's own setting, in which
    # the corpus stood still for 165 s.
    "RAY_grpc_client_keepalive_timeout_ms": "10000",
}
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class S3:
    """moto's S3 at two addresses with the same objects: the bridge's for hosts, loopback for this process."""

    def __init__(self, network: HostNetwork) -> None:
        logging.getLogger("werkzeug").setLevel(logging.WARNING)  # it tells of every request
        self.share_refused, self.refused = 0.0, 0
        self._random, self._moto = random.Random(0), DomainDispatcherApplication(create_backend_app)
        self._servers = [network.inside(lambda: self._listen(network.address)), self._listen("127.0.0.1")]
        self.on_bridge, self.on_loopback = (f"http://{server.host}:{server.port}" for server in self._servers)

    def _listen(self, address: str) -> Any:
        server = make_server(address, 0, self._answer, threaded=True, request_handler=MotoRequestHandler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["SERVER_NAME"] != "127.0.0.1" and self._random.random() < self.share_refused:
            self.refused += 1
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response("503 Slow Down", [("Content-Type", "application/xml")])
            return [SLOW_DOWN]
        return self._moto(environ, start_response)

    @contextlib.contextmanager
    def refusing(self, share: float) -> Iterator[None]:
        """Inside the block so many of the hosts' requests are answered with 503; `refused` counts them."""
        self.share_refused, self.refused = share, 0
        try:
            yield
        finally:
            self.share_refused = 0.0

    def close(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()


class Cluster:
    """A head without CPUs and workers with one CPU each. Its token is this process's."""

    def __init__(self, network: HostNetwork, logs: Path) -> None:
        self.network, self.logs = network, logs
        self.head = network.add("head")
        self.workers = [network.add("one"), network.add("two")]
        self.start()

    @property
    def dashboard(self) -> str:
        return f"http://{self.head.ip}:{DASHBOARD}"

    def start(self) -> None:
        """Ray on all hosts."""
        self.head.run([
            str(BIN / "ray"), "start", "--head", "--num-cpus=0", f"--port={PORT}", f"--node-ip-address={self.head.ip}",
            "--dashboard-host=0.0.0.0", f"--dashboard-port={DASHBOARD}", "--disable-usage-stats", OBJECT_STORE,
        ])  # fmt: skip
        joining = [self.join(worker) for worker in self.workers]
        for wait in joining:
            wait()

    def join(self, host: Host, *options: str) -> Callable[[], None]:
        """Starts Ray on a worker; what is returned waits until it has joined."""
        log = (self.logs / f"{host.name}.log").open("w+")
        command = [
            str(BIN / "ray"), "start", f"--address={self.head.ip}:{PORT}", f"--node-ip-address={host.ip}",
            "--num-cpus=1", OBJECT_STORE, *options,
        ]  # fmt: skip
        started = host.popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

        def wait() -> None:
            code = started.wait(150)
            log.seek(0)
            assert code == 0, log.read()[-3000:]
            wait_until(lambda: host.ip in self.alive(), 60)

        return wait

    def replace(self, host: Host, *options: str) -> None:
        """A host that was cut comes back empty, as a new one would, and joins."""
        host.power_off()
        host.power_on()
        self.join(host, *options)()

    def mend(self) -> None:
        """Hosts that are off come back."""
        if not self.head.is_on:
            self.renew()
        for worker in self.workers:
            if not worker.is_on:
                self.replace(worker)

    def renew(self) -> None:
        """Another cluster in the place of this one: all hosts start empty."""
        for host in (self.head, *self.workers):
            host.power_off()
            host.power_on()
        self.start()

    def alive(self) -> set[str]:
        """Addresses of the hosts that the head takes for alive."""
        return {node["node_ip"] for node in self.state("nodes") if node["state"] == "ALIVE"}

    def state(self, what: str) -> list[dict[str, Any]]:
        """Ray's state API: nodes, actors ..."""
        return self.get(f"/api/v0/{what}?limit=1000")["data"]["result"]["result"]

    def get(self, path: str) -> Any:
        """What the dashboard says, with the token."""
        request = urllib.request.Request(
            self.dashboard + path, headers={"Authorization": f"Bearer {os.environ['RAY_AUTH_TOKEN']}"}
        )

        def ask() -> Any:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return json.load(answer)

        return self.network.inside(ask)

    def submit(self, file: Path, *words: str) -> "Following":
        """`python jobs/submit.py FILE WORDS` on a machine beside the hosts."""
        command = [sys.executable, "jobs/submit.py", str(file), *words, "--address", self.dashboard]
        return Following(
            subprocess.Popen(
                self.network.client(command), cwd=ROOT, env=dict(self.network.env), text=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )
        )  # fmt: skip

    def drive(self, *words: str) -> "Following":
        """A driver on the head, in no job: `python WORDS`."""
        environment = ["env", f"RAY_ADDRESS={self.head.ip}:{PORT}", f"--chdir={ROOT}"]
        return Following(
            self.head.popen(
                [*environment, sys.executable, *words],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )
        )  # fmt: skip


class Following:
    """A process whose lines are read as they come; `lines` has each with its time (`time.monotonic`)."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process, self.begun = process, time.monotonic()
        self.lines: list[tuple[float, str]] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append((time.monotonic(), line.rstrip()))

    @property
    def text(self) -> str:
        return "\n".join(line for _, line in self.lines)

    def at(self, words: str) -> float | None:
        """When a line with these words came first."""
        return next((when for when, line in self.lines if words in line), None)

    def until(self, true: Callable[[], Any], seconds: float = 120) -> None:
        """Waits for `true` while the process runs."""
        deadline = time.monotonic() + seconds
        while not true():
            assert self.process.poll() is None, f"it ended too early:\n{self.text[-6000:]}"
            assert time.monotonic() < deadline, f"not in time:\n{self.text[-6000:]}"
            time.sleep(0.05)

    def end(self, seconds: float = 170) -> int:
        """Its exit status."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"it does not end:\n{self.text[-6000:]}") from None
        self._thread.join(10)
        return code

    def succeed(self, seconds: float = 170) -> float:
        """Seconds that it took to its good end."""
        code = self.end(seconds)
        assert code == 0, self.text[-6000:]
        return time.monotonic() - self.begun


def busy(host: Host, task: str) -> bool:
    """Whether a process of Ray on the host is at work on `task`."""
    done = host.popen(["pgrep", "-f", f"^ray::.*{task}"], stdout=subprocess.DEVNULL)
    return done.wait(20) == 0


def wait_until(true: Callable[[], Any], seconds: float) -> float:
    """Seconds until `true` is."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < seconds, "not in time"
        time.sleep(0.1)
    return time.monotonic() - begun
