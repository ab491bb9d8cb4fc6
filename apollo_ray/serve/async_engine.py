"""The engine on a thread of its own, for many asyncio tasks."""

import asyncio
import queue
import threading
from collections.abc import AsyncGenerator

from apollo_ray.serve.engine import Engine, Request


class AsyncEngine:
    """Streams requests through one Engine. `failure` is what ended the thread, or None while it lives."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._inbox: queue.SimpleQueue[tuple[str, Request]] = queue.SimpleQueue()
        self._listeners: dict[Request, tuple[asyncio.AbstractEventLoop, asyncio.Queue[tuple[int, bool]]]] = {}
        self._lock = threading.Lock()  # so that no listener is registered after the thread has told them of its end
        self.failure: BaseException | None = None
        threading.Thread(target=self._work, name="engine", daemon=True).start()

    @property
    def width(self) -> int:
        """Ids in the vocabulary."""
        return self._engine.width

    def check(self, request: Request) -> None:
        """Raises UserError where the request cannot be decoded."""
        self._engine.check(request)

    async def stream(self, request: Request) -> AsyncGenerator[int, None]:
        """How many tokens of `request.output` are there, each time that there are more; ends with the request.

        Closing the iterator early frees the request's slot at the next step. Raises UserError for a request that cannot
        be decoded and RuntimeError where the engine has died.
        """
        self.check(request)
        events: asyncio.Queue[tuple[int, bool]] = asyncio.Queue()
        with self._lock:
            self.raise_if_dead()
            self._listeners[request] = (asyncio.get_running_loop(), events)
        self._inbox.put(("add", request))
        finished = False
        try:
            while not finished:
                length, finished = await events.get()
                while not events.empty():
                    length, finished = events.get_nowait()
                if finished and request.finish is None:
                    self.raise_if_dead()
                yield length
        finally:
            with self._lock:
                self._listeners.pop(request, None)
            if not finished:
                self._inbox.put(("cancel", request))

    def raise_if_dead(self) -> None:
        """Raises RuntimeError where the thread has ended."""
        if self.failure is not None:
            raise RuntimeError(f"the engine has died: {self.failure!r}") from self.failure

    def _work(self) -> None:
        try:
            while True:
                self._take()
                for request in self._engine.step():
                    self._tell(request, len(request.output), request.finish is not None)
        except BaseException as failure:  # whatever it is, those who wait must hear of it
            with self._lock:
                self.failure = failure
                waiting = list(self._listeners)
            for request in waiting:
                self._tell(request, 0, True)

    def _take(self) -> None:
        """Carry out what the tasks asked for since the last step; wait for them while there is nothing to decode."""
        while self._engine.idle or not self._inbox.empty():
            command, request = self._inbox.get()
            if command == "add":
                self._engine.add(request)
            else:
                self._engine.cancel(request)

    def _tell(self, request: Request, length: int, finished: bool) -> None:
        with self._lock:
            if request in self._listeners:
                loop, events = self._listeners[request]
                loop.call_soon_threadsafe(events.put_nowait, (length, finished))
