"""What all commands share: how they speak, how they fail and what their arguments mean."""

import functools
import os
import sys
import time
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from apollo_ray import logs
from apollo_ray.config import RunConfig, load_config
from apollo_ray.errors import EXIT_SERVICE, EXIT_USER, ServiceError, UserError
from apollo_ray.planning import PlannedStep

RAY_DATA_ADVICE = "\nFailed to apply UDF transform"  # appended to the message of whatever a task raised
console = Console(soft_wrap=True)
errors = Console(stderr=True, soft_wrap=True)
_started = time.monotonic()

File = Annotated[str, typer.Argument(metavar="FILE", help="The run's YAML file.")]
Words = Annotated[
    list[str] | None, typer.Argument(metavar="[STEP]... [KEY=VALUE]...", help="Steps to keep to, and overrides.")
]
Overrides = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Overrides.")]


def say(text: str) -> None:
    """One line of progress: dim time and text on a terminal, a plain line in a log."""
    if logs.structured():
        print(logs.as_json(text), flush=True)
        return
    seconds = f"{time.monotonic() - _started:6.1f}s"
    if console.is_terminal:
        console.print(f"[dim]{seconds}[/dim] {escape(text)}")
    else:
        print(f"{seconds} {text}", flush=True)


def complain(message: str) -> None:
    """An error that ends the command."""
    if os.environ.get(logs.VARIABLE) == "json":  # not structured(): what it refuses is told here too
        print(logs.as_json(message, "error"), file=sys.stderr, flush=True)
    else:
        errors.print(f"[bold red]error:[/bold red] {escape(message)}")


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
            complain(message)
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


def serve_step(steps: list[PlannedStep], only: list[str]) -> PlannedStep:
    """The finished serve step that was named, or the only one. Raises UserError."""
    served = [step for step in steps if step.stage == "serve" and (not only or step.name in only)]
    if len(served) != 1:
        names = ", ".join(step.name for step in steps if step.stage == "serve") or "none"
        raise UserError(f"name one serve step of this run ({names})")
    if not served[0].finished:
        raise UserError(f"step {served[0].name!r} is not finished; 'apollo run' its file first")
    return served[0]
