"""A cluster's jobs as a script: what the dashboard answers, call by call."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

HANG = "hang"


def refusal(code: int, text: str = "") -> RuntimeError:
    """As Ray's client raises it."""
    return RuntimeError(f"Request failed with status code {code}: {text}.")


@dataclass
class Job:
    """What JobDetails tells."""

    submission_id: str
    status: str = "SUCCEEDED"
    driver_exit_code: int | None = None
    error_type: str | None = None
    message: str | None = "message"
    metadata: dict[str, str] | None = None
    start_time: int | None = 1_700_000_000_000


@dataclass
class ScriptedClient:
    """`info` are the answers to get_job_info, the last one for ever; exceptions are raised, functions called.

    `logs`: one entry a connection, of chunks, seconds to wait, exceptions and HANG.

    `submitted` keeps what was sent; `on_submit` may change the jobs, or raise.
    """

    info: list[Any] = field(default_factory=list)
    logs: list[Iterable[Any]] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    on_submit: Callable[[dict[str, Any]], Any] = lambda job: None
    on_list: list[BaseException] = field(default_factory=list)
    submitted: list[dict[str, Any]] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    connections: int = 0

    def get_address(self) -> str:
        return "http://127.0.0.1:8265"

    def submit_job(self, **job: Any) -> str:
        self.submitted.append(job)
        self.on_submit(job)
        return str(job["submission_id"])

    def list_jobs(self) -> list[Job]:
        if self.on_list:
            raise self.on_list.pop(0)
        return list(self.jobs)

    def get_job_info(self, job_id: str) -> Any:
        answer = self.info.pop(0) if len(self.info) > 1 else self.info[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer(self) if callable(answer) else answer

    def stop_job(self, job_id: str) -> bool:
        self.stopped.append(job_id)
        return True

    async def tail_job_logs(self, job_id: str) -> AsyncIterator[str]:
        self.connections += 1
        for chunk in self.logs.pop(0) if len(self.logs) > 1 else (self.logs or [[]])[0]:
            if isinstance(chunk, BaseException):
                raise chunk
            if chunk is HANG:
                await asyncio.sleep(3600)
            if isinstance(chunk, float):
                await asyncio.sleep(chunk)
            else:
                yield chunk
