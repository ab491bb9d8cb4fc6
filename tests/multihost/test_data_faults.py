"""A worker host loses its power in the middle of corpus and of rewrite: no row lost or doubled, answers paid once."""

import asyncio
import json
import runpy
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from .cluster import ROOT, Cluster, busy, wait_until
from .recorder import Recorder
from .rows import FAULTS as FILE
from .rows import as_lines, objects, rows_of, same_corpus, steps_of

SMALL_BLOCKS = ROOT / "tests" / "multihost" / "small_blocks.py"
CONCURRENCY = 8


def test_a_host_lost_in_the_middle_of_corpus(cluster: Cluster, unbroken_corpus: float, faults: Recorder) -> None:
    running = cluster.submit(FILE, "documents", "store=s3://apollo/broken")
    lost = cluster.workers[0]
    running.until(lambda: len(objects("broken/documents/")) >= 8 and busy(lost, "_prepare_pack"))
    made = len(objects("broken/documents/"))
    lost.cut()
    cut = time.monotonic()
    noticed = wait_until(lambda: lost.ip not in cluster.alive(), 60)
    wait_until(lambda: len(objects("broken/documents/")) > made, 60)
    going_on = time.monotonic() - cut
    taken = running.succeed()
    faults.record(
        "worker host, power cut in the middle of corpus",
        same_corpus("s3://apollo/broken"),
        f"{noticed:.0f} until noticed, {going_on:.0f} until the next pack",
        f"{made} packs were prepared; {taken:.0f} s on the host that was left, {unbroken_corpus:.0f} s on two",
    )


@pytest.fixture
def scripted(cluster: Cluster) -> Iterator[Callable[[], Any]]:
    """Starts scripted OpenAI servers on the bridge: what it returns has `server` and `address`."""
    module = runpy.run_path(str(ROOT / "tests" / "scripted_openai.py"))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: cluster.network.inside(loop.run_forever), daemon=True)
    thread.start()

    def start() -> Any:
        server = module["Server"](0.15, 0.1, 0.1, 0)
        listening = module["listen"](server, 0, cluster.network.address)
        opened = asyncio.run_coroutine_threadsafe(listening, loop).result()
        return SimpleNamespace(
            server=server, address="http://{}:{}/v1".format(*opened.sockets[0].getsockname()[:2]), opened=opened
        )

    async def end() -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    yield start
    asyncio.run_coroutine_threadsafe(end(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def rewrite(cluster: Cluster, store: str, address: str) -> Any:
    engine = {"kind": "openai", "model": "m", "base_url": address, "timeout_s": 3, "concurrency": CONCURRENCY}
    return cluster.drive(str(SMALL_BLOCKS), str(FILE), "qa", f"store={store}", f"qa.engine={json.dumps(engine)}")


def test_a_host_lost_in_the_middle_of_rewrite(
    cluster: Cluster, faults: Recorder, scripted: Callable[[], Any], tmp_path: Path
) -> None:
    whole, broken = scripted(), scripted()
    unbroken = rewrite(cluster, "s3://apollo/whole", whole.address).succeed()
    running = rewrite(cluster, "s3://apollo/broken", broken.address)
    number = whole.server.stats()["prompts_paid"]
    running.until(lambda: broken.server.stats()["prompts_paid"] >= number // 3)
    lost = cluster.workers[0]
    lost.cut()
    cut, paid = time.monotonic(), broken.server.stats()["prompts_paid"]
    wait_until(lambda: broken.server.stats()["prompts_paid"] > paid, 60)
    going_on = time.monotonic() - cut
    noticed = going_on + wait_until(lambda: lost.ip not in cluster.alive(), 60)
    taken = running.succeed()
    engine = f"qa.engine={json.dumps({'kind': 'openai', 'model': 'm'})}"
    before = steps_of(FILE, "qa", "store=s3://apollo/whole", engine)["qa"]
    after = steps_of(FILE, "qa", "store=s3://apollo/broken", engine)["qa"]
    assert before.manifest is not None
    assert after.manifest is not None
    assert after.manifest.counts == before.manifest.counts
    for group in ("data", "dropped"):
        assert as_lines(rows_of("s3://apollo/broken", after, group)) == as_lines(
            rows_of("s3://apollo/whole", before, group)
        )
    stats = broken.server.stats()
    assert stats["prompts_paid"] == number
    assert stats["paid_twice"] == 0
    counts = after.manifest.counts
    faults.record(
        "worker host, power cut in the middle of rewrite",
        f"nothing: {counts.read} passages = {counts.kept} kept + {counts.read - counts.kept} dropped, rows as unbroken; "
        f"{number} prompts paid, {stats['paid_twice']} of them twice",
        f"{going_on:.1f} until the next answer, {noticed:.0f} until noticed",
        f"{paid} answers were paid; {taken:.0f} s, unbroken {unbroken:.0f} s",
    )
