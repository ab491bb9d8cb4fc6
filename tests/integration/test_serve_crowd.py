"""A crowd at the endpoint: a thousand connections, clients that send or read slowly; nobody else is disturbed."""

import asyncio
import contextlib
import json
import socket
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import aiohttp
import openai
import psutil
import pytest
from ray.util.state import list_actors

from .conftest import Cluster
from .tiny_endpoint import ask, deployed, replicas, tiny_settings

APP = "crowd"
CROWD = 1000
PATIENCE_S = 30
"""Of a well-behaved client; alone it is answered in well under a second."""

GROWTH_MB = 32
"""What a crowd may leave that is the second of its kind: the first makes heaps and buffers as large as they get."""


@pytest.fixture(scope="module")
def address(ray_session: None, tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[str]:
    settings = tiny_settings(tmp_path_factory.mktemp("models"), slots=8)
    with deployed(APP, settings, free_port) as found:
        yield found


@pytest.fixture
def client(address: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=address, api_key="none", max_retries=0, timeout=PATIENCE_S) as made:
        yield made


@pytest.fixture
def memory(cluster: Cluster) -> Callable[[], float]:
    """MB of private pages of the replica and of Serve's proxies."""

    def find() -> float:
        proxies = list_actors(address=cluster.dashboard, filters=[("state", "=", "ALIVE")], limit=1000)
        pids = [*replicas(cluster.dashboard, APP), *(one.pid for one in proxies if "Proxy" in one.class_name)]
        assert len(pids) >= 2
        return sum(psutil.Process(pid).memory_full_info().uss for pid in pids) / 2**20

    return find


@contextlib.contextmanager
def connections(address: str, beginnings: list[bytes]) -> Iterator[list[socket.socket]]:
    """A connection for each of `beginnings`, which is all that it sends; nothing is read."""
    place = urlsplit(address)
    with contextlib.ExitStack() as stack:
        found = []
        for beginning in beginnings:
            one = stack.enter_context(socket.create_connection((str(place.hostname), int(place.port or 0)), 30))
            one.sendall(beginning)
            found.append(one)
        yield found


def request(address: str, body: bytes, length: int) -> bytes:
    path = urlsplit(address).path
    return b"POST %s/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        path.encode(), length, body)  # fmt: skip


def active(address: str) -> int:
    """Answers under way at the endpoint."""
    with urllib.request.urlopen(f"{address.removesuffix('/v1')}/metrics", timeout=PATIENCE_S) as reply:
        lines = reply.read().decode().splitlines()
    return next(int(line.split()[-1]) for line in lines if line.startswith("apollo_active_answers"))


def wait_until_idle(address: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while active(address):
        assert time.monotonic() < end, "places are not freed"
        time.sleep(0.2)


def answers(client: openai.OpenAI, number: int = 24) -> list[str]:
    """From four clients at once."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda seed: ask(client, seed), range(number)))


def test_a_thousand_connections_that_never_finish_disturb_nobody(
    address: str, client: openai.OpenAI, memory: Callable[[], float]
) -> None:
    right, sizes = answers(client), []
    beginnings = [request(address, b'{"prompt": "fe', 500), b"POST /crowd/v1/comple", b""]
    for _ in range(2):
        with connections(address, [beginnings[number % 3] for number in range(CROWD)]) as opened:
            assert answers(client) == right
            opened[0].settimeout(PATIENCE_S)
            told = opened[0].recv(10_000)
            assert b" 408 " in told.splitlines()[0]
            assert b"request_timeout" in told
        assert answers(client) == right
        sizes.append(memory())
    assert sizes[1] - sizes[0] < GROWTH_MB


def test_clients_that_never_read_their_streams_disturb_nobody(
    address: str, client: openai.OpenAI, memory: Callable[[], float]
) -> None:
    right, before = answers(client), memory()
    body = json.dumps({"prompt": "fever", "max_tokens": 400, "stream": True, "ignore_eos": True}).encode()
    with connections(address, [request(address, body, len(body))] * 16):
        assert answers(client) == right
    wait_until_idle(address)
    assert memory() - before < GROWTH_MB


def test_ten_megabytes_are_refused_and_the_next_is_served(
    address: str, client: openai.OpenAI, memory: Callable[[], float]
) -> None:
    right, before = answers(client), memory()
    for prompt in ("x" * 10_000_000, [1] * 3_000_000):
        with pytest.raises(openai.APIStatusError) as refused:
            client.completions.create(model="ensemble", prompt=prompt)
        assert refused.value.status_code == 413
        assert refused.value.body["code"] == "request_too_large"  # type: ignore[index]
    assert answers(client) == right
    assert memory() - before < GROWTH_MB


def test_of_a_thousand_requests_at_once_each_is_answered_or_told_to_come_later(
    address: str, client: openai.OpenAI
) -> None:
    right = answers(client)

    async def one(session: aiohttp.ClientSession, seed: int) -> int:
        body = {"model": "ensemble", "prompt": "fever", "max_tokens": 12, "temperature": 1, "seed": seed}
        async with session.post(f"{address}/completions", json=body | {"ignore_eos": True}) as reply:
            if reply.status == 200:
                assert (await reply.json())["choices"][0]["text"] == right[seed]
            else:
                assert int(reply.headers["Retry-After"]) >= 1
                assert await reply.text()
            return reply.status

    async def crowd() -> Counter[int]:
        timeout, connector = aiohttp.ClientTimeout(total=120), aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            return Counter(await asyncio.gather(*(one(session, number % len(right)) for number in range(CROWD))))

    statuses = asyncio.run(crowd())
    assert set(statuses) == {200, 429}
    assert statuses[200] >= 256  # the default of max_queued
    assert answers(client) == right
    wait_until_idle(address)
