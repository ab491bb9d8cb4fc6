"""doctor."""

import os
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.markup import escape

from apollo_ray.checks import Check
from apollo_ray.cluster_checks import judged
from apollo_ray.commands.common import Words, console, guarded, load_words
from apollo_ray.config import RunConfig
from apollo_ray.endpoint.checks import check_endpoint
from apollo_ray.endpoint.client import Endpoint, is_address
from apollo_ray.errors import ServiceError, UserError
from apollo_ray.session import connect
from apollo_ray.store import Store

MARKS = {True: "[green]ok  [/green]", False: "[red]FAIL[/red]", None: "[yellow]skip[/yellow]"}


@guarded
def doctor(
    place: Annotated[
        str | None, typer.Argument(metavar="[FILE or URL]", help="A run's YAML file, or http://...")
    ] = None,
    words: Words = None,
    model: Annotated[str | None, typer.Option(help="Of a URL's models; else the first that it lists.")] = None,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Check every node of the Ray cluster that RAY_ADDRESS names.")
    ] = False,
) -> None:
    """Check versions, accelerators, disk and Ray, and with a FILE its settings and its store.

    With a URL instead: whether that endpoint is fit for evaluation, chats and programs. Its key comes from the
    environment, APOLLO_API_KEY or OPENAI_API_KEY.

    With --cluster: whether its nodes agree in versions, ask for the token, see their GPUs, the store and each other,
    and have the clock, the disk and the shared memory that a run needs.
    """
    failed = 0
    for check in _checks(place, words, model, cluster):
        remedy = f" -> {check.remedy}" if check.passed is False else ""
        console.print(f"{MARKS[check.passed]} {check.name}: {escape(check.found + remedy)}", highlight=False)
        failed += check.passed is False
    if failed:
        raise UserError(f"{failed} check(s) failed")


def _checks(place: str | None, words: list[str] | None, model: str | None, cluster: bool) -> Iterator[Check]:
    if cluster and not os.environ.get("RAY_ADDRESS"):
        raise UserError("--cluster: set RAY_ADDRESS to the cluster's head, as host:6379; in a job it is set")
    if place is not None and is_address(place):
        if cluster:
            raise UserError("--cluster goes with a FILE, or alone; not with a URL")
        if words:
            raise UserError(f"{words[0]!r}: a URL takes no steps and no overrides")
        return check_endpoint(Endpoint(place), model)
    if model is not None:
        raise UserError("--model goes with a URL")
    config = load_words(place, words)[0] if place else None
    if cluster:
        return _cluster_checks(config)
    from apollo_ray.doctor import checks

    return checks(config, lambda: connect(lambda _: None))


def _cluster_checks(config: RunConfig | None) -> Iterator[Check]:
    try:
        with connect(lambda _: None):
            from apollo_ray.cluster_doctor import ask  # only now: Ray reads the environment when it is imported

            nodes, reduced = ask(Store(config.store) if config else None)
    except ServiceError as error:
        yield Check("ray", False, str(error), "see the message")
        return
    yield from judged(nodes, config.store if config else None, reduced)
