"""Conversations and plain text to token ids, with the tokens marked on which loss is taken.

`apollo`: `User:{q}\\nAssistant:{a}<end>\\nUser:...`, the end token after every answer.
`chat`: what the tokenizer's own chat template makes of the messages, rendered prefix by prefix.

Either way prompt and answer are tokenised apart, so that no token straddles the border of a mask, and the token that
closes an answer is trained, else a model would never learn to stop.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

Encode = Callable[[list[str]], list[list[int]]]
"""Texts to ids, without special tokens added."""

Render = Callable[[list[dict[str, str]], bool], str]
"""Messages (role, content) as the chat template has them; True: with the beginning of an answer after them."""

PROBE = ("What is a fever?", "A high temperature.", "And a cough?", "A reflex.")
"""Turns that show what a chat template does before any row is read."""


class TemplateError(ValueError):
    """A chat template that cannot be trained on, or not with these turns."""


@dataclass(frozen=True)
class Exchange:
    """A user's turn and its answer. Loss is taken on `ids[start:end]`."""

    ids: list[int]
    start: int
    end: int


class Template(Protocol):
    """How turns become text."""

    def pieces(self, turns: Sequence[str]) -> list[list[str]]:
        """For each exchange the texts to tokenise apart, its answer last. May raise TemplateError."""

    def close(self, answer: list[int]) -> tuple[list[int], int]:
        """(ids of an answer with what closes it, how many of them are trained)."""


@dataclass(frozen=True)
class Apollo:
    """The published template. Raises nothing: any turns will do."""

    end_id: int

    def pieces(self, turns: Sequence[str]) -> list[list[str]]:
        return [
            [*(["\n"] if at else []), f"User:{turns[at]}\nAssistant:", turns[at + 1]] for at in range(0, len(turns), 2)
        ]

    def close(self, answer: list[int]) -> tuple[list[int], int]:
        return [*answer, self.end_id], len(answer) + 1


@dataclass(frozen=True)
class Chat:
    """A tokenizer's own template. What follows the last special token of an answer (a line feed) is not trained."""

    render: Render
    special_ids: frozenset[int]

    def pieces(self, turns: Sequence[str]) -> list[list[str]]:
        messages = [{"role": "assistant" if place % 2 else "user", "content": turn} for place, turn in enumerate(turns)]
        found = []
        before = ""
        for end in range(1, len(messages), 2):
            asked = self.render(messages[:end], True)
            answered = self.render(messages[: end + 1], False)
            if not asked.startswith(before) or not answered.startswith(asked):
                raise TemplateError(
                    f"what it makes of {end + 1} turns does not begin with what it makes of the turns before; it "
                    "rewrites earlier turns, so prompts at training and at use would differ"
                )
            found.append([asked[len(before) :], answered[len(asked) :]])
            before = answered
        return found

    def close(self, answer: list[int]) -> tuple[list[int], int]:
        trained = [place for place, token in enumerate(answer) if token in self.special_ids]
        return answer, trained[-1] + 1 if trained else len(answer)


def check_chat(chat: Chat, encode: Encode) -> None:
    """Raises TemplateError for a template whose renderings are no prefixes or whose answers nothing closes."""
    for prompt, answer in chat.pieces(PROBE):
        ids = encode([answer])[0]
        if not any(token in chat.special_ids for token in ids):
            raise TemplateError(f"no special token closes its answers ({prompt + answer!r}): a model would never stop")


def encode_conversations(
    conversations: Sequence[Sequence[str]], template: Template, encode: Encode
) -> list[list[Exchange] | TemplateError]:
    """The exchanges of each conversation (user, assistant, user ... turns), or why there are none.

    All texts are tokenised in one call. The exchanges of a conversation's first turns are those of its beginning.
    """
    pieces: list[list[list[str]] | TemplateError] = []
    for turns in conversations:
        try:
            pieces.append(template.pieces(turns))
        except TemplateError as error:
            pieces.append(error)
    texts = [text for found in pieces if isinstance(found, list) for exchange in found for text in exchange]
    encoded = iter(encode(texts))
    made: list[list[Exchange] | TemplateError] = []
    for found in pieces:
        if isinstance(found, list):
            made.append([_exchange([next(encoded) for _ in exchange], template) for exchange in found])
        else:
            made.append(found)
    return made


def _exchange(parts: list[list[int]], template: Template) -> Exchange:
    prompt = [token for part in parts[:-1] for token in part]
    answer, trained = template.close(parts[-1])
    return Exchange(prompt + answer, len(prompt), len(prompt) + trained)


def cut_text(ids: list[int], end_id: int, sequence_length: int) -> list[list[int]]:
    """The tokens of a text as pieces of at most `sequence_length`, the end token last and never alone."""
    ids = [*ids, end_id]
    cuts = [*range(0, len(ids), sequence_length), len(ids)]
    if len(cuts) > 2 and cuts[-1] - cuts[-2] == 1:
        cuts[-2] -= 1
    return [ids[start:end] for start, end in itertools.pairwise(cuts)]
