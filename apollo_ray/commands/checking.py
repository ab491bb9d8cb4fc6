"""doctor."""

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.markup import escape

from apollo_ray.checks import Check
from apollo_ray.commands.common import Words, console, guarded, load_words
from apollo_ray.endpoint.checks import check_endpoint
from apollo_ray.endpoint.client import Endpoint, is_address
from apollo_ray.errors import UserError
from apollo_ray.session import connect

MARKS = {True: "[green]ok  [/green]", False: "[red]FAIL[/red]", None: "[yellow]skip[/yellow]"}


@guarded
def doctor(
    place: Annotated[
        str | None, typer.Argument(metavar="[FILE or URL]", help="A run's YAML file, or http://...")
    ] = None,
    words: Words = None,
    model: Annotated[str | None, typer.Option(help="Of a URL's models; else the first that it lists.")] = None,
) -> None:
    """Check versions, accelerators, disk and Ray, and with a FILE its settings and its store.

    With a URL instead: whether that endpoint is fit for evaluation, chats and programs. Its key comes from the
    environment, APOLLO_API_KEY or OPENAI_API_KEY.
    """
    failed = 0
    for check in _checks(place, words, model):
        remedy = f" -> {check.remedy}" if check.passed is False else ""
        console.print(f"{MARKS[check.passed]} {check.name}: {escape(check.found + remedy)}", highlight=False)
        failed += check.passed is False
    if failed:
        raise UserError(f"{failed} check(s) failed")


def _checks(place: str | None, words: list[str] | None, model: str | None) -> Iterator[Check]:
    from apollo_ray.doctor import checks

    if place is not None and is_address(place):
        if words:
            raise UserError(f"{words[0]!r}: a URL takes no steps and no overrides")
        return check_endpoint(Endpoint(place), model)
    if model is not None:
        raise UserError("--model goes with a URL")
    config = load_words(place, words)[0] if place else None
    return checks(config, lambda: connect(lambda _: None))
