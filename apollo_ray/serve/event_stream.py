"""A response of server-sent events that is always accounted for, also where its client leaves before the first one."""

from collections.abc import AsyncGenerator, Callable

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send


class EventStream(StreamingResponse):
    """Sends `events`, then calls `over` however it ended.

    The `finally` of a generator that was never begun does not run, and one that is cut while it waits at a `yield`
    runs only when it is collected. So what a request reserved cannot hang on the generator alone.
    """

    def __init__(self, events: AsyncGenerator[str, None], over: Callable[[], None]) -> None:
        super().__init__(events, media_type="text/event-stream")
        self._events, self._over = events, over

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            try:
                await self._events.aclose()
            finally:
                self._over()
