"""How fast an endpoint is asked, and when not at all: quotas by the minute, back-off, and a circuit breaker.

All times are those of the running event loop, in seconds, so that tests can use a clock of their own.
"""

import asyncio
import email.utils
import random
import time
from collections.abc import Callable

from apollo_ray.errors import ServiceError

FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 30.0
LONGEST_ASKED_S = 300.0  # of a Retry-After that is obeyed
PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
FIRST_PATIENCE_S = 60.0
"""An endpoint that has answered nothing at all so long is at another address, or not up."""

Clock = Callable[[], float]


def delay(attempt: int, retry_after: float | None, chance: Callable[[], float] = random.random) -> float:
    """Seconds before a request is tried again; `attempt` counts from 0.

    Doubling from FIRST_DELAY_S, between half and the whole of it by chance, so that those who failed together do not
    come back together. What the server asked for is a floor.
    """
    backoff = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2**attempt) * (0.5 + chance() / 2)
    return max(backoff, min(retry_after or 0.0, LONGEST_ASKED_S))


def retry_after_s(value: str | None, now: float | None = None) -> float | None:
    """Seconds that a Retry-After header asks for, as a number or a date (RFC 9110 10.2.3); None where it is neither."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        when = email.utils.parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, when - (time.time() if now is None else now))


class Quota:
    """So many units a minute, handed out evenly after a first burst of up to a second's worth; None: any number."""

    def __init__(self, per_minute: int | None, clock: Clock) -> None:
        self._rate = per_minute / 60 if per_minute else None
        self._clock = clock
        self._free_at = 0.0

    async def take(self, units: float = 1.0) -> None:
        """Wait until `units` may be used."""
        if self._rate is None:
            return
        now = self._clock()
        start = max(self._free_at, now - 1.0)
        self._free_at = start + units / self._rate
        if start > now:
            await asyncio.sleep(start - now)

    def correct(self, units: float) -> None:
        """`units` more (or fewer, below 0) were used than was taken."""
        if self._rate is not None:
            self._free_at += units / self._rate


class Breaker:
    """Stops all requests while an endpoint fails every one, and lets a single one probe it.

    Opens at `threshold` failures in a row; pauses grow from PAUSE_S to LONGEST_PAUSE_S; one success closes it. After
    `patience_s` without any success, FIRST_PATIENCE_S before the first one, `ready` raises ServiceError.
    """

    def __init__(self, threshold: int, patience_s: float, what: str, clock: Clock) -> None:
        self._threshold, self._patience_s, self._what, self._clock = threshold, patience_s, what, clock
        self._failures = 0
        self._answered = False
        self._failing_since: float | None = None
        self._open_until = 0.0
        self._pause = PAUSE_S
        self._probing = False
        self._last = ""
        self._hold_until = 0.0

    @property
    def is_open(self) -> bool:
        return self._failures >= self._threshold

    async def ready(self) -> None:
        """Returns when a request may go out."""
        while (held := self._hold_until - self._clock()) > 0:
            await asyncio.sleep(held)
        while self.is_open:
            now = self._clock()
            patience = self._patience_s if self._answered else min(FIRST_PATIENCE_S, self._patience_s)
            if self._failing_since is not None and now - self._failing_since > patience:
                raise ServiceError(
                    f"{self._what} has failed every request for {now - self._failing_since:.0f} s: {self._last}. What "
                    "was answered is kept; run the same command again to go on"
                )
            if now >= self._open_until and not self._probing:
                self._probing = True
                return
            await asyncio.sleep(max(0.05, min(1.0, self._open_until - now)))

    def succeeded(self) -> None:
        self._failures, self._failing_since, self._pause, self._probing = 0, None, PAUSE_S, False
        self._answered = True

    def failed(self, message: str, hold_s: float = 0.0) -> None:
        """`hold_s`: for how long the endpoint asked to be left alone; then all requests wait."""
        now = self._clock()
        self._hold_until = max(self._hold_until, now + min(hold_s, LONGEST_ASKED_S))
        self._failures += 1
        self._last = message
        if self._failing_since is None:
            self._failing_since = now
        if self.is_open and (self._probing or self._failures == self._threshold):
            self._open_until = now + self._pause
            self._pause = min(LONGEST_PAUSE_S, 2 * self._pause)
            self._probing = False

    def abandoned(self) -> None:
        """A request that `ready` let out ended without telling anything of the endpoint."""
        self._probing = False
