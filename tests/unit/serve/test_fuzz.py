"""Bodies of every kind at the endpoint's own routes, in this process: a refusal in OpenAI's form, never a crash."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ray import serve
from starlette.testclient import TestClient

from apollo_ray.serve import api
from apollo_ray.serve.app import Endpoint, app
from apollo_ray.serve.settings import EndpointSettings

MOST_BYTES = 64 * 1024
MODELS = {
    "/v1/completions": api.CompletionRequest,
    "/v1/chat/completions": api.ChatRequest,
    "/tokenize": api.TokenizeRequest,
    "/detokenize": api.DetokenizeRequest,
}
GOOD = {
    "/v1/completions": {"prompt": "fever", "max_tokens": 2, "temperature": 0},
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "fever"}], "max_tokens": 2, "temperature": 0},
    "/tokenize": {"prompt": "fever"},
    "/detokenize": {"tokens": [1, 2]},
}
PATHS = sorted(MODELS)

numbers = st.integers() | st.floats() | st.sampled_from([0, -1, 10**30, -(2**63), 2**64, 1e308])
texts = st.text(max_size=12) | st.sampled_from(
    ["", "\x00", "\ud800", "A" * 5000, "ensemble@nan", "ensemble@1e9", "base"]
)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def client(models: Any, tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The application with one endpoint behind it, as a replica has it, without Serve around it."""
    folder: Path = tmp_path_factory.mktemp("models")
    for role, model in models.items():
        model.save_pretrained(folder / role)
        tokenizer.save_pretrained(folder / role)
    named = {role: str(folder / role) for role in models}
    endpoint = Endpoint(EndpointSettings(**named, max_length=64, slots=4, max_body_bytes=MOST_BYTES), {})
    context = SimpleNamespace(servable_object=endpoint, replica_tag="one")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serve, "get_replica_context", lambda: context)
        with TestClient(app, raise_server_exceptions=True) as made:
            yield made


@pytest.fixture(scope="module")
def page(client: TestClient) -> Iterator[Any]:
    """The OpenAPI page of the same application, listening on loopback."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield schemathesis.openapi.from_url(f"http://127.0.0.1:{listening.getsockname()[1]}/openapi.json")
    server.should_exit = True
    thread.join(20)


def test_no_request_from_the_page_fails_the_server(page: Any) -> None:
    operations = [result.ok() for result in page.get_all_operations()]
    assert {"/v1/completions", "/v1/chat/completions", "/tokenize", "/metrics"} <= {one.path for one in operations}
    for operation in operations:

        @given(case=operation.as_strategy())
        @settings(max_examples=25, suppress_health_check=list(HealthCheck))
        def ask(case: Any) -> None:
            case.call_and_validate(checks=[schemathesis.checks.not_a_server_error], timeout=60)

        ask()


def check_refusal(status: int, body: bytes) -> None:
    """A status that names the client's mistake, and OpenAI's form."""
    assert 400 <= status < 500, (status, body[:300])
    error = json.loads(body)["error"]
    assert error["message"]
    assert set(error) >= {"message", "type", "param", "code"}


def post(client: TestClient, path: str, content: bytes) -> tuple[int, bytes]:
    reply = client.post(path, content=content, headers={"Content-Type": "application/json"})
    return reply.status_code, reply.content


@pytest.mark.parametrize("path", PATHS)
def test_a_good_body_is_answered(client: TestClient, path: str) -> None:
    status, body = post(client, path, json.dumps(GOOD[path]).encode())
    assert status == 200, body
    assert json.loads(body)


@given(data=st.data())
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@pytest.mark.parametrize("path", PATHS)
def test_any_field_may_hold_anything(client: TestClient, path: str, data: Any) -> None:
    names = st.sampled_from([*MODELS[path].model_fields, "no_such_field"])
    changed = data.draw(st.dictionaries(names, values, min_size=1, max_size=3))
    body = GOOD[path] | changed
    if body.get("max_tokens") in (None, "") or (isinstance(body.get("n"), int) and body["n"] > 4):
        body |= {"max_tokens": 2, "n": 1}  # bounded in time, not in kind
    status, answer = post(client, path, json.dumps(body).encode())
    if status != 200:
        check_refusal(status, answer)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "content",
    [
        b"", b"null", b"[]", b"7", b'"text"', b"{", b'{"prompt": "a"', b"\xff\xfe\x00", b'{"prompt": "\xff"}',
        b'{"prompt": NaN, "messages": NaN, "tokens": NaN}', b"[" * 20_000, b'{"a":' * 5_000,
        b'{"prompt": "a", "prompt": 3, "messages": [], "messages": 1, "tokens": [], "tokens": 5}',
        json.dumps({"prompt": [0] * 20_000, "messages": "a" * 20_000, "tokens": [10**9]}).encode(),
        json.dumps({"prompt": "fever " * 9_000, "messages": [{"role": "user", "content": "fever " * 9_000}],
                    "tokens": [-1]}).encode(),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_body_is_refused(client: TestClient, path: str, content: bytes) -> None:
    check_refusal(*post(client, path, content))


def test_a_body_past_the_limit_is_413_and_the_next_client_is_served(client: TestClient) -> None:
    for content in (b" " * 10 * 2**20, json.dumps({"prompt": "a" * 10 * 2**20}).encode()):
        status, body = post(client, "/v1/completions", content)
        assert status == 413
        check_refusal(status, body)
    assert post(client, "/v1/completions", json.dumps(GOOD["/v1/completions"]).encode())[0] == 200


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/nothing", "/chat/../x"])
def test_a_wrong_method_or_route_is_refused(client: TestClient, path: str) -> None:
    reply = client.put(path)
    check_refusal(reply.status_code, reply.content)
