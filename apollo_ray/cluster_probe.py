"""What `apollo doctor --cluster` asks of a node. Travels by value, so it runs where this package is not installed.

For that it imports nothing of this package, and everything else where it is needed.
"""

import time
from typing import Any


class Probe:
    """An actor on one node. Nothing that is missing there raises: what is found, or could not be, is told."""

    def facts(self) -> dict[str, Any]:
        """Versions, GPUs as torch sees them, free bytes of disk and shared memory, whether tokens are asked for."""
        import os
        import shutil
        from platform import python_version

        import ray

        versions = {"python": python_version(), "ray": ray.__version__}
        gpus = None
        try:
            import torch

            versions["torch"] = torch.__version__
            gpus = torch.cuda.device_count()
        except ImportError as error:
            versions["torch"] = f"none ({error})"
        versions["apollo_ray"] = self._package()
        place = ray._private.worker.global_worker.node.get_session_dir_path()
        disk = shutil.disk_usage(place)
        memory = shutil.disk_usage("/dev/shm") if os.path.isdir("/dev/shm") else None
        return {
            "versions": versions,
            "gpus": gpus,
            "disk_place": place,
            "disk_free": disk.free,
            "disk_bytes": disk.total,
            "shared_memory": memory and memory.total,
            "token": ray._raylet.get_authentication_mode() == ray._raylet.AuthenticationMode.TOKEN,
        }

    @staticmethod
    def _package() -> str:
        """Version and digest of the code: two checkouts of one version may differ."""
        import hashlib
        from pathlib import Path

        try:
            import apollo_ray
        except ImportError as error:
            return f"none ({error})"
        root = Path(apollo_ray.__file__).parent
        digest = hashlib.sha256()
        for file in sorted(root.rglob("*.py")):
            digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
        return f"{apollo_ray.__version__} ({digest.hexdigest()[:8]})"

    def now(self) -> float:
        """This node's clock, in seconds since 1970."""
        return time.time()

    def store(self, uri: str, theirs: str, mine: str) -> str | None:
        """Reads file `theirs`, which the driver wrote, and writes `mine`; what is wrong, or None."""
        try:
            from apollo_ray.store import Store

            place = Store(uri)
            if place.read(place.path(theirs)) is None:
                return "a file that the driver wrote is not there: this is another folder of the same name"
            place.write(place.path(mine), b"apollo")
        except Exception as error:  # every file system raises its own
            return f"{type(error).__name__}: {str(error).strip()[:200]}"
        return None

    def rendezvous(self) -> str:
        """A free address of this node, as torch.distributed takes it."""
        import socket

        import ray

        host = ray.util.get_node_ip_address()
        with socket.socket() as free:
            free.bind((host, 0))
            return f"tcp://{host}:{free.getsockname()[1]}"

    def interface(self) -> str:
        """Which network interface gloo announces to the other nodes, as 'eth0 10.0.0.2'."""
        import fcntl
        import os
        import socket
        import struct

        if named := os.environ.get("GLOO_SOCKET_IFNAME"):
            return f"{named} (GLOO_SOCKET_IFNAME)"
        try:
            address = socket.gethostbyname(socket.gethostname())
        except OSError as error:
            return f"none ({error})"
        for _, name in socket.if_nameindex():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
                try:
                    answer = fcntl.ioctl(asked, 0x8915, struct.pack("256s", name.encode()))  # SIOCGIFADDR
                except OSError:
                    continue  # it has no address
            if socket.inet_ntoa(answer[20:24]) == address:
                return f"{name} {address}"
        return address

    def all_reduce(self, address: str, rank: int, ranks: int, timeout_s: float) -> float:
        """The sum of rank + 1 over all nodes, by gloo. Raises what torch raises."""
        from datetime import timedelta

        import torch
        import torch.distributed as distributed

        distributed.init_process_group(
            "gloo", init_method=address, rank=rank, world_size=ranks, timeout=timedelta(seconds=timeout_s)
        )
        try:
            value = torch.tensor([rank + 1.0])
            distributed.all_reduce(value)
            return value.item()
        finally:
            distributed.destroy_process_group()
