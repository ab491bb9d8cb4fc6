"""Latency and throughput of the endpoint over HTTP, and what Ray Serve costs over the bare engine.

    python benchmarks/serve_http.py FOLDER engine    # prompts through AsyncEngine in this process
    python benchmarks/serve_http.py FOLDER http      # the same prompts through Ray Serve, as streams
    python benchmarks/serve_http.py FOLDER report    # Markdown of both

Closed loop: each of the clients sends its next request when it has the last token of the one before. Greedy, streams of
32 new tokens after 32 of prompt, no drafts, one thread for the engine; random weights (benchmarks/serve_models.py).
"""

import argparse
import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import torch
from serve_models import ALPHA, LENGTH, NEW, PROMPT, keep, make, percentile, prompts, served

from apollo_ray.serve.async_engine import AsyncEngine
from apollo_ray.serve.engine import Engine, Request
from apollo_ray.serve.models import check_models, load_models

CLIENTS = (1, 8, 32, 64)
SLOTS = 32
Stream = Callable[[list[int]], AsyncIterator[int]]
"""Ids of a prompt -> how many tokens of its answer are there, each time that there are more."""


async def load(stream: Stream, clients: int, requests: int, asked: list[list[int]]) -> dict[str, float]:
    """Times in ms and rates of `requests` requests from so many clients."""
    left = iter(range(requests))
    first, between, tokens = [], [], []

    async def client() -> None:
        for number in left:
            last, got = time.perf_counter(), 0
            async for length in stream(asked[number % len(asked)]):
                now = time.perf_counter()
                if got == 0:
                    first.append((now - last) * 1e3)
                else:  # a piece of several tokens (the client was busy) is as many gaps
                    between.extend([(now - last) * 1e3 / (length - got)] * (length - got))
                last, got = now, length
            tokens.append(got)

    start = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    wall = time.perf_counter() - start
    assert len(tokens) == requests
    found = {"requests_s": requests / wall, "tokens_s": sum(tokens) / wall}
    for name, values in (("first", first), ("between", between)):
        found |= {f"{name}_p50_ms": percentile(values, 0.5), f"{name}_p95_ms": percentile(values, 0.95)}
    return found


async def measure(folder: Path, name: str, stream: Stream, per_client: int) -> None:
    asked = prompts(folder, 256)
    await load(stream, 4, 8, asked)
    rows: dict[str, Any] = {}
    for clients in CLIENTS:
        before = os.getloadavg()[0]
        rows[str(clients)] = await load(stream, clients, max(8, per_client * clients), asked) | {"load": before}
    keep(folder, name, rows)


def engine(folder: Path, per_client: int) -> None:
    torch.set_num_threads(1)
    folders = make(folder)
    _, width = check_models(folders, LENGTH)
    running = AsyncEngine(Engine(load_models(folders, "float32", "cpu"), width, SLOTS, LENGTH))

    async def stream(ids: list[int]) -> AsyncIterator[int]:
        async for length in running.stream(Request(ids, NEW, (1.0, ALPHA, -ALPHA))):
            if length:
                yield length

    asyncio.run(measure(folder, "engine", stream, per_client))


def http(folder: Path, per_client: int) -> None:
    with served(folder, SLOTS, drafts=0) as address:
        asyncio.run(with_session(address, lambda stream: measure(folder, "http", stream, per_client)))


async def with_session(address: str, work: Callable[[Stream], Awaitable[None]]) -> None:
    body = {"model": "ensemble", "max_tokens": NEW, "temperature": 0, "stream": True, "ignore_eos": True, "logprobs": 0}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def stream(ids: list[int]) -> AsyncIterator[int]:
            length = 0
            async with session.post(f"{address}/completions", json=body | {"prompt": ids}) as reply:
                assert reply.status == 200, await reply.text()
                async for line in reply.content:
                    if line.startswith(b"data: {"):
                        logprobs = json.loads(line[6:])["choices"][0]["logprobs"]
                        length += len(logprobs["tokens"]) if logprobs else 0
                        yield length
            assert length == NEW, length

        await work(stream)


def report(folder: Path) -> None:
    """What was measured, as Markdown."""
    found = {name: json.loads((folder / f"{name}.json").read_text()) for name in ("engine", "http")}
    print(f"{PROMPT} tokens of prompt, {NEW} new ones, {SLOTS} slots.\n")
    print("| | clients | requests/s | tokens/s | first token p50, p95 (ms) | between tokens p50, p95 (ms) | load |")
    print("|---|---|---|---|---|---|---|")
    for name, rows in found.items():
        for clients, row in rows.items():
            times = [f"{row[f'{key}_p50_ms']:.0f}, {row[f'{key}_p95_ms']:.0f}" for key in ("first", "between")]
            rates = [f"{row['requests_s']:.2f}", f"{row['tokens_s']:.0f}"]
            print("| " + " | ".join([name, clients, *rates, *times, f"{row['load']:.1f}"]) + " |")
    print("\n| clients | HTTP's requests/s of the bare engine's |\n|---|---|")
    for clients, row in found["http"].items():
        print(f"| {clients} | {row['requests_s'] / found['engine'][clients]['requests_s']:.2f}x |")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("part", choices=("engine", "http", "report"))
    parser.add_argument("--per-client", type=int, default=4, help="requests of each client, 8 in all at least")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if arguments.part == "report":
        report(arguments.folder)
    else:
        {"engine": engine, "http": http}[arguments.part](arguments.folder, arguments.per_client)


if __name__ == "__main__":
    main()
