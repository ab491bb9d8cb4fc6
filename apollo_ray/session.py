"""Ray for the length of a command: the cluster that RAY_ADDRESS names, or one of its own on this machine."""

import logging
import os
import secrets
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from apollo_ray.errors import ServiceError

MINIMUM_CPUS = 2
"""A local Ray says that it has at least two: two train workers share a small machine's cores well enough."""


@contextmanager
def connect(say: Callable[[str], None]) -> Iterator[None]:
    """Ray is up inside the block. Raises ServiceError where the cluster cannot be reached.

    A cluster of its own ends with the block; one that was there stays.
    """
    os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    address = os.environ.get("RAY_ADDRESS")
    if not address and "RAY_AUTH_MODE" not in os.environ:
        # Nobody else may run code in a cluster of our own. Ray reads both when it is imported.
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    import ray

    if ray.is_initialized():
        yield
        return
    options: dict[str, Any] = {"logging_level": logging.WARNING, "log_to_driver": False}
    if address:
        say(f"joining the Ray cluster at {address}")
    else:
        cpus = max(MINIMUM_CPUS, os.cpu_count() or 1)
        say(f"starting Ray on this machine with {cpus} CPUs")
        options |= {"address": "local", "num_cpus": cpus, "include_dashboard": False}
    try:
        ray.init(**options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        hint = "Check RAY_ADDRESS and the token (RAY_AUTH_MODE, RAY_AUTH_TOKEN)" if address else "Run 'apollo doctor'"
        raise ServiceError(f"Ray is not to be had: {error}. {hint}") from error
    # ray.init() installs a handler of its own that kills the process three seconds later, whatever it still has to do.
    previous = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
        ray.shutdown()
