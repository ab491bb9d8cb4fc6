"""plan, run, report, inspect."""

import json
from typing import Annotated, Any

import typer
from rich.table import Table

from apollo_ray.commands.common import File, Overrides, Words, console, guarded, load_words, say
from apollo_ray.config import RunConfig
from apollo_ray.errors import UserError
from apollo_ray.planning import PlannedStep, plan, planned_as_json
from apollo_ray.run import estimates, execute
from apollo_ray.session import connect
from apollo_ray.store import Store


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


@guarded
def inspect(
    file: File,
    step: Annotated[str, typer.Argument(metavar="STEP", help="A finished mix step.")],
    words: Overrides = None,
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
