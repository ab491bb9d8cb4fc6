"""A whole run on a cluster, one Ray job a step, in order; finished steps are not submitted again.

    python jobs/submit.py FILE [STEP]... [KEY=VALUE]... [--address http://127.0.0.1:8265]
    python jobs/submit.py FILE [STEP]... [KEY=VALUE]... --status | --stop | --no-wait

The store must be one that every host of the cluster sees. Ctrl-C stops the job that it started; a submitter that is cut
off otherwise leaves the job running, and the same command follows it.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from apollo_ray.commands.common import File, Words, complain, guarded, load_words, say
from apollo_ray.errors import UserError
from apollo_ray.logs import structured
from apollo_ray.submitting import JobFailed, Submission, open_dashboard

ROOT = Path(__file__).resolve().parent.parent


@guarded
def submit(
    file: File,
    words: Words = None,
    address: Annotated[
        str | None,
        typer.Option(help="Dashboard of the cluster; default RAY_API_SERVER_ADDRESS or http://127.0.0.1:8265."),
    ] = None,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Send the next step's job and return; the same command goes on.")
    ] = False,
    status: Annotated[bool, typer.Option("--status", help="Tell how each step fares; send nothing.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Stop the jobs of this run, or of the named steps.")] = False,
) -> None:
    """Send the steps that are not finished to a cluster, one job after another, and follow their logs."""
    if no_wait + status + stop > 1:
        raise UserError("--no-wait, --status and --stop exclude each other")
    config, only = load_words(file, words)
    dashboard = open_dashboard(address or os.environ.get("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:8265"), say)
    overrides = [word for word in words or [] if "=" in word]
    indent = "" if structured() else "    "  # a log of JSON lines stays one
    run = Submission(
        dashboard, config, only, file, overrides, ROOT, say, lambda line: print(f"{indent}{line}", flush=True)
    )
    if status:
        for line in run.status():
            print(line)
    elif stop:
        run.stop()
    else:
        try:
            run.submit(wait=not no_wait)
        except JobFailed as failed:
            complain(str(failed))
            raise typer.Exit(1) from None


if __name__ == "__main__":
    sys.exit(typer.run(submit))
