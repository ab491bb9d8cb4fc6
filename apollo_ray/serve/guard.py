"""What a request meets before its body is read: the key, and the limit of bytes. ASGI, without Ray."""

import asyncio
import contextlib
import math
from collections.abc import Callable
from typing import Any, Protocol

from fastapi.responses import JSONResponse

from apollo_ray.serve.access import Gate
from apollo_ray.serve.api import ApiError

DRAINED = 64 * 2**20
"""Bytes of a refused body that are read before the answer."""

BODY_PAUSE_S = 5.0
"""Without a byte of a body that is not whole before it is refused: until then it holds a place in Serve."""

OPEN_PATHS = frozenset({"/", "/chat", "/health", "/docs", "/openapi.json"})
"""Asked without a key."""


class Guarded(Protocol):
    """What the guard asks of the endpoint behind it."""

    gate: Gate
    max_body_bytes: int

    def refused(self, scope: Any, error: ApiError) -> None:
        """Count and log a request that is answered with an error before any work."""


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
        declared = headers.get(b"content-length", "")
        try:
            try:
                if path_of(scope) not in OPEN_PATHS:
                    scope.setdefault("state", {})["key"] = endpoint.gate.name(headers.get(b"authorization", ""))
            except ApiError:
                with contextlib.suppress(ApiError):
                    await _read(receive, declared, 0)
                raise
            body = await _read(receive, declared, endpoint.max_body_bytes)
            if body is not None and len(body) > endpoint.max_body_bytes:
                message = f"the body has more than {endpoint.max_body_bytes} bytes"
                raise ApiError(413, message, code="request_too_large")
        except ApiError as error:
            endpoint.refused(scope, error)
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


def path_of(scope: Any) -> str:
    """The path below the application's own prefix."""
    return str(scope["path"].removeprefix(scope.get("root_path", "")))


async def _read(receive: Any, declared: str, most: int) -> bytes | None:
    """The body, or `most` + 1 bytes of one that is longer; None where the client has gone.

    The rest is read and dropped, up to DRAINED bytes: a client that still sends would not see an answer.
    Raises ApiError 408 where it does not come.
    """
    body, length = bytearray(), 0
    if declared.isdigit() and int(declared) > DRAINED:
        return bytes(most + 1)
    while length <= DRAINED:
        try:
            message = await asyncio.wait_for(receive(), BODY_PAUSE_S)
        except TimeoutError:
            waited = f"no more of the body came for {BODY_PAUSE_S:g} seconds"
            raise ApiError(408, waited, code="request_timeout") from None
        if message["type"] != "http.request":
            return None
        part = message.get("body", b"")
        length += len(part)
        body += part[: most + 1 - len(body)]
        if not message.get("more_body"):
            break
    return bytes(body)


def refusal(error: ApiError) -> JSONResponse:
    """The answer that an ApiError stands for."""
    wait = error.retry_after
    headers = None if wait is None else {"Retry-After": str(max(1, math.ceil(wait)))}
    body = error.body()
    for name in ("message", "param"):  # a field's name can hold what is no UTF-8
        body["error"][name] = body["error"][name] and body["error"][name].encode(errors="replace").decode()
    return JSONResponse(body, error.status, headers)
