"""A job on a Ray cluster until it has ended, through a dashboard and a log that may be away for a while.

The job's status and its driver's exit code decide; the log is only shown. No Ray here: a client is whatever answers as
ray.job_submission.JobSubmissionClient does.
"""

import asyncio
import contextlib
import enum
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Protocol, TypeVar

from apollo_ray.errors import EXIT_SERVICE, EXIT_USER, ServiceError

KILLED = {137, 143}  # 128 + SIGKILL or SIGTERM: out of memory, or the host drained
WORTH_RETRYING = {
    "RUNTIME_ENV_SETUP_FAILURE",
    "JOB_SUPERVISOR_ACTOR_START_TIMEOUT",
    "JOB_SUPERVISOR_ACTOR_START_FAILURE",
    "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE",
    "JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE",
    "JOB_SUPERVISOR_ACTOR_DIED",
    "JOB_ENTRYPOINT_COMMAND_START_ERROR",
}
"""Ray's JobErrorType but for the driver's own failure: what happened to the job around the driver."""
UNSEEN_S = 5.0  # so long may a job that was just sent be unknown to the cluster
LONGEST_PAUSE_S = 30.0

T = TypeVar("T")


class Details(Protocol):
    """What ray.job_submission.JobDetails tells of a job; `status` prints as PENDING, RUNNING, STOPPED ..."""

    submission_id: Any
    status: Any
    error_type: Any
    driver_exit_code: int | None
    message: str | None
    metadata: dict[str, str] | None
    start_time: int | None


class Client(Protocol):
    """The part of JobSubmissionClient that is used here."""

    def submit_job(self, **job: Any) -> str: ...
    def list_jobs(self) -> list[Any]: ...
    def get_job_info(self, job_id: str) -> Any: ...
    def stop_job(self, job_id: str) -> bool: ...
    def tail_job_logs(self, job_id: str) -> AsyncIterator[str]: ...


@dataclass(frozen=True)
class Patience:
    """Seconds. `dashboard_s`: without any answer; a head that restarts takes one or two minutes."""

    poll_s: float = 1.0
    dashboard_s: float = 300.0
    log_s: float = 10.0  # without a line, after the job has ended
    stop_s: float = 45.0


class Refused(RuntimeError):
    """The dashboard answered, and asking again changes nothing. `code`: as in HTTP, 409 for an id that is taken."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def _code(error: BaseException) -> int:
    """The status that Ray's client names in its RuntimeError; 0 where it names none."""
    if "already exists" in str(error):  # the head passes its agent's 400 on as a 500
        return 409
    named = re.match(r"Request failed with status code (\d{3})", str(error))
    return int(named[1]) if named else 0


class Dashboard:
    """A client that waits for a dashboard to come back. `outages` counts how often it was away."""

    def __init__(self, client: Client, say: Callable[[str], None], patience: Patience | None = None) -> None:
        self.client = client
        self.say = say
        self.patience = patience or Patience()
        self.outages = 0

    def ask(self, question: Callable[[], T]) -> T:
        """The answer, however many tries it takes. Raises Refused, or ServiceError after `dashboard_s`."""
        away_since: float | None = None
        pause = self.patience.poll_s
        while True:
            try:
                return question()
            except (OSError, RuntimeError) as error:
                if 400 <= _code(error) < 500:
                    raise Refused(_code(error), str(error)) from error
                now = time.monotonic()
                if away_since is None:
                    away_since = now
                    self.outages += 1
                    self.say(
                        f"the dashboard does not answer, trying for {self.patience.dashboard_s:.0f} s: {_short(error)}"
                    )
                if now - away_since > self.patience.dashboard_s:
                    raise ServiceError(
                        f"the dashboard did not answer for {self.patience.dashboard_s:.0f} s ({_short(error)}); a job "
                        "that runs goes on, and submitting again follows it"
                    ) from error
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def details(self, identity: str) -> Details | None:
        """The job, or None where the cluster does not know it: another head than the one that took it."""
        try:
            found: Details = self.ask(lambda: self.client.get_job_info(identity))
        except Refused as refused:
            if refused.code == 404:
                return None
            raise
        return found


class Outcome(enum.Enum):
    """What a job's end means for the one who sent it."""

    DONE = enum.auto()
    AGAIN = enum.auto()  # worth another attempt
    STOPPED = enum.auto()
    MISTAKE = enum.auto()  # the user's
    FAILED = enum.auto()


def outcome(details: Details | None) -> Outcome:
    """By status and exit code alone. None is a job that the cluster has lost with its head."""
    if details is None:
        return Outcome.AGAIN
    assert ended(details)
    status, code = str(details.status), details.driver_exit_code
    if status in ("SUCCEEDED", "STOPPED"):
        return Outcome.DONE if status == "SUCCEEDED" else Outcome.STOPPED
    if code is None:
        return Outcome.AGAIN if str(details.error_type) in WORTH_RETRYING else Outcome.FAILED
    if code == EXIT_SERVICE or code < 0 or code in KILLED:
        return Outcome.AGAIN
    return Outcome.MISTAKE if code == EXIT_USER else Outcome.FAILED


def ended(details: Details) -> bool:
    return str(details.status) in ("SUCCEEDED", "STOPPED", "FAILED")


def follow(dashboard: Dashboard, identity: str, emit: Callable[[str], None]) -> Details | None:
    """Emit each line of the job's log once until the job has ended; None where the cluster has lost the job.

    A log that cannot be had, as when the driver's host is gone, does not keep the end from being seen. Raises
    ServiceError where the dashboard stays away.
    """
    patience = dashboard.patience
    log = _Log(dashboard.client, identity)
    details: Details | None = None
    pause = patience.poll_s
    heard = time.monotonic()
    while True:
        outages = dashboard.outages
        for line in log.lines(patience.poll_s):
            emit(line)
            heard, pause = time.monotonic(), patience.poll_s
        if details is None or not ended(details):
            details = dashboard.details(identity)
            if details is None:
                return None
            if ended(details):
                heard, pause = time.monotonic(), patience.poll_s
        if ended(details):
            complete = log.ended and log.error is None
            if complete or time.monotonic() - heard > patience.log_s:
                for line in log.unfinished():
                    emit(line)
                if not complete:
                    dashboard.say(f"job {identity}: the end of its log could not be had{_because(log.error)}")
                return details
        if log.ended:
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
        if log.ended or dashboard.outages > outages:  # a connection to a head that went may hang for ever
            log.open()


def stop(dashboard: Dashboard, identity: str) -> bool:
    """Tell the job to stop and wait until it has: whether it has ended within `stop_s`."""
    patience = dashboard.patience
    started = time.monotonic()
    while time.monotonic() - started < patience.stop_s:
        # Said again each time: a job whose sending was cut off may reach the cluster after the first.
        with contextlib.suppress(OSError, RuntimeError):
            dashboard.client.stop_job(identity)
        try:
            if ended(dashboard.client.get_job_info(identity)):
                return True
        except (OSError, RuntimeError) as error:
            if _code(error) == 404 and time.monotonic() - started > min(UNSEEN_S, patience.stop_s / 2):
                return True
        time.sleep(patience.poll_s)
    return False


class _Log:
    """The lines of a job's log, each once, over as many connections as it takes.

    A connection sends the log from its beginning, so a new one costs all of it: it is opened only where the last broke.
    `ended` and `error` are of the present connection.
    """

    def __init__(self, client: Client, identity: str) -> None:
        self._client, self._identity = client, identity
        self._given = 0
        self._closed = threading.Event()
        self.open()

    def open(self) -> None:
        self._closed.set()
        self._closed = threading.Event()
        self._chunks: SimpleQueue[str | BaseException | None] = SimpleQueue()
        self._seen, self._rest = 0, ""
        self.ended = False
        self.error: BaseException | None = None
        # A daemon: a read from a host that lost its power never comes back.
        threading.Thread(
            target=_read, args=(self._client, self._identity, self._chunks, self._closed), daemon=True
        ).start()

    def lines(self, wait_s: float) -> Iterator[str]:
        """The whole lines that come within so many seconds."""
        deadline = time.monotonic() + wait_s
        while not self.ended and (left := deadline - time.monotonic()) > 0:
            try:
                chunk = self._chunks.get(timeout=left)
            except Empty:
                return
            if isinstance(chunk, str):
                *whole, self._rest = (self._rest + chunk).split("\n")
                for line in whole:
                    self._seen += 1
                    if self._seen > self._given:
                        self._given += 1
                        yield line
            else:
                self.ended, self.error = True, chunk

    def unfinished(self) -> Iterator[str]:
        """The last line where it has no end, if it was not given."""
        if self._rest and self._seen >= self._given:
            yield self._rest


def _read(client: Client, identity: str, chunks: "SimpleQueue[Any]", closed: threading.Event) -> None:
    async def read() -> None:
        async for chunk in client.tail_job_logs(identity):
            if closed.is_set():
                return
            chunks.put(chunk)

    try:
        asyncio.run(read())
        chunks.put(None)
    except Exception as error:  # aiohttp's share no base class with ours; the status decides, not the log
        chunks.put(error)


def _because(error: BaseException | None) -> str:
    return f" ({_short(error)})" if error else ""


def _short(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
