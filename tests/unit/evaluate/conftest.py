"""A small HTTP server that answers as an OpenAI endpoint does, with faults on demand.

A token is a character, and its log probability is -(code point % 7 + 1) / 10, so a test can work out every number.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


def token_logprob(character: str) -> float:
    return -(ord(character) % 7 + 1) / 10


@dataclass
class Fault:
    status: int
    body: str = '{"error": {"message": "fault"}}'
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class FakeEndpoint:
    models: tuple[str, ...] = ("base", "expert")
    text: str = " B"  # of generated choices
    fault: Callable[[int, dict[str, Any]], Fault | None] = lambda number, body: None
    delay: Callable[[dict[str, Any]], float] = lambda body: 0.0
    start_token: str = ""
    logprobs: bool = True
    requests: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)  # path, body, authorization
    busy: int = 0
    most_busy: int = 0
    address: str = ""
    lock: Any = field(default_factory=threading.Lock)
    listed: list[dict[str, Any]] | None = None  # what /v1/models says; None: no such route

    def likeliest(self, model: str, place: int) -> str:
        """The token at this place of a prompt that the model finds likeliest: every third one is the expert's own."""
        return "x" if model == "expert" and place % 3 == 0 else "y"

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if body["model"] not in self.models:
            return 404, {"error": {"message": f"model {body['model']!r} does not exist"}}
        if path == "/v1/chat/completions":
            message = {"role": "assistant", "content": f" reply to {body['messages'][-1]['content']}"}
            return 200, {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        choices = [self._choice(index, prompt, body) for index, prompt in enumerate(body["prompt"])]
        return 200, {"choices": choices[::-1]}

    def _choice(self, index: int, prompt: str, body: dict[str, Any]) -> dict[str, Any]:
        if not body.get("echo"):
            return {"index": index, "text": self.text, "finish_reason": "stop", "logprobs": None}
        tokens = [*([self.start_token] if self.start_token else []), *prompt]
        offsets = [sum(len(token) for token in tokens[:at]) for at in range(len(tokens))]
        logprobs = {
            "tokens": tokens,
            "token_logprobs": [None, *(token_logprob(token[-1]) for token in tokens[1:])],
            "text_offset": offsets,
            "top_logprobs": [
                None,
                *({token[-1]: 0.0, self.likeliest(body["model"], at): 1.0} for at, token in enumerate(tokens[1:])),
            ],
        }
        return {
            "index": index,
            "text": prompt,
            "finish_reason": "length",
            "logprobs": logprobs if self.logprobs else None,
        }


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEndpoint]:
    for name in ("OPENAI_API_KEY", "APOLLO_API_KEY", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    fake = FakeEndpoint()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found = self.path == "/v1/models" and fake.listed is not None
            data = json.dumps({"object": "list", "data": fake.listed}).encode() if found else b"{}"
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with fake.lock:
                fake.requests.append((self.path, body, self.headers["Authorization"]))
                number = len(fake.requests)
                fake.busy += 1
                fake.most_busy = max(fake.most_busy, fake.busy)
            time.sleep(fake.delay(body))
            fault = fake.fault(number, body)
            status, data, headers = (
                (fault.status, fault.body.encode(), fault.headers)
                if fault
                else (*(lambda pair: (pair[0], json.dumps(pair[1]).encode()))(fake.answer(self.path, body)), {})
            )
            with fake.lock:
                fake.busy -= 1
            try:
                self.send_response(status)
                for name, value in ({"Content-Type": "application/json"} | headers).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # the client gave up waiting, as some tests want

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    fake.address = f"http://127.0.0.1:{server.server_address[1]}/v1"
    yield fake
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def token_score() -> Callable[[str], float]:
    """Log probability that the server gives a text."""
    return lambda text: sum(token_logprob(character) for character in text)


@pytest.fixture
def fault() -> type[Fault]:
    return Fault
