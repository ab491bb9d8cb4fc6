"""Which jobs a run sends, follows, tries again and stops."""

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from apollo_ray.config import load_config
from apollo_ray.errors import ServiceError, UserError
from apollo_ray.following import Dashboard, Patience
from apollo_ray.planning import PlannedStep, plan
from apollo_ray.store import Counts, Manifest, Store
from apollo_ray.submitting import ATTEMPTS, JobFailed, Submission, open_dashboard

from .scripted_cluster import Job, ScriptedClient, refusal

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "tests" / "configs" / "mini.yaml"
ONLY = ["tokenizer"]  # with documents and general, which it reads
QUICK = Patience(poll_s=0.005, dashboard_s=0.2, log_s=0.1, stop_s=0.2)
WORKED = ("SUCCEEDED", 0, None)
DIED = ("FAILED", None, "JOB_SUPERVISOR_ACTOR_DIED")


@dataclass
class Cluster:
    """Jobs that end as `ends` says, one after another; one that succeeds finishes its step in the store."""

    store: Path
    ends: list[Any] = field(default_factory=list)  # (status, exit code, error type); [] is success for ever
    client: ScriptedClient = field(default_factory=ScriptedClient)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.config = load_config(FILE, [f"store={self.store}"])
        self.client.info = [lambda client: client.jobs[-1]]
        self.client.on_submit = self.take

    def run(self, **changes: Any) -> Submission:
        values = {
            "dashboard": Dashboard(self.client, self.said.append, QUICK),
            "config": self.config,
            "only": ONLY,
            "file": str(FILE),
            "overrides": [f"store={self.store}", "tokenizer.vocabulary_size=600"],
            "root": ROOT,
            "say": self.said.append,
            "emit": self.said.append,
        }
        return Submission(**values | changes)

    def take(self, job: dict[str, Any]) -> None:
        status, code, kind = self.ends.pop(0) if self.ends else WORKED
        if status == "SUCCEEDED":
            self.finish(job["metadata"]["step"])
        self.client.jobs.append(Job(job["submission_id"], status, code, kind, metadata=job["metadata"]))

    def step(self, name: str) -> PlannedStep:
        return next(step for step in plan(self.config, ONLY) if step.name == name)

    def finish(self, name: str) -> None:
        step = self.step(name)
        manifest = Manifest(
            step=name, stage=step.stage, fingerprint=step.fingerprint, settings={}, inputs={}, counts=Counts("row", 2, 2),
            data=[], dropped=[], extra=[], summary={}, versions={}, started="", ended="",
        )  # fmt: skip
        Store(str(self.store)).finish(manifest)

    def job(self, name: str, status: str, number: int = 1, **changes: Any) -> Job:
        """A job of that step which another submitter sent."""
        step = self.step(name)
        metadata = {"run": "mini", "step": name, "fingerprint": step.fingerprint, "store": str(self.store)}
        job = Job(f"mini-{name}-{step.fingerprint[:6]}-{number}", status, metadata=metadata | {"sender": "another"})
        for key, value in changes.items():
            setattr(job, key, value)
        return job

    @property
    def sent(self) -> list[str]:
        return [re.sub("-[0-9a-f]{6}-", "-", job["submission_id"]) for job in self.client.submitted]


@pytest.fixture
def cluster(tmp_path) -> Cluster:
    return Cluster(tmp_path / "store")


def test_steps_that_are_not_finished_are_sent_in_order(cluster) -> None:
    cluster.finish("general")
    cluster.run().submit()
    assert cluster.sent == ["mini-documents-1", "mini-tokenizer-1"]
    job = cluster.client.submitted[-1]
    words = ["tests/configs/mini.yaml", "tokenizer", f"store={cluster.store}", "tokenizer.vocabulary_size=600"]
    assert shlex.split(job["entrypoint"]) == ["python", "jobs/tokenizer.py", *words]
    assert job["metadata"]["fingerprint"] == cluster.step("tokenizer").fingerprint
    assert all(isinstance(value, str) for value in job["metadata"].values())
    assert set(Store(str(cluster.store)).pointers("mini")) == {"documents", "general", "tokenizer"}
    cluster.run().submit()
    assert len(cluster.sent) == 2, "finished steps are not sent again"


def test_jobs_log_as_their_submitter_does(cluster, monkeypatch) -> None:
    monkeypatch.delenv("APOLLO_LOG", raising=False)
    cluster.run(only=["documents"]).submit()
    monkeypatch.setenv("APOLLO_LOG", "json")
    cluster.run(only=["general"]).submit()
    first, second = (job["runtime_env"]["env_vars"] for job in cluster.client.submitted)
    assert "APOLLO_LOG" not in first
    assert second["APOLLO_LOG"] == "json"


def test_words_with_spaces_and_quotes_arrive_as_they_are(cluster) -> None:
    word = 'documents.sources=[{name: a, path: "x\'y z"}]'
    cluster.run(overrides=[word]).submit()
    assert shlex.split(cluster.client.submitted[0]["entrypoint"])[-1] == word


@pytest.mark.parametrize(
    ("ends", "failure", "jobs"),
    [
        ([DIED, WORKED], None, 2),
        ([("FAILED", 75, None), ("FAILED", -9, None), WORKED], None, 3),
        ([DIED] * ATTEMPTS, ServiceError, ATTEMPTS),
        ([("FAILED", 2, None)], UserError, 1),
        ([("FAILED", 1, None)], JobFailed, 1),
        ([("STOPPED", None, None)], ServiceError, 1),
    ],
)
def test_only_what_another_try_can_mend_is_tried_again(cluster, ends, failure, jobs) -> None:
    cluster.ends = [WORKED, WORKED, *ends]
    if failure:
        with pytest.raises(failure):
            cluster.run().submit()
    else:
        cluster.run().submit()
    assert cluster.sent[2:] == [f"mini-tokenizer-{number}" for number in range(1, jobs + 1)]


def test_a_job_that_the_cluster_lost_is_sent_again(cluster) -> None:
    answers = [refusal(404, "does not exist"), lambda client: client.jobs[-1]]
    cluster.client.info = answers
    cluster.client.on_submit = lambda job: cluster.take(job) if len(cluster.client.submitted) > 1 else None
    cluster.run(only=["documents"]).submit()
    assert len(cluster.sent) == 2
    assert any("the cluster has lost the job" in line for line in cluster.said)


def test_success_without_a_manifest_is_no_success(cluster) -> None:
    cluster.client.on_submit = lambda job: cluster.client.jobs.append(Job(job["submission_id"]))
    with pytest.raises(ServiceError, match="left no manifest"):
        cluster.run().submit()


@pytest.mark.parametrize("status", ["PENDING", "RUNNING"])
def test_a_job_that_runs_is_followed_and_not_sent_twice(cluster, status) -> None:
    for name in ("documents", "general"):
        cluster.finish(name)
    job = cluster.job("tokenizer", status)
    cluster.client.jobs.append(job)

    def end(client: ScriptedClient) -> Job:
        job.status = "SUCCEEDED"
        cluster.finish("tokenizer")
        return job

    cluster.client.info = [end]
    cluster.run().submit()
    assert not cluster.client.submitted
    assert any("following it" in line for line in cluster.said)


def test_jobs_that_ended_or_are_of_other_stores_and_settings_are_not_followed(cluster) -> None:
    stem = cluster.job("documents", "FAILED").submission_id.rpartition("-")[0]
    cluster.client.jobs = [
        cluster.job("documents", "FAILED"),
        cluster.job("documents", "RUNNING", 2, metadata={"step": "documents", "store": "s3://other"}),
        cluster.job("documents", "RUNNING", 4, metadata=None),
    ]
    cluster.run(only=["documents"]).submit()
    assert [job["submission_id"] for job in cluster.client.submitted] == [f"{stem}-3"], "the first id that is free"


def test_an_answer_that_was_lost_does_not_make_two_jobs(cluster) -> None:
    """The cluster took the job, and it has even ended, when the submitter hears that its id is taken."""

    def take_and_break(job: dict[str, Any]) -> None:
        if any(known.submission_id == job["submission_id"] for known in cluster.client.jobs):
            raise refusal(500, f"ValueError: Job with submission_id {job['submission_id']} already exists")
        cluster.take(job)
        raise ConnectionError("reset by peer")

    cluster.client.on_submit = take_and_break
    cluster.run(only=["documents"]).submit()
    assert len(cluster.client.jobs) == 1
    assert set(cluster.sent) == {"mini-documents-1"}


def test_an_id_that_another_submitter_takes_first_is_followed(cluster) -> None:
    def taken(job: dict[str, Any]) -> None:
        cluster.finish("documents")
        cluster.client.jobs.append(cluster.job("documents", "RUNNING"))
        cluster.client.jobs[-1].status = "SUCCEEDED"
        raise refusal(500, "already exists")

    cluster.client.on_submit = taken
    cluster.run(only=["documents"]).submit()
    assert len(cluster.client.submitted) == 1


def test_an_id_of_a_job_that_was_deleted_is_passed_over(cluster) -> None:
    def taken_once(job: dict[str, Any]) -> None:
        if job["submission_id"].endswith("-1"):
            raise refusal(500, "already exists")
        cluster.take(job)

    cluster.client.on_submit = taken_once
    cluster.run(only=["documents"]).submit()
    assert cluster.sent == ["mini-documents-1", "mini-documents-2"]


def test_what_the_cluster_refuses_is_not_sent_again(cluster) -> None:
    def refuse(job: dict[str, Any]) -> None:
        raise refusal(400, "TypeError")

    cluster.client.on_submit = refuse
    with pytest.raises(ServiceError, match="takes no such job"):
        cluster.run().submit()
    assert len(cluster.sent) == 1


def test_a_dashboard_that_restarts_while_jobs_are_listed_is_waited_for(cluster) -> None:
    cluster.client.on_list = [ConnectionError("refused"), refusal(503)]
    cluster.run(only=["documents"]).submit()
    assert len(cluster.sent) == 1


def test_ctrl_c_while_following_stops_the_job(cluster) -> None:
    interrupts: list[Any] = [KeyboardInterrupt(), Job("a", "RUNNING"), Job("a", "STOPPED")]
    cluster.client.info = interrupts
    with pytest.raises(KeyboardInterrupt):
        cluster.run().submit()
    assert set(cluster.client.stopped) == {cluster.client.submitted[0]["submission_id"]}
    assert any("has ended" in line for line in cluster.said)


def test_ctrl_c_before_the_clusters_answer_stops_the_job_too(cluster) -> None:
    def interrupt(job: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    cluster.client.on_submit = interrupt
    cluster.client.info = [Job("a", "STOPPED")]
    with pytest.raises(KeyboardInterrupt):
        cluster.run().submit()
    assert cluster.client.stopped == [cluster.client.submitted[0]["submission_id"]]


def test_ctrl_c_leaves_a_job_that_another_started(cluster) -> None:
    cluster.client.jobs = [cluster.job("documents", "RUNNING")]
    cluster.client.info = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        cluster.run().submit()
    assert not cluster.client.stopped
    assert any("goes on" in line for line in cluster.said)


def test_a_job_that_does_not_stop_is_said_to_run_still(cluster) -> None:
    cluster.client.info = [KeyboardInterrupt(), Job("a", "RUNNING")]
    with pytest.raises(ServiceError, match="has not ended yet"):
        cluster.run().submit()


def test_no_wait_sends_the_next_step_alone(cluster) -> None:
    cluster.finish("documents")
    cluster.run().submit(wait=False)
    assert cluster.sent == ["mini-general-1"]
    cluster.client.jobs[-1].status = "RUNNING"
    (cluster.store / "general" / cluster.step("general").fingerprint / "manifest.json").unlink()
    cluster.run().submit(wait=False)
    assert len(cluster.sent) == 1, "it is running"


def test_status_tells_of_each_step(cluster) -> None:
    cluster.finish("documents")
    cluster.client.jobs = [
        cluster.job("general", "FAILED", driver_exit_code=2, message="no file\nlog"),
        cluster.job("general", "RUNNING", 2, start_time=1_700_000_060_000),
    ]
    run = cluster.run()
    first, second, third = run.status()
    assert first.endswith("finished, 2 rows in, 2 kept")
    assert "RUNNING since 2023-11-14T22:14:20+00:00, job mini-general-" in second
    assert third.endswith("not started")
    cluster.client.jobs.pop()
    assert "failed with exit code 2: no file" in list(run.status())[1]


def test_stop_ends_the_jobs_of_this_run_and_of_no_other(cluster) -> None:
    other = cluster.job("general", "RUNNING", 3)
    other.metadata = {**other.metadata, "run": "other"}
    changed = cluster.job("documents", "RUNNING", 2)
    changed.metadata = {**changed.metadata, "fingerprint": "of other settings"}
    cluster.client.jobs = [cluster.job("documents", "FAILED"), changed, cluster.job("general", "PENDING"), other]
    cluster.client.info = [Job("a", "STOPPED")]
    cluster.run(only=["documents"]).stop()
    assert cluster.client.stopped == [changed.submission_id]
    cluster.run(only=[]).stop()
    assert cluster.client.stopped[1:] == [changed.submission_id, cluster.client.jobs[2].submission_id]
    cluster.client.jobs = [other]
    cluster.run().stop()
    assert len(cluster.client.stopped) == 3
    assert cluster.said[-1] == "no job of this run is running"


def test_what_does_not_travel_to_the_cluster_is_refused(cluster, tmp_path) -> None:
    with pytest.raises(UserError, match="must lie in"):
        cluster.run(file=str(tmp_path / "run.yaml")).submit()
    cluster.client.get_address = lambda: "http://head:8265"
    with pytest.raises(UserError, match="a folder of this machine"):
        cluster.run(config=load_config(FILE, ["store=runs/x"])).submit()


def test_a_place_where_no_dashboard_is() -> None:
    with pytest.raises(ServiceError, match=r"127\.0\.0\.1:9"):
        open_dashboard("http://127.0.0.1:9", print)
