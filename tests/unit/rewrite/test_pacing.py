import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.errors import ServiceError
from apollo_ray.rewrite import pacing


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(pacing.asyncio, "sleep", self.sleep)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += max(0.0, seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@given(st.integers(0, 30), st.floats(0, 1), st.one_of(st.none(), st.floats(0, 1000)))
def test_delays_grow_to_a_limit_and_obey_the_server(attempt: int, chance: float, asked: float | None) -> None:
    found = pacing.delay(attempt, asked, lambda: chance)
    assert found >= min(asked or 0.0, pacing.LONGEST_ASKED_S)
    assert pacing.FIRST_DELAY_S / 2 <= found <= max(pacing.LONGEST_DELAY_S, min(asked or 0, pacing.LONGEST_ASKED_S))


@pytest.mark.parametrize(
    ("value", "expected"),
    [("3", 3.0), ("0.5", 0.5), ("-1", 0.0), (None, None), ("soon", None), ("Thu, 01 Jan 1970 00:01:00 GMT", 20.0)],
)
def test_retry_after_is_read_in_both_forms(value: str | None, expected: float | None) -> None:
    assert pacing.retry_after_s(value, now=40.0) == expected


def test_a_quota_is_kept_over_a_minute(clock: Clock) -> None:
    async def use() -> int:
        quota, begun = pacing.Quota(120, clock), clock.now
        taken = 0
        while clock.now < begun + 60:
            await quota.take()
            taken += 1
        return taken

    assert 120 <= asyncio.run(use()) <= 124


def test_what_was_used_beyond_a_guess_is_paid_back(clock: Clock) -> None:
    async def use() -> float:
        quota = pacing.Quota(600, clock)
        await quota.take(10)
        quota.correct(100)
        begun = clock.now
        await quota.take(1)
        return clock.now - begun

    assert asyncio.run(use()) > 9


def test_a_breaker_opens_probes_once_and_closes(clock: Clock) -> None:
    async def use() -> None:
        breaker = pacing.Breaker(3, 1_000, "http://x", clock)
        for _ in range(3):
            await breaker.ready()
            breaker.failed("503")
        assert breaker.is_open
        begun = clock.now
        await breaker.ready()  # the probe
        assert clock.now - begun >= pacing.PAUSE_S * 0.9
        waiting = asyncio.ensure_future(breaker.ready())
        for _ in range(5):
            await asyncio.sleep(0)
        breaker.succeeded()
        await asyncio.wait_for(waiting, 1)
        assert not breaker.is_open

    asyncio.run(use())


def test_a_breaker_gives_up_when_patience_ends(clock: Clock) -> None:
    async def use() -> None:
        breaker = pacing.Breaker(2, 30, "http://x", clock)
        while True:
            await breaker.ready()
            breaker.failed("connection refused")

    with pytest.raises(ServiceError, match=r"http://x has failed every request.*connection refused"):
        asyncio.run(use())


def test_all_wait_when_the_endpoint_asks_to_be_left_alone(clock: Clock) -> None:
    async def use() -> float:
        breaker = pacing.Breaker(5, 30, "http://x", clock)
        breaker.failed("429", hold_s=7)
        begun = clock.now
        await breaker.ready()
        return clock.now - begun

    assert asyncio.run(use()) == pytest.approx(7)
