"""Two replicas under load: one is killed, all are replaced, one is taken away; and what `serve deploy` does of it."""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import openai
import psutil
import pytest
import yaml
from ray import serve

from apollo_ray.serve.app import build
from apollo_ray.serve.settings import EndpointSettings

from . import tiny_endpoint
from .conftest import BIN, ROOT, Cluster
from .tiny_endpoint import ask, deployed, tiny_settings

APP = "faults"
STREAMS = 16
LONG = 480  # tokens of an answer that goes on while things happen
BROKEN = (openai.APIError, httpx2.HTTPError)
"""What a client of the openai package sees of an answer that ends with its replica."""


@dataclass
class Seen:
    """What one client got. `error` is None for an answer that came whole."""

    text: str = ""
    finish: str | None = None
    error: BaseException | None = None
    started: threading.Event = field(default_factory=threading.Event)
    seconds: float = 0.0


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> EndpointSettings:
    return tiny_settings(tmp_path_factory.mktemp("models"), replicas=2, slots=STREAMS, node_labels={"use": "in(tests)"})


@pytest.fixture(scope="module")
def address(ray_session: None, settings: EndpointSettings, free_port: Callable[[], int]) -> Iterator[str]:
    with deployed(APP, settings, free_port) as found:
        yield found


@pytest.fixture
def client(address: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=address, api_key="none", max_retries=0, timeout=60) as made:
        yield made


Replicas = Callable[..., dict[int, str]]


@pytest.fixture
def replicas(cluster: Cluster) -> Replicas:
    """`replicas(app)`: pid -> actor id of an application's replicas that are alive."""
    return lambda app=APP: tiny_endpoint.replicas(cluster.dashboard, app)


def stream(client: openai.OpenAI, seed: int, tokens: int, seen: Seen) -> None:
    begun = time.monotonic()
    try:
        for chunk in client.completions.create(
            model="ensemble", prompt="fever", max_tokens=tokens, temperature=1, seed=seed, stream=True,
            extra_body={"ignore_eos": True},
        ):  # fmt: skip
            seen.text += chunk.choices[0].text
            seen.finish = chunk.choices[0].finish_reason
            seen.started.set()
        if seen.finish is None:
            raise openai.APIConnectionError(message="the stream ended without a finish reason", request=None)  # type: ignore[arg-type]
    except Exception as error:
        seen.error = error
    seen.seconds = time.monotonic() - begun
    seen.started.set()


def streams(client: openai.OpenAI, number: int, tokens: int = LONG) -> tuple[list[Seen], list[threading.Thread]]:
    """So many answers under way, each of which has begun."""
    seen = [Seen() for _ in range(number)]
    threads = [threading.Thread(target=stream, args=(client, seed, tokens, one)) for seed, one in enumerate(seen)]
    for thread in threads:
        thread.start()
    for one in seen:
        assert one.started.wait(60)
    return seen, threads


@dataclass
class Load:
    """Short questions from several clients until it is stopped; `wrong` holds whatever was not the right answer."""

    client: openai.OpenAI
    right: dict[int, str]
    answered: int = 0
    wrong: list[Any] = field(default_factory=list)

    def __enter__(self) -> "Load":
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(4)]
        for thread in self._threads:
            thread.start()
        return self

    def _work(self, number: int) -> None:
        while not self._stop.is_set():
            seed = number = (number + 1) % len(self.right)
            try:
                text = ask(self.client, seed)
            except Exception as error:
                self.wrong.append(error)
            else:
                if text != self.right[seed]:
                    self.wrong.append((seed, text))
            with self._lock:
                self.answered += 1

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()


def wait_until(true: Callable[[], bool], seconds: float = 120) -> float:
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < seconds
        time.sleep(0.1)
    return time.monotonic() - begun


def test_the_death_of_a_replica_is_told_to_its_clients_alone(
    client: openai.OpenAI, replicas: Replicas, capsys: Any
) -> None:
    expected = {seed: ask(client, seed, LONG) for seed in range(STREAMS)}
    before = replicas()
    assert len(before) == 2
    seen, threads = streams(client, STREAMS)
    killed = next(iter(before))
    psutil.Process(killed).kill()
    answered = [ask(client, seed) for seed in range(8)]  # while Serve may not know yet
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a client of the dead replica hangs"
    failed = [one for one in seen if one.error is not None]
    assert 0 < len(failed) < STREAMS
    assert all(isinstance(one.error, BROKEN) for one in failed), [repr(one.error) for one in failed]
    for seed, one in enumerate(seen):
        assert expected[seed].startswith(one.text)
        assert one.error is not None or one.text == expected[seed]
    assert answered == [ask(client, seed) for seed in range(8)]
    seconds = wait_until(lambda: len(replicas()) == 2 and killed not in replicas())
    with capsys.disabled():
        print(f"\n{len(failed)} of {STREAMS} streams ended with their replica, {seconds:.1f} s more until two replicas")


def test_a_rolling_update_and_a_scale_down_lose_no_answer(
    client: openai.OpenAI, settings: EndpointSettings, replicas: Replicas
) -> None:
    before = replicas()
    right = {seed: ask(client, seed) for seed in range(8)}
    whole = {seed: ask(client, seed, LONG) for seed in range(6)}
    with Load(client, right) as load:
        seen, threads = streams(client, 6)
        serve.run(build(settings.model_copy(update={"drafts": 0})), name=APP, route_prefix=f"/{APP}")
        wait_until(lambda: len(replicas()) == 2 and not set(replicas()) & set(before))
        updated = load.answered
        later, more_threads = streams(client, 6)
        one = settings.model_copy(update={"drafts": 0, "replicas": 1})
        serve.run(build(one), name=APP, route_prefix=f"/{APP}")
        wait_until(lambda: len(replicas()) == 1)
        for thread in threads + more_threads:
            thread.join(60)
            assert not thread.is_alive()
        reduced = load.answered
        wait_until(lambda: load.answered > reduced + 8)
    assert load.wrong == []
    assert 0 < updated < reduced
    for seed, answer in whole.items():
        assert (seen[seed].error, seen[seed].text) == (None, answer)
        assert (later[seed].error, later[seed].text) == (None, answer)


def test_serve_deploy_needs_the_token_and_changes_alpha_live(
    address: str, cluster: Cluster, settings: EndpointSettings, replicas: Replicas, tmp_path: Path
) -> None:
    """The shipped file for one CPU with the test's models, beside the application that runs."""
    document = yaml.safe_load((ROOT / "jobs" / "configs" / "serve-cpu.yaml").read_text())
    document = {"applications": document["applications"]}  # the address is Serve's, which runs
    [application] = document["applications"]
    application |= {"name": "deployed", "route_prefix": "/deployed"}
    application["args"] |= settings.models | {"max_length": 256, "cpus_per_replica": 0.3}
    base_url = address.replace(f"/{APP}/", "/deployed/")

    def deploy(alpha: float, **environment: str) -> subprocess.CompletedProcess[str]:
        application["deployments"][0]["user_config"]["alpha"] = alpha
        file = tmp_path / "serve.yaml"
        file.write_text(yaml.safe_dump(document))
        command = [str(BIN / "serve"), "deploy", str(file), "--address", cluster.dashboard]
        return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=120)

    assert deploy(0.5, RAY_AUTH_TOKEN="0" * 64).returncode != 0
    assert "deployed" not in serve.status().applications
    try:
        with openai.OpenAI(base_url=base_url, api_key="none", max_retries=0, timeout=60) as client:
            found, threads = [], []
            for alpha in (0.5, 0.75):
                done = deploy(alpha)
                assert done.returncode == 0, done.stderr

                def told(alpha: float = alpha) -> bool:
                    try:
                        return bool(client.models.list().data[0].model_dump()["alpha"] == alpha)
                    except openai.APIStatusError:
                        return False

                wait_until(told)
                found.append(replicas("deployed"))
                answer = client.completions.create(model="ensemble", prompt="fever", max_tokens=2)
                assert answer.model_dump()["proxy"]["alpha"] == alpha
                if not threads:
                    expected = [ask(client, seed, 200) for seed in range(4)]
                    seen, threads = streams(client, 4, 200)
            for thread in threads:
                thread.join(60)
            assert [(one.error, one.text) for one in seen] == [(None, text) for text in expected]
        assert found[0] == found[1] != {}, "replicas restarted"
    finally:
        serve.delete("deployed")
