"""Hosts on one Linux machine, each with its own address, files, processes and power switch.

A host is one network + mount + uts + ipc + pid namespace. A veth pair wires it to a bridge in a network namespace of its
own, so nothing of the machine's network is touched:

    [head 10.77.0.1] --veth--+
    [one  10.77.0.2] --veth--+-- br0 10.77.0.254 (servers and clients of the test: `HostNetwork.inside`)
    [two  10.77.0.3] --veth--+

What a host writes under /tmp, /root, /etc, /run, /var and /dev/shm it alone sees, in memory, and loses with its power. It
sees its own processes only, so even `ray stop` reaches nothing else.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

Made = TypeVar("Made")

TOOLS = ("ip", "unshare", "nsenter", "setpriv", "mount")
PRIVATE = ("/root", "/tmp", "/etc", "/run", "/var")
CLONE_NEWNET = 0x40000000  # <linux/sched.h>
READY_S = 20.0

INIT = """
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=1777,size=1g tmpfs /dev/shm
mount -t tmpfs -o mode=0755 tmpfs /mnt
for dir in {private}; do
    mkdir -p /mnt/host$dir/upper /mnt/host$dir/work
    chmod --reference=$dir /mnt/host$dir/upper
    mount -t overlay overlay -o lowerdir=$dir,upperdir=/mnt/host$dir/upper,workdir=/mnt/host$dir/work $dir
done
rm -rf /tmp/ray /root/.ray
hostname {name}
echo "{ip} {name}" >> /etc/hosts  # or gloo would announce 127.0.0.1
touch /mnt/ready
sleep infinity &  # and bash stays as pid 1, to reap orphans as an init must
wait
"""


def why_not() -> str | None:
    """Why hosts cannot be made here, or None."""
    if os.geteuid() != 0:
        return "hosts need root"
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        return f"hosts need {', '.join(missing)}"
    probe = """set -e
    mount -t tmpfs tmpfs /mnt && mkdir /mnt/upper /mnt/work
    mount -t overlay overlay -o lowerdir=/tmp,upperdir=/mnt/upper,workdir=/mnt/work /tmp
    ip link add veth0 type veth peer name veth1
    ip link add br0 type bridge"""
    namespaces = ["unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork"]
    done = subprocess.run([*namespaces, "bash", "-c", probe], capture_output=True, text=True, check=False)
    return f"namespaces, overlays or bridges are not allowed here: {done.stderr.strip()}" if done.returncode else None


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


class Host:
    """One host; `HostNetwork.add` makes them. `name` is its hostname and its network namespace's name."""

    def __init__(self, name: str, ip: str, env: Mapping[str, str]) -> None:
        self.name, self.ip, self.env = name, ip, env
        self._init: subprocess.Popen[bytes] | None = None

    @property
    def is_on(self) -> bool:
        return self._init is not None

    @property
    def init_pid(self) -> int:
        """Pid, as the machine sees it, of the process whose death is the host's."""
        assert self._init is not None, f"{self.name} is off"
        return int(Path(f"/proc/{self._init.pid}/task/{self._init.pid}/children").read_text().split()[0])

    def power_on(self) -> None:
        """Start the host with empty disks and wait until they are mounted. To be called from the main thread."""
        self.replug()
        script = INIT.format(private=" ".join(PRIVATE), name=self.name, ip=self.ip)
        # It ends with this process, however that ends.
        alone = ["setpriv", "--pdeathsig", "KILL", "ip", "netns", "exec", self.name]
        spaces = ["unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc"]
        self._init = subprocess.Popen(
            [*alone, *spaces, "bash", "-c", script], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, IndexError, subprocess.CalledProcessError):
                self.run(["test", "-e", "/mnt/ready"])
                return
            time.sleep(0.05)
        raise TimeoutError(f"{self.name} did not come up")

    def cut(self) -> None:
        """A power cut: the link goes down first, so no peer is told; then every process of the host is killed at once."""
        self.unplug()
        self.power_off()

    def power_off(self) -> None:
        """Kill every process of the host. Its peers are told by the kernel if its link is up."""
        if self._init is None:
            return
        with contextlib.suppress(OSError, IndexError):
            os.kill(self.init_pid, signal.SIGKILL)
        self._init.wait(timeout=20)
        self._init = None

    def unplug(self) -> None:
        """Cut the host's link: its processes live on, out of reach."""
        _ip("-n", self.name, "link", "set", "eth0", "down")

    def replug(self) -> None:
        """Mend what `unplug` cut."""
        _ip("-n", self.name, "link", "set", "eth0", "up")
        _ip("-n", self.name, "route", "replace", "default", "dev", "eth0")  # lets programs find their own address

    def popen(self, command: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        """Start `command` on this host, with the host's environment; options as for `subprocess.Popen`."""
        spaces = ["--net", "--mount", "--uts", "--ipc", "--pid", "--wdns=/"]
        enter = ["nsenter", "--target", str(self.init_pid), *spaces]
        return subprocess.Popen([*enter, *command], env=dict(self.env), text=True, **options)

    def run(self, command: Sequence[str], timeout: float = 150) -> str:
        """Run `command` on this host; returns what it wrote. Raises CalledProcessError where it fails."""
        started = self.popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            output, _ = started.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            started.kill()
            started.communicate()
            raise
        if started.returncode:
            raise subprocess.CalledProcessError(started.returncode, command, output)
        return output


class HostNetwork:
    """A bridge and the hosts on it; a context manager that takes all of it down.

    Args:
        name: Prefix of every namespace, unique on the machine.
        env: Environment of whatever runs on a host.
        subnet: First three octets of the addresses.
    """

    def __init__(self, name: str, env: Mapping[str, str], subnet: str = "10.77.0") -> None:
        self.name, self.env, self.subnet = name, env, subnet
        self.switch = f"{name}-switch"  # network namespace of the bridge
        self.address = f"{subnet}.254"  # of the bridge, where the test's own servers listen
        self.hosts: list[Host] = []

    def __enter__(self) -> "HostNetwork":
        _ip("netns", "add", self.switch)
        _ip("-n", self.switch, "link", "set", "lo", "up")
        _ip("-n", self.switch, "link", "add", "br0", "type", "bridge")
        _ip("-n", self.switch, "addr", "add", f"{self.address}/24", "dev", "br0")
        _ip("-n", self.switch, "link", "set", "br0", "up")
        return self

    def add(self, name: str) -> Host:
        """One more host, switched on."""
        number = len(self.hosts) + 1
        host = Host(f"{self.name}-{name}", f"{self.subnet}.{number}", self.env)
        self.hosts.append(host)
        _ip("netns", "add", host.name)
        _ip("-n", self.switch, "link", "add", f"p{number}", "type", "veth", "peer", "name", "eth0", "netns", host.name)
        _ip("-n", self.switch, "link", "set", f"p{number}", "master", "br0", "up")
        _ip("-n", host.name, "addr", "add", f"{host.ip}/24", "dev", "eth0")
        _ip("-n", host.name, "link", "set", "lo", "up")
        host.power_on()
        return host

    def inside(self, function: Callable[[], Made]) -> Made:
        """What `function` returns, called in a thread whose sockets, and whose threads' sockets, are the bridge's."""
        made: list[Made] = []
        failed: list[BaseException] = []

        def enter() -> None:
            try:
                with open(f"/run/netns/{self.switch}") as space:
                    if ctypes.CDLL(None, use_errno=True).setns(space.fileno(), CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), "setns")
                made.append(function())
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        if failed:
            raise failed[0]
        return made[0]

    def client(self, command: Sequence[str]) -> list[str]:
        """`command` as run by a machine on this network that is none of the hosts."""
        return ["nsenter", f"--net=/run/netns/{self.switch}", *command]

    def __exit__(self, *_: object) -> None:
        for host in self.hosts:
            host.power_off()
        for name in [*(host.name for host in self.hosts), self.switch]:  # its end of a veth goes with a namespace
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
