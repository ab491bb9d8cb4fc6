"""A whole run on a cluster, one Ray job a step, in order; finished steps are not submitted again.

    python jobs/submit.py FILE [STEP]... [KEY=VALUE]... [--address http://127.0.0.1:8265]

Decides by the job's status and the driver's exit code, never by the `ray job` command's own, which is 0 for a job that
was stopped. The store must be one that every host of the cluster sees.
"""

import contextlib
import os
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import typer
from ray.job_submission import JobDetails, JobStatus, JobSubmissionClient

from apollo_ray.commands.common import File, Words, guarded, load_words, say
from apollo_ray.config import RunConfig
from apollo_ray.errors import EXIT_SERVICE, EXIT_USER, ServiceError, UserError
from apollo_ray.planning import PlannedStep, plan
from apollo_ray.run import describe

ROOT = Path(__file__).resolve().parent.parent
STOP_WAIT_S = 30  # of a job that is told to stop, for its clean-up
ATTEMPTS = 3
POLL_S = 1.0
WORTH_RETRYING = {"JOB_SUPERVISOR_ACTOR_DIED", "RUNTIME_ENV_SETUP_FAILURE", "JOB_SUPERVISOR_ACTOR_START_TIMEOUT"}


@guarded
def submit(
    file: File,
    words: Words = None,
    address: Annotated[
        str | None,
        typer.Option(help="Dashboard of the cluster; default RAY_API_SERVER_ADDRESS or http://127.0.0.1:8265."),
    ] = None,
) -> None:
    """Send the steps that are not finished to a cluster, one job after another."""
    config, only = load_words(file, words)
    overrides = [word for word in words or [] if "=" in word]
    target = address or os.environ.get("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:8265")
    overrides += _shared_store(config, target)
    client = _client(target)
    if Path(file).resolve().is_relative_to(ROOT):
        file = str(Path(file).resolve().relative_to(ROOT))
    else:
        raise UserError(f"{file}: the file must lie in {ROOT}, which is what travels to the cluster")
    for number, step in enumerate(steps := plan(config, only), 1):
        label = f"[{number}/{len(steps)}] {step.name}"
        if step.finished:
            say(f"{label}: finished before")
            continue
        _run_job(
            client,
            step,
            config,
            [f"python jobs/{step.stage}.py {file} {step.name}", *map(shlex.quote, overrides)],
            label,
        )
        finished = next(item for item in plan(config, [step.name]) if item.name == step.name)
        if finished.manifest is None:
            raise ServiceError(f"{label}: the job succeeded and left no manifest in {config.store}")
        say(f"{label}: {describe(finished.manifest)}")


def _shared_store(config: RunConfig, target: str) -> list[str]:
    """Every job has its own copy of the working directory, so a relative folder must be made absolute."""
    if "://" in config.store or os.path.isabs(config.store):
        return []
    if not any(host in target for host in ("127.0.0.1", "localhost", "[::1]")):
        raise UserError(
            f"store {config.store!r} is a folder of this machine; give one that the cluster sees: store=s3://..."
        )
    return [f"store={Path(config.store).absolute()}"]


def _client(target: str) -> JobSubmissionClient:
    try:
        with contextlib.suppress(HTTPError):  # an answer, if only to ask for a token
            urlopen(target, timeout=10).close()
    except (URLError, OSError, ValueError) as error:
        raise ServiceError(
            f"no Ray dashboard answers at {target} ({error}); start a cluster or give --address"
        ) from error
    try:
        return JobSubmissionClient(target)
    except (ConnectionError, RuntimeError) as error:
        raise ServiceError(f"{target}: {error}") from error


def _run_job(client: JobSubmissionClient, step: PlannedStep, config: RunConfig, command: list[str], label: str) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        details = _attempt(client, step, config, command, label)
        if details.status == JobStatus.SUCCEEDED:
            return
        if details.status == JobStatus.STOPPED:
            raise ServiceError(f"{label}: the job was stopped; submit again to go on")
        again = details.driver_exit_code == EXIT_SERVICE or str(details.error_type) in WORTH_RETRYING
        if not again or attempt == ATTEMPTS:
            failure = UserError if details.driver_exit_code == EXIT_USER else ServiceError
            raise failure(f"{label}: job failed with exit code {details.driver_exit_code}: {details.message}")
        say(f"{label}: attempt {attempt} failed, trying again")
        time.sleep(2.0**attempt)


def _attempt(
    client: JobSubmissionClient, step: PlannedStep, config: RunConfig, command: list[str], label: str
) -> JobDetails:
    identity = _free_id(client, f"{config.run}-{step.name}-{step.fingerprint[:6]}")
    client.submit_job(
        entrypoint=" ".join(command),
        submission_id=identity,
        metadata={"run": config.run, "step": step.name, "fingerprint": step.fingerprint},
        runtime_env={
            "working_dir": str(ROOT),
            "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_WAIT_S), "PYTHONUNBUFFERED": "1"},
        },
    )
    say(f"{label}: job {identity}")
    try:
        for text in _log_lines(client, identity):
            print(f"    {text}", flush=True)
    except KeyboardInterrupt:
        client.stop_job(identity)
        raise
    return client.get_job_info(identity)


def _free_id(client: JobSubmissionClient, stem: str) -> str:
    """Ray takes a submission id once, even of a job that has ended."""
    taken = {job.submission_id for job in client.list_jobs()}
    return next(name for name in (f"{stem}-{attempt}" for attempt in range(1, 10_000)) if name not in taken)


def _log_lines(client: JobSubmissionClient, identity: str) -> Iterator[str]:
    """The job's log as it grows, until the job has ended."""
    printed = 0
    while True:
        status: Any = client.get_job_status(identity)
        lines = client.get_job_logs(identity).splitlines()
        ended = status.is_terminal()
        whole = len(lines) if ended else max(printed, len(lines) - 1)  # the last line may still be growing
        yield from lines[printed:whole]
        printed = whole
        if ended:
            return
        time.sleep(POLL_S)


if __name__ == "__main__":
    sys.exit(typer.run(submit))
