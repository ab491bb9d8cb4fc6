"""chat."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Annotated, Any

import typer
from rich.text import Text

from apollo_ray.commands.common import Words, console, errors, guarded, load_words, say, serve_step
from apollo_ray.endpoint.client import Endpoint, is_address
from apollo_ray.endpoint.conversation import Conversation, Part
from apollo_ray.errors import ServiceError, UserError
from apollo_ray.planning import plan
from apollo_ray.run import serving
from apollo_ray.session import connect
from apollo_ray.store import Store

NOTICE = "a research tool, not a medical device: answers can be wrong, and none is medical advice"
SHADES = ((0.1, "black on #fff0c2"), (0.5, "black on #ffcf70"), (2.0, "black on #ff9d5c"))
"""From this divergence on in nats, how a token is shown."""
STEERED = 3  # tokens that are told of after an answer
CONTROLS = {code: "\ufffd" for code in (*range(32), *range(127, 160)) if code not in (9, 10)}
"""What a model writes must not steer the terminal; a pipe gets it as it is."""


@guarded
def chat(
    place: Annotated[str, typer.Argument(metavar="URL|FILE", help="An endpoint, or a run's YAML file to serve.")],
    words: Words = None,
    model: Annotated[str, typer.Option(help="Of the endpoint's models; else the first.")] = "",
) -> None:
    """Talk to a model: in the terminal, or line by line from a pipe.

    The key comes from the environment, APOLLO_API_KEY or OPENAI_API_KEY. /help lists what else can be typed.
    """
    interactive = sys.stdin.isatty() and console.is_terminal
    with _address(place, words) as address:
        conversation = Conversation(Endpoint(address), model)
        errors.print(f"{conversation.model} at {address}, {NOTICE}", highlight=False, markup=False)
        if interactive:
            import readline  # noqa: F401  # input() edits lines and remembers them once this is imported

            errors.print("/help lists the commands", style="dim")
        for line in _typed() if interactive else map(str.strip, sys.stdin):
            try:
                if line and not _turn(conversation, line):
                    break
            except KeyboardInterrupt:
                errors.print("\nended; that question is forgotten", style="dim")
            except (UserError, ServiceError) as error:
                if not interactive:
                    raise
                errors.print(str(error), style="red", markup=False, highlight=False)


@contextmanager
def _address(place: str, words: list[str] | None) -> Iterator[str]:
    """A URL as it is, or the endpoint of a file's serve step while the block runs."""
    if is_address(place):
        if words:
            raise UserError(f"{words[0]!r}: a URL takes no steps and no overrides")
        yield place
        return
    config, only = load_words(place, words)
    step = serve_step(plan(config), only)
    with connect(say), serving(Store(config.store), step, say) as address:
        yield address


def _typed() -> Iterator[str]:
    """Lines of the terminal until Ctrl-D; Ctrl-C drops the line that is being typed."""
    while True:
        try:
            yield input("> ").strip()
        except KeyboardInterrupt:
            errors.print("\n/quit or Ctrl-D ends", style="dim")
        except EOFError:
            console.print()
            return


def _turn(conversation: Conversation, line: str) -> bool:
    """Answer a line; False where it asks to end."""
    if line.startswith("/"):
        told = conversation.command(line)
        if told is not None:
            errors.print(told, style="dim", markup=False, highlight=False)
        return told is not None
    parts: list[Part] = []
    with closing(conversation.ask(line)) as answer:
        for part in answer:
            parts.append(part)
            if console.is_terminal:
                console.print(_shown(part), end="")
            else:
                console.file.write(part.text)
    console.print()
    for token in sorted((token for part in parts for token in part.tokens), key=_divergence)[-STEERED:][::-1]:
        numbers = ", ".join(f"{role} {token[role]:.2f}" for role in ("base", "expert", "anti_expert"))
        errors.print(f"  {token['token']!r}: divergence {_divergence(token):.2f}, {numbers}", style="dim", markup=False)
    return True


def _shown(part: Part) -> Text:
    style = next((style for least, style in reversed(SHADES) if part.divergence >= least), "")
    return Text(part.text.translate(CONTROLS), style=style, end="")


def _divergence(token: Mapping[str, Any]) -> float:
    return float(token["divergence"])
