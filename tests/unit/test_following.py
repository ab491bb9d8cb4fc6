"""A job's way to its end: dashboards that go away, logs that break, what an end means."""

import time
from typing import Any

import pytest
from ray.job_submission import JobErrorType

from apollo_ray.errors import ServiceError
from apollo_ray.following import WORTH_RETRYING, Dashboard, Outcome, Patience, Refused, follow, outcome, stop

from .scripted_cluster import HANG, Job, ScriptedClient, refusal

QUICK = Patience(poll_s=0.02, dashboard_s=0.3, log_s=0.2, stop_s=0.4)
RUNNING, DONE = Job("a", "RUNNING"), Job("a", "SUCCEEDED", 0)
ABNORMAL = RuntimeError("WebSocket connection closed unexpectedly with close code 1006")


def done_at(connection: int) -> Any:
    """The job has ended once its log was opened so many times."""
    return lambda client: DONE if client.connections >= connection else RUNNING


def followed(client: ScriptedClient) -> tuple[Job | None, list[str], list[str]]:
    said: list[str] = []
    lines: list[str] = []
    return follow(Dashboard(client, said.append, QUICK), "a", lines.append), lines, said


def test_lines_come_whole_and_the_last_one_without_its_end() -> None:
    client = ScriptedClient([DONE], [["one\ntw", "o\n\nth", 0.1, "ree\nfour"]])
    assert followed(client) == (DONE, ["one", "two", "", "three", "four"], [])
    assert client.connections == 1


def test_each_line_is_given_once_over_connections_that_break() -> None:
    logs = [["one\ntwo\nth", ABNORMAL], ["one\ntwo\nthree\n", ABNORMAL], ["one\n", "two\nthree\nfour\n", "five"]]
    client = ScriptedClient([done_at(3)], logs)
    assert followed(client) == (DONE, ["one", "two", "three", "four", "five"], [])
    assert client.connections == 3


def test_a_log_that_ends_before_the_job_is_opened_again() -> None:
    """The head closes the connection as if all was well when the agent behind it dies."""
    client = ScriptedClient([done_at(2)], [["one\n"], ["one\n", "two\n"]])
    assert followed(client)[:2] == (DONE, ["one", "two"])


@pytest.mark.parametrize("log", [[ConnectionError("no agent")], ["one\n", HANG], ["one\n", ABNORMAL]])
def test_the_status_decides_where_the_log_cannot_be_had(log) -> None:
    failed = Job("a", "FAILED", error_type="JOB_SUPERVISOR_ACTOR_DIED")
    started = time.monotonic()
    details, lines, said = followed(ScriptedClient([RUNNING, failed], [log]))
    assert details == failed
    assert lines == [chunk.strip() for chunk in log[:1] if isinstance(chunk, str)]
    assert len(said) == 1
    assert "the end of its log could not be had" in said[0]
    assert time.monotonic() - started < 5


def test_a_long_log_is_not_cut_by_the_grace_after_the_jobs_end() -> None:
    """Chunks come for three times as long as a silent log would be waited for."""
    chunks = [part for number in range(12) for part in (0.05, f"{number}\n")]
    client = ScriptedClient([DONE], [chunks])
    assert followed(client) == (DONE, [str(number) for number in range(12)], [])


def test_a_dashboard_that_comes_back_is_waited_for_and_its_log_opened_anew() -> None:
    """The old connection hangs: the head lost its power and said nothing."""
    away = ConnectionError("refused")
    client = ScriptedClient([RUNNING, away, refusal(500, "starting"), done_at(2)], [["one\n", HANG], ["one\ntwo\n"]])
    details, lines, said = followed(client)
    assert (details, lines) == (DONE, ["one", "two"])
    assert len(said) == 1
    assert "does not answer" in said[0]
    assert client.connections == 2


def test_a_dashboard_that_stays_away_is_given_up() -> None:
    with pytest.raises(ServiceError, match="a job that runs goes on"):
        followed(ScriptedClient([RUNNING, ConnectionError("refused")], [["one\n", HANG]]))


def test_a_head_that_does_not_know_the_job_has_lost_it() -> None:
    assert followed(ScriptedClient([RUNNING, refusal(404, "Job a does not exist")], [[HANG]]))[0] is None


def test_other_refusals_are_not_asked_again() -> None:
    with pytest.raises(Refused) as refused:
        followed(ScriptedClient([refusal(400, "no")]))
    assert refused.value.code == 400


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        (Job("a", "SUCCEEDED", 0), Outcome.DONE),
        (Job("a", "STOPPED"), Outcome.STOPPED),
        (Job("a", "FAILED", 2, "JOB_ENTRYPOINT_COMMAND_ERROR"), Outcome.MISTAKE),
        (Job("a", "FAILED", 1, "JOB_ENTRYPOINT_COMMAND_ERROR"), Outcome.FAILED),
        (Job("a", "FAILED", 127, "JOB_ENTRYPOINT_COMMAND_ERROR"), Outcome.FAILED),
        (Job("a", "FAILED", 75, "JOB_ENTRYPOINT_COMMAND_ERROR"), Outcome.AGAIN),
        (Job("a", "FAILED", -9, "JOB_ENTRYPOINT_COMMAND_ERROR"), Outcome.AGAIN),
        (Job("a", "FAILED", 143, "JOB_ENTRYPOINT_COMMAND_ERROR"), Outcome.AGAIN),
        (Job("a", "FAILED", None, "JOB_SUPERVISOR_ACTOR_DIED"), Outcome.AGAIN),
        (Job("a", "FAILED", None, None), Outcome.FAILED),
        (None, Outcome.AGAIN),
    ],
)
def test_what_an_end_means(details, expected) -> None:
    assert outcome(details) is expected


def test_every_failure_around_the_driver_is_worth_another_try_and_the_drivers_own_is_not() -> None:
    assert {kind.value for kind in JobErrorType} - WORTH_RETRYING == {"JOB_ENTRYPOINT_COMMAND_ERROR"}
    assert {kind.value for kind in JobErrorType} >= WORTH_RETRYING


def test_stopping_waits_until_the_job_has_ended() -> None:
    client = ScriptedClient([RUNNING, ConnectionError("refused"), Job("a", "STOPPED")])
    assert stop(Dashboard(client, print, QUICK), "a")
    assert set(client.stopped) == {"a"}


def test_stopping_is_bounded() -> None:
    started = time.monotonic()
    assert not stop(Dashboard(ScriptedClient([RUNNING]), print, QUICK), "a")
    assert QUICK.stop_s <= time.monotonic() - started < 5


def test_a_job_that_reaches_the_cluster_late_is_stopped_too() -> None:
    unknown = refusal(404, "Job a does not exist")
    client = ScriptedClient([unknown, unknown, RUNNING, Job("a", "STOPPED")])
    assert stop(Dashboard(client, print, QUICK), "a")
    assert len(client.stopped) == 4
    assert stop(Dashboard(ScriptedClient([unknown]), print, QUICK), "a"), "it never came"
