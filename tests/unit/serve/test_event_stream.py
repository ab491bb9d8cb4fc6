"""What a stream reserved is given back, whenever its client leaves."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from apollo_ray.serve.event_stream import EventStream


@pytest.mark.parametrize("leaves_after", [0, 1, 3])
def test_a_stream_is_over_once_its_client_has_left(leaves_after: int) -> None:
    sent: list[Any] = []
    ended: list[str] = []

    async def events() -> AsyncGenerator[str, None]:
        try:
            for number in range(3):
                yield str(number)
        finally:
            ended.append("events")

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def send(message: dict[str, Any]) -> None:
        if len(sent) > leaves_after:
            raise OSError("the client has left")
        if leaves_after == 0:
            raise OSError("the client has left")
        sent.append(message)

    async def run() -> None:
        stream = EventStream(events(), lambda: ended.append("over"))
        with pytest.raises(Exception):  # noqa: B017, PT011 - starlette chooses which
            await stream({"type": "http", "asgi": {"spec_version": "2.4"}}, receive, send)  # type: ignore[arg-type]
        assert ended == (["over"] if leaves_after == 0 else ["events", "over"])

    asyncio.run(run())
