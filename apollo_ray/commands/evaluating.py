"""audit."""

import importlib
import json
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from apollo_ray.commands.common import File, Words, console, guarded, load_words
from apollo_ray.errors import UserError
from apollo_ray.planning import STAGES, plan
from apollo_ray.store import Store

AUDITS = "audits"


@guarded
def audit(
    file: File,
    words: Words = None,
    findings: Annotated[int, typer.Option(min=0, help="How many findings of each kind to print.")] = 0,
) -> None:
    """Say what is wrong with the benchmarks of evaluate steps, and write all findings to the store's audits folder.

    Asks no model. Runs no other step.
    """
    config, only = load_words(file, words)
    steps = [step for step in plan(config, only) if step.stage == "evaluate" and (not only or step.name in only)]
    if not steps:
        raise UserError(f"{file}: no step of stage 'evaluate'{f' among {only}' if only else ''}")
    store = Store(config.store)
    for step in steps:
        reading = importlib.import_module(f"{STAGES[step.stage].package}.reading").read(step.settings)
        table = Table(
            *("benchmark", "lang", "items", "unfit", "majority", "chance", "found"),
            title=f"{step.name}: {len(reading.items)} of {len(reading.pool)} items are asked",
        )
        for cell in reading.audit.cells:
            found = "\n".join(
                f"{'[red]' if reason in reading.audit.unfit_reasons else '[dim]'}{reason} {count}[/]"
                for reason, count in cell.reasons.items()
            )
            majority = f"{cell.majority_letter} {cell.majority:.1%}"
            table.add_row(
                *map(escape, (cell.benchmark, cell.lang)),
                *map(str, (cell.items, cell.unfit, majority, f"{cell.chance:.1%}", found or "-")),
            )
        console.print(table)
        shown: dict[str, int] = {}
        for one in reading.audit.findings:
            shown[one.reason] = shown.get(one.reason, 0) + 1
            if shown[one.reason] <= findings:
                console.print(escape(f"{one.reason}: {one.benchmark}, {one.lang}, {one.id}: {one.detail}"))
        path = f"{AUDITS}/{config.run}-{step.name}.json"
        data = reading.audit.as_json() | {"excluded": reading.excluded()}
        store.write(store.path(path), json.dumps(data, ensure_ascii=False, indent=1).encode())
        console.print(f"all findings: {escape(store.address(path))}")
