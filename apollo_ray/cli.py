"""apollo: plan, run, report, serve and doctor. `apollo COMMAND --help` says what each does."""

import functools
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from apollo_ray import __version__
from apollo_ray.config import RunConfig, load_config
from apollo_ray.errors import EXIT_SERVICE, EXIT_USER, ServiceError, UserError
from apollo_ray.run import (
    STAGES,
    PlannedStep,
    estimates,
    execute,
    export_ensemble,
    plan,
    planned_as_json,
    serving,
)
from apollo_ray.session import connect
from apollo_ray.store import Store

HELP = """Medical, many-language language models on Ray: from raw text to a proxy-tuned endpoint.

A run is one YAML file of named steps. Start with:

  apollo plan jobs/configs/starter.yaml      what would run, what is there

  apollo run jobs/configs/starter.yaml       run it, finished steps are kept

  apollo serve jobs/configs/starter.yaml     the ensemble as an OpenAI-compatible endpoint

Settings are overridden by key=value, e.g. expert.learning_rate=1e-4 or store=s3://bucket/folder. Exit codes: 0 done,
2 a mistake in what was given, 75 a service failed and running again goes on, 1 anything else.

A research tool, not a medical device.
"""

app = typer.Typer(help=HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
IN_A_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # set by Ray in the driver of a submitted job
RAY_DATA_ADVICE = "\nFailed to apply UDF transform"  # appended to the message of whatever a task raised
console = Console(soft_wrap=True)
errors = Console(stderr=True, soft_wrap=True)
_started = time.monotonic()

File = Annotated[str, typer.Argument(metavar="FILE", help="The run's YAML file.")]
Words = Annotated[
    list[str] | None, typer.Argument(metavar="[STEP]... [KEY=VALUE]...", help="Steps to keep to, and overrides.")
]


def say(text: str) -> None:
    """One line of progress: dim time and text on a terminal, a plain line in a log."""
    seconds = f"{time.monotonic() - _started:6.1f}s"
    if console.is_terminal:
        console.print(f"[dim]{seconds}[/dim] {escape(text)}")
    else:
        print(f"{seconds} {text}", flush=True)


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """The user's mistakes and failed services end in one message and an exit code, not in a stack trace."""

    @functools.wraps(command)
    def wrapper(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except KeyboardInterrupt:
            errors.print("interrupted; run the same command again to go on")
            raise typer.Exit(130) from None
        except Exception as error:
            known = _known(error)
            if known is None:
                raise
            message = str(known).partition(RAY_DATA_ADVICE)[0]
            errors.print(f"[bold red]error:[/bold red] {escape(message)}")
            raise typer.Exit(EXIT_USER if isinstance(known, UserError) else EXIT_SERVICE) from None

    return wrapper


def _known(error: BaseException | None) -> UserError | ServiceError | None:
    """The error of ours inside what Ray made of it on the way from a worker."""
    seen: set[int] = set()
    pending = [error]
    while pending:
        current = pending.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        # Ray's own error for a failed task is of our class too, with the worker's whole stack trace as its message.
        if isinstance(current, UserError | ServiceError) and not hasattr(current, "cause"):
            return current
        worker_failures = getattr(current, "worker_failures", None) or {}
        pending += [getattr(current, "cause", None), current.__cause__, current.__context__, *worker_failures.values()]
    return None


def load_words(file: str, words: list[str] | None) -> tuple[RunConfig, list[str]]:
    """The run's config with the words that are overrides applied, and the words that name steps."""
    overrides = [word for word in words or [] if "=" in word]
    return load_config(file, overrides), [word for word in words or [] if "=" not in word]


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit


@app.command("plan")
@guarded
def plan_command(
    file: File, words: Words = None, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False
) -> None:
    """Print the steps in order, what each needs and what is already finished. Runs nothing."""
    config, only = load_words(file, words)
    steps = plan(config, only)
    if as_json:
        print(json.dumps(planned_as_json(steps, Store(config.store)), indent=1))
        return
    table = Table("step", "stage", "needs", "fingerprint", "state", title=f"{config.run} in {config.store}")
    for step in steps:
        state = "[green]finished[/green]" if step.finished else "to run"
        table.add_row(step.name, step.stage, ", ".join(step.steps) or "-", step.fingerprint, state)
    console.print(table)


@app.command("run")
@guarded
def run_command(
    file: File,
    words: Words = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Only say how many calls, tokens and how much money rewrite steps need.")
    ] = False,
) -> None:
    """Run what is not finished (all steps, or the named ones and what they need), then show and write the report."""
    config, only = load_words(file, words)
    if estimate:
        _show_estimates(estimates(config, plan(config, only), only, say, lambda: connect(say)))
        return
    steps = execute(config, plan(config, only), say, lambda: connect(say))
    _show(config, steps, target=None)


@app.command()
@guarded
def report(
    file: File,
    words: Words = None,
    out: Annotated[
        str | None, typer.Option(help="Local file to write instead of the store's reports/RUN.html.")
    ] = None,
) -> None:
    """Show the tables of what is finished and write the HTML page."""
    config, only = load_words(file, words)
    _show(config, plan(config, only), target=out)


@app.command()
@guarded
def serve(file: File, words: Words = None) -> None:
    """Serve a finished serve step (the only one, or the named one) until interrupted.

    Port and replicas are overrides: apollo serve FILE ensemble.port=8000 ensemble.replicas=2. A key in the environment
    variable APOLLO_API_KEY is asked of every client.
    """
    config, only = load_words(file, words)
    step = _serve_step(plan(config), only)
    stopped = threading.Event()
    with connect(say), serving(Store(config.store), step, say) as address:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
        say(f"serving at {address} (Ctrl-C ends it); a research tool, not a medical device")
        stopped.wait()
        say("stopping")


@app.command("export-ensemble")
@guarded
def export_ensemble_command(
    file: File,
    step: Annotated[str, typer.Argument(metavar="STEP", help="A finished serve step.")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="A new folder.")],
    words: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Overrides.")] = None,
) -> None:
    """Write a serve step's ensemble as a folder that vLLM serves, where this package is installed beside vLLM."""
    config, _ = load_words(file, words)
    export_ensemble(Store(config.store), _serve_step(plan(config), [step]), target)
    say(f"{step}: ready for 'vllm serve {target}'")


@app.command()
@guarded
def inspect(
    file: File,
    step: Annotated[str, typer.Argument(metavar="STEP", help="A finished mix step.")],
    words: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Overrides.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="How many sequences.")] = 1,
) -> None:
    """Print the tokens of a mix step's first sequences: masked ones dim, supervised ones green, documents apart."""
    from apollo_ray.inspection import show

    config, _ = load_words(file, words)
    found = plan(config, [step])[-1]
    if found.stage != "mix":
        raise UserError(f"step {step!r} is of stage {found.stage}; a mix step is needed")
    if found.manifest is None:
        raise UserError(f"step {step!r} is not finished; 'apollo run' its file first")
    show(console, Store(config.store), found.manifest, rows)


@app.command()
@guarded
def doctor(file: Annotated[str | None, typer.Argument(metavar="[FILE]")] = None, words: Words = None) -> None:
    """Check versions, accelerators, disk and Ray, and with a FILE its settings and its store."""
    from apollo_ray.doctor import checks

    config = load_words(file, words)[0] if file else None
    failed = 0
    for check in checks(config, lambda: connect(lambda _: None)):
        mark = "[green]ok  [/green]" if check.passed else "[red]FAIL[/red]"
        remedy = "" if check.passed else f" -> {check.remedy}"
        console.print(f"{mark} {check.name}: {escape(check.found + remedy)}")
        failed += not check.passed
    if failed:
        raise UserError(f"{failed} check(s) failed")


def _serve_step(steps: list[PlannedStep], only: list[str]) -> PlannedStep:
    served = [step for step in steps if step.stage == "serve" and (not only or step.name in only)]
    if len(served) != 1:
        names = ", ".join(step.name for step in steps if step.stage == "serve") or "none"
        raise UserError(f"name one serve step of this run ({names})")
    if not served[0].finished:
        raise UserError(f"step {served[0].name!r} is not finished; 'apollo run' its file first")
    return served[0]


def _show_estimates(found: dict[str, dict[str, Any]]) -> None:
    names = ("engine", "passages", "calls_paid", "calls_to_make", "prompt_tokens", "completion_tokens", "money")
    table = Table("step", *(name.replace("_", " ") for name in names), title="estimate; nothing was asked")
    for step, told in found.items():
        table.add_row(step, *("-" if told[name] is None else str(told[name]) for name in names))
    console.print(table)


def _show(config: RunConfig, steps: list[PlannedStep], target: str | None) -> None:
    from apollo_ray.report import page, terminal

    store = Store(config.store)
    terminal.show(console, store, config.run, steps)
    written = page.write(store, config.run, steps, target)
    say(f"report: {written}")


def stage_job(stage: str) -> None:
    """`python jobs/STAGE.py FILE [STEP]... [KEY=VALUE]...`: the steps of one stage, whose inputs must be finished."""
    assert stage in STAGES

    @guarded
    def job(file: File, words: Words = None) -> None:
        config, only = load_words(file, words)
        steps = plan(config, only)
        if IN_A_JOB in os.environ and "://" not in config.store and not os.path.isabs(config.store):
            say(f"warning: store {config.store!r} lies in this job's own copy of the working directory; give store=...")
        mine = [step for step in steps if step.stage == stage and (not only or step.name in only)]
        if not mine:
            raise UserError(f"{file}: no step of stage {stage!r}{f' among {only}' if only else ''}")
        wanted = {step.name for step in mine}
        missing = {need for step in mine for need in step.steps} - wanted
        missing = {step.name for step in steps if step.name in missing and not step.finished}
        if missing:
            raise UserError(f"{', '.join(sorted(missing))}: not finished in {config.store}; run these steps first")
        needed = wanted | {need for step in mine for need in step.steps}
        execute(config, [step for step in steps if step.name in needed], say, lambda: connect(say))

    typer.run(job)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
