"""The client of an endpoint: what each kind of trouble becomes. Before a server on loopback that makes it."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from typer.testing import CliRunner

from apollo_ray.cli import app
from apollo_ray.endpoint.client import KEY_VARIABLES, Endpoint, RefusedError, Reply
from apollo_ray.errors import EXIT_USER, ServiceError

ERROR = {"error": {"message": "no such thing", "type": "x", "param": None, "code": None}}


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass

    def _send(self, status: int, kind: str, content: bytes, promised: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content) if promised is None else promised))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        key = self.headers["Authorization"]
        self._send(200, "application/json", json.dumps({"path": self.path, "key": key}).encode())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        chunk = b'data: {"n": 1}\n\n'
        match self.path.rpartition("/")[2]:
            case "refused":
                self._send(404, "application/json", json.dumps(ERROR).encode())
            case "plain":
                self._send(400, "text/plain", b"bad gateway")
            case "whole":
                self._send(200, "text/event-stream", chunk + b"data: [DONE]\n\n")
            case "failing":
                self._send(200, "text/event-stream", chunk + f"data: {json.dumps(ERROR)}\n\n".encode())
            case "cut":
                self._send(200, "text/event-stream", chunk, promised=10_000)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize("end", ["", "/", "/v1", "/v1/"])
def test_an_address_may_end_in_v1(address: str, end: str) -> None:
    assert Endpoint(address + end).ask("/v1/models").body["path"] == "/v1/models"
    assert Endpoint(address + "/prefix" + end).ask("/tokenizer_info").body["path"] == "/prefix/tokenizer_info"


def test_the_key_is_the_first_that_is_set(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert not Endpoint(address).has_key
    monkeypatch.setenv(KEY_VARIABLES[1], "second")
    assert Endpoint(address).ask("/").body["key"] == "Bearer second"
    monkeypatch.setenv(KEY_VARIABLES[0], "first")
    endpoint = Endpoint(address)
    assert endpoint.ask("/").body["key"] == "Bearer first"
    assert endpoint.ask("/", key="other").body["key"] == "Bearer other"


def test_refusals_are_replies(address: str) -> None:
    endpoint = Endpoint(address)
    assert endpoint.ask("/refused", {}) == Reply(404, ERROR)
    assert endpoint.ask("/refused", {}).message == "no such thing"
    assert endpoint.ask("/plain", {}).message == "bad gateway"


def test_a_stream_gives_its_chunks_or_says_why_not(address: str) -> None:
    endpoint = Endpoint(address)
    assert list(endpoint.stream("/whole", {})) == [{"n": 1}]
    with pytest.raises(RefusedError, match="404: no such thing"):
        list(endpoint.stream("/refused", {}))
    for path, error, message in (
        ("/failing", RefusedError, "no such thing"),
        ("/cut", ServiceError, "broke the answer off"),
    ):
        chunks = endpoint.stream(path, {})
        assert next(chunks) == {"n": 1}
        with pytest.raises(error, match=message):
            next(chunks)


def test_nothing_there_is_a_failed_service(free_address: str) -> None:
    endpoint = Endpoint(free_address, retries=0)
    with pytest.raises(ServiceError, match="does not answer"):
        endpoint.ask("/v1/models")
    with pytest.raises(ServiceError, match="does not answer"):
        next(endpoint.stream("/v1/completions", {}))


@pytest.fixture
def free_address() -> str:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        return f"http://127.0.0.1:{server.server_address[1]}"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["doctor", "http://127.0.0.1:9", "step"], "takes no steps"),
        (["doctor", "--model", "base"], "goes with a URL"),
        (["chat", "http://127.0.0.1:9", "a=1"], "takes no steps"),
        (["chat", "no-such-file.yaml"], "no-such-file.yaml"),
    ],
)
def test_commands_refuse_words_that_mean_nothing(words: list[str], message: str) -> None:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == EXIT_USER
    assert message in done.output
