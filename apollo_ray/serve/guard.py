"""What a request meets before its body is read: the key, and the limit of bytes. ASGI, without Ray."""

import math
from collections.abc import Callable
from typing import Any, Protocol

from fastapi.responses import JSONResponse

from apollo_ray.serve.access import Gate
from apollo_ray.serve.api import ApiError

OPEN_PATHS = frozenset({"/health", "/docs", "/openapi.json"})
"""Asked without a key."""


class Guarded(Protocol):
    """What the guard asks of the endpoint behind it."""

    gate: Gate
    max_body_bytes: int


class Guard:
    """Middleware: `scope["state"]["key"]` is the name of the caller's key behind it."""

    def __init__(self, app: Any, find: Callable[[], Guarded]) -> None:
        self._app, self._find = app, find

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        endpoint = self._find()
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        try:
            if path not in OPEN_PATHS:
                scope.setdefault("state", {})["key"] = endpoint.gate.name(headers.get(b"authorization", ""))
            body = await _read(receive, headers.get(b"content-length", ""), endpoint.max_body_bytes)
        except ApiError as error:
            await refusal(error)(scope, receive, send)
            return
        if body is None:
            return

        async def replay() -> Any:
            nonlocal body
            if body is None:
                return await receive()  # then only whether the client hangs up is of interest
            message, body = {"type": "http.request", "body": body, "more_body": False}, None
            return message

        await self._app(scope, replay, send)


async def _read(receive: Any, declared: str, most: int) -> bytes | None:
    """The body; None where the client has gone. Raises ApiError 413 as soon as it is too long."""
    too_long = ApiError(413, f"the body has more than {most} bytes", code="request_too_large")
    if declared.isdigit() and int(declared) > most:
        raise too_long
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > most:
            raise too_long
        if not message.get("more_body"):
            return bytes(body)


def refusal(error: ApiError) -> JSONResponse:
    """The answer that an ApiError stands for."""
    wait = error.retry_after
    headers = None if wait is None else {"Retry-After": str(max(1, math.ceil(wait)))}
    return JSONResponse(error.body(), error.status, headers)
