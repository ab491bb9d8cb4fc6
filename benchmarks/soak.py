"""An endpoint under mixed traffic for minutes: is an answer lost, doubled or changed, and does a process grow?

    python benchmarks/soak.py FOLDER --minutes 10

Clients send streams, sampled answers with a seed, several choices, scored prompts, chats, requests that are refused and
streams that are cut after a few tokens. Every whole answer is held against the one that the same request got alone at
the start. At the end the endpoint's own counts must be the clients', and nothing may be active. Memory is that of every
process of the cluster (private pages), sampled all along. Loopback only; random weights (benchmarks/serve_models.py).
"""

import argparse
import asyncio
import json
import os
import random
import re
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from serve_models import keep, prompts, served

CLIENTS, SLOTS, PROMPTS = 12, 8, 24
SAMPLE_S = 5.0
CUT_AFTER = 3  # events of a stream whose client leaves


@dataclass
class Asked:
    """One kind of request: where it goes, what it says and what it must be answered."""

    path: str
    body: dict[str, Any]
    status: int = 200
    cut: bool = False
    answer: Any = None


@dataclass
class Seen:
    """What the clients saw."""

    statuses: Counter[int] = field(default_factory=Counter)
    differing: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def kinds(folder: Path) -> list[Asked]:
    """Requests of every kind, over some prompts."""
    found = []
    for number, ids in enumerate(prompts(folder, PROMPTS)):
        plain = {"model": "ensemble", "prompt": ids, "max_tokens": 24, "temperature": 0}
        found += [
            Asked("completions", plain | {"stream": True}),
            Asked("completions", plain | {"temperature": 1, "seed": number, "n": 2}),
            Asked("completions", plain | {"max_tokens": 0, "echo": True, "logprobs": 0}),
            Asked("completions", plain | {"model": "base", "stop": ["a"]}),
            Asked("chat/completions", {"messages": [{"role": "user", "content": f"fever {number}"}], "max_tokens": 16,
                                       "temperature": 0, "stream": bool(number % 2)}),
            Asked("completions", plain | {"temperature": -1}, status=400),
            Asked("completions", plain | {"max_tokens": 200, "stream": True, "ignore_eos": True}, cut=True),
        ]  # fmt: skip
    return found


async def ask(session: aiohttp.ClientSession, address: str, asked: Asked) -> tuple[int, Any]:
    """(status, the answer without what names the request)."""
    async with session.post(f"{address}/{asked.path}", json=asked.body) as reply:
        if not asked.body.get("stream") or reply.status != 200:
            return reply.status, _told(await reply.json())
        events = []
        async for line in reply.content:
            if line.startswith(b"data: {"):
                events.append(_told(json.loads(line[6:])))
                if asked.cut and len(events) == CUT_AFTER:
                    return reply.status, None  # leaving the block closes the connection
            elif line.startswith(b"data: [DONE]"):
                return reply.status, _joined(events)
        raise AssertionError("a stream ended without its last event")


def _told(body: dict[str, Any]) -> Any:
    told = {key: value for key, value in body.items() if key not in ("id", "created")}
    return json.loads(json.dumps(told), parse_float=lambda digits: round(float(digits), 3))  # a batch moves the rest


def _joined(events: list[Any]) -> Any:
    """How a stream falls into pieces is a matter of time; what they say together is not."""
    choices = [choice for event in events for choice in event["choices"]]
    texts = [choice.get("text") or (choice.get("delta") or {}).get("content") or "" for choice in choices]
    return "".join(texts), [choice["finish_reason"] for choice in choices if choice["finish_reason"]]


async def client(number: int, session: aiohttp.ClientSession, address: str, known: list[Asked], seen: Seen,
                 end: float) -> None:  # fmt: skip
    chance = random.Random(number)
    while time.monotonic() < end:
        asked = chance.choice(known)
        try:
            status, answer = await ask(session, address, asked)
        except (aiohttp.ClientError, AssertionError, TimeoutError) as error:
            seen.failed.append(f"{asked.path}: {type(error).__name__}: {error}")
            continue
        seen.statuses[499 if asked.cut and status == 200 else status] += 1
        if status != asked.status or (not asked.cut and answer != asked.answer):
            seen.differing.append(json.dumps([asked.body, status, answer, asked.answer]))


def memory() -> dict[int, tuple[str, float]]:
    """pid -> (name, MB of private pages) of the processes of this cluster, this one too."""
    found = {}
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        try:
            name = re.sub(r"\s.*", "", " ".join(process.cmdline()[:1])).rpartition("/")[2] or process.name()
            found[process.pid] = name, process.memory_full_info().uss / 2**20
        except psutil.Error:
            continue
    return found


async def sample(samples: list[tuple[float, dict[int, tuple[str, float]]]], end: float) -> None:
    start = time.monotonic()
    while time.monotonic() < end:
        samples.append((time.monotonic() - start, await asyncio.to_thread(memory)))
        await asyncio.sleep(SAMPLE_S)


async def counted(session: aiohttp.ClientSession, address: str) -> tuple[Counter[int], int]:
    """(requests by status, answers under way) as the endpoint has them."""
    async with session.get(f"{address.removesuffix('/v1')}/metrics") as reply:
        text = await reply.text()
    found: Counter[int] = Counter()
    for line in re.finditer(r'^apollo_requests_total\{.*status="(\d+)"\} (\d+)', text, re.M):
        found[int(line[1])] += int(line[2])
    active = re.search(r"^apollo_active_answers\{.*\} (\d+)", text, re.M)
    assert active is not None
    return found, int(active[1])


async def soak(folder: Path, address: str, minutes: float) -> dict[str, Any]:
    known, seen = kinds(folder), Seen()
    samples: list[tuple[float, dict[int, tuple[str, float]]]] = []
    timeout = aiohttp.ClientTimeout(total=120)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
        for asked in known:
            if not asked.cut:
                status, asked.answer = await ask(session, address, asked)
                assert status == asked.status, (status, asked)
        before, _ = await counted(session, address)
        end = time.monotonic() + minutes * 60
        clients = (client(number, session, address, known, seen, end) for number in range(CLIENTS))
        await asyncio.gather(sample(samples, end), *clients)
        await asyncio.sleep(3)  # cut streams are noticed
        after, active = await counted(session, address)
    after.subtract(before)
    lost = {status: (seen.statuses[status], after[status]) for status in {*after, *seen.statuses}
            if seen.statuses[status] != after[status]}  # fmt: skip
    return {
        "minutes": minutes, "load": os.getloadavg()[0], "requests": dict(seen.statuses), "failed": seen.failed,
        "differing": seen.differing, "counts_that_differ": lost, "active_at_the_end": active,
        "memory": growth(samples, minutes),
    }  # fmt: skip


def growth(samples: list[tuple[float, dict[int, tuple[str, float]]]], minutes: float) -> list[dict[str, Any]]:
    """Of every process that lived all along: MB in the second and in the last quarter; the first warms up."""
    found = []
    for pid, (name, _) in samples[-1][1].items():  # Ray renames a process by what it does
        values = [(at, sizes[pid][1]) for at, sizes in samples if pid in sizes]
        if len(values) < 0.9 * len(samples):
            continue
        second = [size for at, size in values if minutes * 15 <= at < minutes * 30]
        last = [size for at, size in values if at >= minutes * 45]
        if second and last:
            found.append({"process": name, "second": statistics.median(second), "last": statistics.median(last)})
    return sorted(found, key=lambda row: row["second"] - row["last"])


def report(found: dict[str, Any]) -> None:
    """As Markdown."""
    print(f"{found['minutes']:g} minutes, load {found['load']:.1f} at the end. Requests by status (499: left by their "
          f"client): {found['requests']}; without an answer {len(found['failed'])}; answers that differ "
          f"{len(found['differing'])}; counts that differ from the endpoint's {found['counts_that_differ']}; under way "
          f"at the end {found['active_at_the_end']}.\n")  # fmt: skip
    print("| process | MB, second quarter | MB, last quarter | growth |\n|---|---|---|---|")
    for row in found["memory"]:
        grown = row["last"] - row["second"]
        print(f"| {row['process']} | {row['second']:.1f} | {row['last']:.1f} | {grown:+.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with served(arguments.folder, SLOTS) as address:
        found = asyncio.run(soak(arguments.folder, address, arguments.minutes))
    keep(arguments.folder, "soak", found)
    report(found)


if __name__ == "__main__":
    main()
