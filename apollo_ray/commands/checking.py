"""doctor."""

from typing import Annotated

import typer
from rich.markup import escape

from apollo_ray.commands.common import Words, console, guarded, load_words
from apollo_ray.errors import UserError
from apollo_ray.session import connect


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
