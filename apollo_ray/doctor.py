"""What a newcomer should know before a run: is everything there, and does it fit?"""

import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from apollo_ray.checks import FREE_GIB_NEEDED, Check
from apollo_ray.config import RunConfig
from apollo_ray.errors import ServiceError, UserError
from apollo_ray.planning import plan
from apollo_ray.run import versions
from apollo_ray.store import Store


def checks(config: RunConfig | None, connect: Callable[[], AbstractContextManager[None]]) -> Iterator[Check]:
    """One check at a time, each as soon as it is known. The config's checks come only with a config."""
    yield Check("python", sys.version_info >= (3, 11), platform.python_version(), "install Python 3.11 or later")
    found = versions()
    missing = [name for name, version in found.items() if version == "not installed"]
    listed = ", ".join(f"{name} {version}" for name, version in found.items())
    yield Check("packages", not missing, listed, f"install {', '.join(missing)}")
    yield _accelerators()
    free = shutil.disk_usage(tempfile.gettempdir()).free / 2**30
    yield Check("disk", free >= FREE_GIB_NEEDED, f"{free:.0f} GiB free in {tempfile.gettempdir()}", "free some space")
    if config is not None:
        yield from _config_checks(config)
    yield _ray(connect)


def _accelerators() -> Check:
    import torch

    number = torch.cuda.device_count()
    found = ", ".join(torch.cuda.get_device_name(index) for index in range(number)) or "none: everything runs on CPU"
    return Check("accelerators", True, found)


def _config_checks(config: RunConfig) -> Iterator[Check]:
    try:
        Store(config.store).check_writable()
    except UserError as error:
        yield Check("store", False, str(error), "correct 'store' or the credentials in the environment")
        return
    yield Check("store", True, f"{config.store} can be written and read")
    try:
        steps = plan(config)
    except (UserError, ServiceError) as error:
        yield Check("config", False, str(error), "correct the run's YAML file")
        return
    finished = sum(step.finished for step in steps)
    yield Check("config", True, f"run {config.run}: {len(steps)} steps, {finished} finished")


def _ray(connect: Callable[[], AbstractContextManager[None]]) -> Check:
    try:
        with connect():
            import ray

            total = ray.cluster_resources()
            nodes = sum(node["Alive"] for node in ray.nodes())
    except ServiceError as error:
        return Check("ray", False, str(error), "see the message")
    memory = total.get("memory", 0) / 2**30
    found = f"{nodes} node(s), {total.get('CPU', 0):.0f} CPUs, {total.get('GPU', 0):.0f} GPUs, {memory:.0f} GiB"
    return Check("ray", True, found)
