"""Asking an endpoint that answers in 200 ms: how much of the concurrency limit is used, CPU a call, memory by passages.

    python benchmarks/rewrite.py --passages 1000 10000

The server is tests/scripted_openai.py in a process of its own; each size runs in a new process with a new ledger.
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import openai

from apollo_ray.rewrite import prompts
from apollo_ray.rewrite.ledger import Ledger
from apollo_ray.rewrite.openai_engine import ask_all
from apollo_ray.rewrite.script import Form, Script
from apollo_ray.rewrite.segment import Passage
from apollo_ray.rewrite.settings import OpenAIEngine, StageSettings
from apollo_ray.store import Store

ROOT = Path(__file__).resolve().parents[1]
PORT = 8941
DELAY_S = 0.2


def passages(number: int) -> Iterator[tuple[Passage, Form]]:
    for n in range(number):
        text = f"Case {n} had a fever for {n % 30 + 1} days and was given rest and water. " * 12
        yield Passage(str(n), 0, f"case {n}", (), text, "en", "web"), "pair"


def stats() -> dict:
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/stats") as answer:
        return json.load(answer)


def ask(number: int, concurrency: int, folder: str) -> None:
    """One size; prints a row."""
    engine = OpenAIEngine(
        kind="openai", model="m", base_url=f"http://127.0.0.1:{PORT}/v1", concurrency=concurrency, timeout_s=30
    )
    settings = StageSettings(documents=("d",), engine=engine)
    script = Script.of(settings, prompts.load(settings.prompts), "m")
    before, begun, cpu = stats(), time.monotonic(), time.process_time()
    progress = ask_all(passages(number), script, engine, Ledger(Store(folder)), lambda _: None)
    wall, cpu = time.monotonic() - begun, time.process_time() - cpu
    after = stats()
    calls = after["seen"]["answered"] - before["seen"].get("answered", 0)
    busy = (after["busy_s"] - before["busy_s"]) / (concurrency * wall)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    assert progress.passages == number
    print(f"| {number} | {calls} | {wall:.1f} | {busy:.3f} | {1e3 * cpu / calls:.2f} | {memory:.0f} |", flush=True)


async def client_alone(number: int, concurrency: int) -> float:
    """CPU ms a call of the openai package's client and nothing else, on prompts of the same length."""
    client = openai.AsyncOpenAI(api_key="none", base_url=f"http://127.0.0.1:{PORT}/v1", max_retries=0, timeout=30)
    gate = asyncio.Semaphore(concurrency)

    async def one(n: int) -> None:
        messages = [{"role": "user", "content": f"Alone {n}: " + "had a fever and was given rest and water. " * 24}]
        async with gate:
            await client.post("/chat/completions", body={"model": "m", "messages": messages}, cast_to=object)

    cpu = time.process_time()
    await asyncio.gather(*(one(n) for n in range(number)))
    return 1e3 * (time.process_time() - cpu) / number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--only", type=int, help="one size, against a server that runs already")
    chosen = parser.parse_args()
    if chosen.only:
        with tempfile.TemporaryDirectory() as folder:
            ask(chosen.only, chosen.concurrency, folder)
        return
    print(f"concurrency {chosen.concurrency}, answers after {1e3 * DELAY_S:.0f} ms\n")
    print("| passages | calls | wall s | share of the limit in use | CPU ms a call | largest memory MB |")
    print("|---|---|---|---|---|---|", flush=True)
    command = [sys.executable, str(ROOT / "tests" / "scripted_openai.py"), "--port", str(PORT), "--delay", str(DELAY_S)]
    server = subprocess.Popen(command)
    try:
        time.sleep(2)
        for number in chosen.passages:
            again = [sys.executable, __file__, "--only", str(number), "--concurrency", str(chosen.concurrency)]
            subprocess.run(again, check=True)
        alone = asyncio.run(client_alone(2 * chosen.passages[0], chosen.concurrency))
        print(f"\nthe openai client alone: {alone:.2f} ms of CPU a call")
    finally:
        server.terminate()


if __name__ == "__main__":
    main()
