"""CPU seconds and memory of a command with everything that it starts."""

import os
import subprocess
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import psutil

MARK = "APOLLO_BENCHMARK"
INTERVAL_S = 0.1
MEMORY_EVERY = 10  # intervals; reading the pages of a process costs milliseconds


@dataclass(frozen=True)
class Usage:
    """`cpu_s` is user + system time of all processes, `peak_mb` their shared-fair memory (PSS) together at its highest.
    `own_mb` is what the command's first process has to itself (USS, without the object store that all map) at its
    highest, `other_mb` the same of the largest process that it started."""

    cpu_s: float
    wall_s: float
    peak_mb: float
    own_mb: float
    other_mb: float
    output: str


def measure(command: list[str], **environment: str) -> Usage:
    """Run `command` to its end. Processes are found by a mark in their environment, since Ray's leave the session.

    Raises RuntimeError with the command's output where it fails.
    """
    mark = uuid.uuid4().hex
    started = time.monotonic()
    log = tempfile.TemporaryFile(mode="w+", errors="replace")  # noqa: SIM115 - closed with the process
    process = subprocess.Popen(command, env=os.environ | environment | {MARK: mark}, stdout=log, stderr=log)
    seconds: dict[tuple[int, float], float] = {}
    marked: dict[tuple[int, float], bool] = {}
    peak = own_peak = other_peak = 0.0
    count = 0
    while process.poll() is None:
        sizes = []
        for found in psutil.process_iter():
            try:
                key = (found.pid, found.create_time())
                if key not in marked:
                    marked[key] = f"{MARK}={mark}".encode() in Path(f"/proc/{found.pid}/environ").read_bytes()
                if marked[key]:
                    times = found.cpu_times()
                    seconds[key] = times.user + times.system
                    if count % MEMORY_EVERY == 0:
                        memory = found.memory_full_info()
                        sizes.append(memory.pss / 1e6)
                        if found.pid == process.pid:
                            own_peak = max(own_peak, memory.uss / 1e6)
                        else:
                            other_peak = max(other_peak, memory.uss / 1e6)
            except (psutil.Error, OSError):
                continue
        if sizes:
            peak = max(peak, sum(sizes))
        count += 1
        time.sleep(INTERVAL_S)
    wall = time.monotonic() - started
    log.seek(0)
    output = log.read()
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}:\n{output[-3000:]}")
    return Usage(sum(seconds.values()), wall, peak, own_peak, other_peak, output)
