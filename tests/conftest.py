"""What all tests share. Ray reads its mode of authentication when it is imported, so that is set before anything else."""

import asyncio
import importlib.util
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

os.environ["RAY_AUTH_MODE"] = "token"
os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
os.environ.pop("RAY_ADDRESS", None)

import pytest
from hypothesis import HealthCheck, settings

# The same examples every time, and no limit on how long one may take: a loaded machine is no failure.
settings.register_profile("steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real public text in six languages; its licences keep it out of the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real data at {SHARED_DATA}")
    return SHARED_DATA


def load_script(path: Path) -> ModuleType:
    """A module by its file: tests are no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class Scripted:
    """A scripted OpenAI server of this process. `server` has the counters of tests/scripted_openai.py."""

    server: Any
    address: str


@pytest.fixture
def scripted_openai() -> Iterator[Callable[..., Scripted]]:
    """Starts scripted OpenAI servers on loopback: `scripted_openai(delay_s=0.0, faults=0.2, content_faults=0.1, seed=0)`."""
    module = load_script(ROOT / "tests" / "scripted_openai.py")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    opened = []

    def start(delay_s: float = 0.0, faults: float = 0.0, content_faults: float = 0.0, seed: int = 0) -> Scripted:
        server = module.Server(delay_s, faults, content_faults, seed)
        listening = asyncio.run_coroutine_threadsafe(module.listen(server, 0), loop).result()
        opened.append(listening)
        return Scripted(server, f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1")

    async def end() -> None:
        for listening in opened:
            listening.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    yield start
    asyncio.run_coroutine_threadsafe(end(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()
