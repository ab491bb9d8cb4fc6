"""How a multiple-choice item is asked and its answer read, by one of two named protocols.

strict  each question in its own language with the letters of its own options; shots fixed and from dev; a letter counts
        only where the answer states it (extract.py)
paper   as published, faults included (published.py), to hold against Table 3 of arXiv 2403.03640

Rotation k shows at place i the option (i + k) mod n; the letters stay in their places. A model that prefers a letter
rather than an option then answers differently from rotation to rotation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from apollo_ray.evaluate import prompts, published
from apollo_ray.evaluate.extract import extract_letter

Protocol = Literal["strict", "paper"]
Item = Mapping[str, Any]
"""A row of EVAL_ITEM whose task is choice."""

STRICT_TOKENS = 16
"""That a generated answer may have: "The correct answer is (B)." and its kin in six languages."""


@dataclass(frozen=True)
class ChoiceAsk:
    """One request. All tuples but `stop` are in displayed order: place i has the letter `letters[i]`, shows the item's
    option `order[i]`, and is chosen by `continuations[i]` after `prompt`."""

    prompt: str
    continuations: tuple[str, ...]
    letters: tuple[str, ...]
    order: tuple[int, ...]
    stop: tuple[str, ...]
    max_tokens: int

    def own_letter(self, displayed: str) -> str | None:
        """The item's own letter of the option that the displayed letter stands at; None for a letter not displayed."""
        return self.letters[self.order[self.letters.index(displayed)]] if displayed in self.letters else None


def choice_ask(
    item: Item,
    protocol: Protocol,
    shots: Sequence[Item] = (),
    rotation: int = 0,
    end_of_shot: str = published.END_OF_SHOT,
) -> ChoiceAsk:
    """`shots` are items with their answers, never rotated. `end_of_shot` is of the paper protocol alone."""
    number = len(item["letters"])
    order = tuple((place + rotation) % number for place in range(number))
    shown = {**item, "options": [item["options"][place] for place in order]}
    letters = tuple(item["letters"])
    if protocol == "paper":
        prompt = published.prompt(shown, shots, end_of_shot)
        return ChoiceAsk(prompt, tuple(published.continuations(shown)), letters, order, (), published.MAX_TOKENS)
    prompt = prompts.choice_prompt(shown, shots)
    return ChoiceAsk(prompt, tuple(prompts.choice_continuations(shown)), letters, order, ("\n",), STRICT_TOKENS)


def read_letter(text: str, ask: ChoiceAsk, item: Item, protocol: Protocol) -> str | None:
    """The item's own letter that a generated `text` names; None where none can be read."""
    displayed = published.read_letter(text) if protocol == "paper" else _stated(text, ask, item)
    return None if displayed is None else ask.own_letter(displayed)


def _stated(text: str, ask: ChoiceAsk, item: Item) -> str | None:
    return extract_letter(text, ask.letters, item["lang"], [item["options"][place] for place in ask.order])


def text_prompt(item: Item) -> str:
    """The prompt that the reference answer of a row of task text follows directly; the same in both protocols."""
    return prompts.text_prompt(item["question"])
