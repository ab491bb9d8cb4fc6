"""tune-alpha."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from apollo_ray.commands.common import File, Overrides, console, guarded, load_words, say
from apollo_ray.errors import UserError
from apollo_ray.language import known_languages
from apollo_ray.planning import plan
from apollo_ray.run import tune_alpha
from apollo_ray.session import connect
from apollo_ray.store import Store

FOLDER = "alphas"
ALPHAS = "0,0.25,0.5,0.75,1,1.25,1.5"
MEASURES = {"accuracy": "accuracy", "nats": "nats per token"}


@guarded
def tune_alpha_command(
    file: File,
    step: Annotated[str, typer.Argument(metavar="STEP", help="An evaluate step whose benchmarks have dev files.")],
    words: Overrides = None,
    alphas: Annotated[str, typer.Option(help="What to try, with commas between; 0 always is.")] = ALPHAS,
    by: Annotated[
        str | None, typer.Option(help="accuracy or nats; else accuracy for languages that have choices.")
    ] = None,
) -> None:
    """Find the best alpha for each language on dev items, and write it as a file that a serve step takes as `alphas`.

    A language that no alpha surely improves gets 0. Answers are kept, so a second call asks only what is new.
    """
    config, _ = load_words(file, words)
    steps = plan(config, [step])
    if steps[-1].stage != "evaluate":
        raise UserError(f"step {step!r} is of stage {steps[-1].stage}; an evaluate step is needed")
    if by not in (None, *MEASURES):
        raise UserError(f"--by: {by!r} is none of {', '.join(MEASURES)}")
    found = tune_alpha(config, steps, step, _numbers(alphas), by, say, lambda: connect(say))
    rows = found.pop("rows")
    for measure, title in MEASURES.items():
        if mine := [row for row in rows if row["measure"] == measure]:
            console.print(_table(mine, f"{title}: {step}"))
    by_language = found["alpha_by_language"]
    for lang in sorted(by_language.keys() - known_languages()):
        say(f"warning: prompts are not told to be in {lang!r}, so its alpha {by_language.pop(lang):g} is left out")
    store = Store(config.store)
    notes = {"run": config.run, "step": step, "fingerprint": steps[-1].fingerprint, "by": by}
    notes |= {name: found.pop(name) for name in ("asked", "left_out")} | {"rows": rows}
    path = f"{FOLDER}/{config.run}-{step}.json"
    written = json.dumps(found | {"notes": notes}, ensure_ascii=False, indent=1, allow_nan=False)
    store.write(store.path(path), written.encode())
    _draw(store, f"{FOLDER}/{config.run}-{step}", rows)
    chosen = ", ".join(f"{lang} {alpha:g}" for lang, alpha in by_language.items())
    console.print(f"alpha by language: {escape(chosen)}; {found['alpha']:g} for others")
    console.print(f"give the serve step  alphas: {escape(store.address(path))}")


def _numbers(text: str) -> list[float]:
    try:
        return [float(number) for number in text.split(",")]
    except ValueError:
        raise UserError(f"--alphas: expected numbers with commas between, got {text!r}") from None


def _table(rows: list[dict[str, Any]], title: str) -> Table:
    """Languages down, alphas across: the value and, of what is not 0, the difference with its interval."""
    accuracy = rows[0]["measure"] == "accuracy"
    alphas = list(dict.fromkeys(row["alpha"] for row in rows))
    table = Table("lang", "items", *(f"{alpha:g}" for alpha in alphas), title=title)
    table.caption = "value, difference from alpha 0 [95 % interval]; * surely better, after Holm's correction"
    for lang in dict.fromkeys(row["lang"] for row in rows):
        mine = [row for row in rows if row["lang"] == lang]
        table.add_row(lang or "all", str(mine[0]["items"]), *(_cell(row, accuracy) for row in mine))
    return table


def _cell(row: Mapping[str, Any], accuracy: bool) -> str:
    scale, digits = (100, 1) if accuracy else (1, 3)
    value = f"{scale * row['value']:.{digits}f}"
    if row["alpha"] and row["difference"] is not None:
        value += f"\n{scale * row['difference']:+.{digits}f}"
        if row["difference_low"] is not None:
            value += f" [{scale * row['difference_low']:+.{digits}f}, {scale * row['difference_high']:+.{digits}f}]"
    shown = escape(f"{value}{' *' if row['better'] else ''}")
    return f"[bold green]{shown}[/]" if row["chosen"] else shown


def _draw(store: Store, name: str, rows: list[dict[str, Any]]) -> None:
    from apollo_ray.report.tuning_plot import strengths  # matplotlib takes a moment to load

    for measure in MEASURES:
        if any(row["measure"] == measure for row in rows):
            path = f"{name}-{measure}.svg"
            store.write(store.path(path), strengths(rows, measure).encode())
            console.print(f"plot: {escape(store.address(path))}")
