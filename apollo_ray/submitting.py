"""A run on a cluster: one Ray job a step, in order; finished steps are not sent again, running ones are followed."""

import datetime
import os
import shlex
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ray.exceptions import AuthenticationError
from ray.job_submission import JobSubmissionClient

from apollo_ray import logs
from apollo_ray.config import RunConfig
from apollo_ray.errors import ServiceError, UserError
from apollo_ray.following import Dashboard, Details, Outcome, Patience, Refused, ended, follow, outcome, stop
from apollo_ray.planning import PlannedStep, plan
from apollo_ray.run import describe, execute
from apollo_ray.store import Store

ATTEMPTS = 3
STOP_WAIT_S = 30  # of a job that is told to stop, for its clean-up
REQUEST_S = 60.0  # without a byte; the code that travels is about a megabyte
HERE = ("127.0.0.1", "localhost", "[::1]")


class JobFailed(RuntimeError):
    """A driver ended in a way that is neither the user's mistake nor worth another try."""


class _BoundedClient(JobSubmissionClient):
    """Ray's client waits for ever for a host that lost its power."""

    def _do_request(self, *arguments: Any, **options: Any) -> Any:
        return super()._do_request(*arguments, timeout=REQUEST_S, **options)


def open_dashboard(target: str, say: Callable[[str], None], patience: Patience | None = None) -> Dashboard:
    """Raises ServiceError where no dashboard answers, UserError where it wants another token."""
    try:
        return Dashboard(_BoundedClient(target), say, patience)
    except AuthenticationError as error:
        raise UserError(f"{target}: {error}") from error
    except (OSError, RuntimeError, ValueError) as error:
        raise ServiceError(
            f"no Ray dashboard answers at {target} ({error}); start a cluster or give --address"
        ) from error


@dataclass(frozen=True)
class Submission:
    """A run's file with its words, and the cluster that it goes to.

    `root`: the checkout, which travels to the cluster; `file` lies in it. `say` takes progress line by line, `emit` the
    jobs' logs.
    """

    dashboard: Dashboard
    config: RunConfig
    only: list[str]
    file: str
    overrides: list[str]
    root: Path
    say: Callable[[str], None]
    emit: Callable[[str], None]
    sender: str = field(default_factory=lambda: uuid.uuid4().hex)

    def steps(self) -> list[PlannedStep]:
        return plan(self.config, self.only)

    def submit(self, *, wait: bool = True) -> None:
        """Send what is not finished, one job after another; without `wait` the first of them alone.

        Raises UserError, ServiceError or JobFailed as the first job that failed says.
        """
        command = _travelling_file(self.file, self.root)
        overrides = [*self.overrides, *_shared_store(self.config, self.dashboard.client)]
        store = Store(self.config.store)
        steps = self.steps()
        for number, step in enumerate(steps, 1):
            label = f"[{number}/{len(steps)}] {step.name}"
            if store.manifest(step.name, step.fingerprint):
                self.say(f"{label}: finished before")
                continue
            words = [command, step.name, *overrides]
            entrypoint = shlex.join(["python", f"jobs/{step.stage}.py", *words])
            if not wait:
                self._start(step, entrypoint, label, [])
                return
            self._run(step, entrypoint, label)
            manifest = store.manifest(step.name, step.fingerprint)
            if manifest is None:
                raise ServiceError(f"{label}: the job succeeded and left no manifest in {self.config.store}")
            self.say(f"{label}: {describe(manifest)}")
        execute(self.config, self.steps(), self.say, _no_ray)  # all are finished: the run's pointers are written

    def status(self) -> Iterator[str]:
        """One line a step: finished, or how its last job fares."""
        jobs = self.dashboard.ask(self.dashboard.client.list_jobs)
        for step in self.steps():
            label = f"{step.name} {step.fingerprint[:6]}"
            if step.manifest:
                yield f"{label}: finished, {describe(step.manifest)}"
            elif mine := [job for job in jobs if self._is_of(job, step)]:
                yield f"{label}: {_told(max(mine, key=lambda job: job.start_time or 0))}"
            else:
                yield f"{label}: not started"

    def stop(self) -> None:
        """Stop the run's jobs, or those of the named steps alone. Raises ServiceError where one does not end."""
        running = [
            job
            for job in self.dashboard.ask(self.dashboard.client.list_jobs)
            if not ended(job)
            and (told := job.metadata or {}).get("run") == self.config.run
            and told.get("store") == Store(self.config.store).uri
            and (not self.only or told.get("step") in self.only)
        ]
        if not running:
            self.say("no job of this run is running")
        for job in running:
            self._stop(job.submission_id)

    def _run(self, step: PlannedStep, entrypoint: str, label: str) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            details = self._attempt(step, entrypoint, label)
            end = outcome(details)
            if end is Outcome.DONE:
                return
            if end is Outcome.STOPPED:
                raise ServiceError(f"{label}: the job was stopped; submit again to go on")
            told = "the cluster has lost the job" if details is None else _why(details)
            if end is not Outcome.AGAIN or attempt == ATTEMPTS:
                failure = {Outcome.MISTAKE: UserError, Outcome.AGAIN: ServiceError}.get(end, JobFailed)
                raise failure(f"{label}: {told}")
            self.say(f"{label}: attempt {attempt} failed, trying again: {told.splitlines()[0]}")
            time.sleep(self.dashboard.patience.poll_s * 2**attempt)

    def _attempt(self, step: PlannedStep, entrypoint: str, label: str) -> Details | None:
        """A job of this step from its start, or from where it is, to its end; Ctrl-C ends it if it was started here."""
        sent: list[str] = []
        try:
            identity = self._start(step, entrypoint, label, sent)
            return follow(self.dashboard, identity, self.emit)
        except KeyboardInterrupt:
            for identity in sent:
                self._stop(identity)
            if not sent:
                self.say(f"{label}: the job was not started here and goes on; --stop ends it")
            raise

    def _start(self, step: PlannedStep, entrypoint: str, label: str, sent: list[str]) -> str:
        """The id of a job of this step: one that is there, or a new one, whose id is in `sent` before it is sent."""
        client, tried = self.dashboard.client, set[str]()
        while True:
            jobs = self.dashboard.ask(client.list_jobs)
            for job in jobs:
                # What was just tried may have been taken although no answer came, and may have ended since.
                if self._is_of(job, step) and (not ended(job) or job.submission_id in tried):
                    if (job.metadata or {}).get("sender") == self.sender:
                        sent[:] = [job.submission_id]
                    else:
                        self.say(f"{label}: job {job.submission_id} is there ({job.status}), following it")
                    return str(job.submission_id)
            taken = {job.submission_id for job in jobs} | tried  # Ray takes an id once, even of a job that has ended
            stem = f"{self.config.run}-{step.name}-{step.fingerprint[:6]}"
            identity = next(name for name in (f"{stem}-{n}" for n in range(1, len(taken) + 2)) if name not in taken)
            tried.add(identity)
            sent[:] = [identity]
            try:
                self.dashboard.ask(partial(self._send, step, entrypoint, identity))
            except Refused as refused:
                sent.clear()
                if refused.code != 409:
                    raise ServiceError(f"{label}: the cluster takes no such job: {refused}") from refused
                continue
            self.say(f"{label}: job {identity}")
            return identity

    def _send(self, step: PlannedStep, entrypoint: str, identity: str) -> None:
        variables = {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_WAIT_S), "PYTHONUNBUFFERED": "1"}
        if logs.structured():
            variables[logs.VARIABLE] = "json"
        self.dashboard.client.submit_job(
            entrypoint=entrypoint,
            submission_id=identity,
            metadata={
                "run": self.config.run,
                "step": step.name,
                "fingerprint": step.fingerprint,
                "store": Store(self.config.store).uri,
                "sender": self.sender,
            },
            runtime_env={"working_dir": str(self.root), "env_vars": variables},
        )

    def _is_of(self, job: Details, step: PlannedStep) -> bool:
        told = job.metadata or {}
        mine = (step.name, step.fingerprint, Store(self.config.store).uri)
        return (told.get("step"), told.get("fingerprint"), told.get("store")) == mine

    def _stop(self, identity: str) -> None:
        self.say(f"stopping job {identity}, which has {STOP_WAIT_S} s for its clean-up")
        if not stop(self.dashboard, identity):
            raise ServiceError(f"job {identity} has not ended yet; see --status")
        self.say(f"job {identity} has ended")


def _travelling_file(file: str, root: Path) -> str:
    if not Path(file).resolve().is_relative_to(root):
        raise UserError(f"{file}: the file must lie in {root}, which is what travels to the cluster")
    return str(Path(file).resolve().relative_to(root))


def _shared_store(config: RunConfig, client: Any) -> list[str]:
    """Every job has its own copy of the working directory, so a relative folder must be made absolute."""
    if "://" in config.store or os.path.isabs(config.store):
        return []
    if not any(host in client.get_address() for host in HERE):
        raise UserError(
            f"store {config.store!r} is a folder of this machine; give one that the cluster sees: store=s3://..."
        )
    return [f"store={Path(config.store).absolute()}"]


def _no_ray() -> AbstractContextManager[None]:
    return nullcontext()


def _why(details: Details) -> str:
    code = details.driver_exit_code
    end = f"exit code {code}" if code is not None else str(details.error_type)
    return f"job {details.submission_id} failed with {end}: {details.message}"


def _told(job: Details) -> str:
    since = datetime.datetime.fromtimestamp((job.start_time or 0) / 1000, datetime.UTC).isoformat(timespec="seconds")
    if str(job.status) == "FAILED":
        return f"FAILED, {_why(job).splitlines()[0]}"
    return f"{job.status} since {since}, job {job.submission_id}"
