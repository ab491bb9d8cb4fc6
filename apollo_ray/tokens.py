"""Between text and token ids, as the endpoint and an evaluation without one both cut text. Pure."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from apollo_ray.errors import UserError

Decode = Callable[[list[int]], str]

HALF = "\ufffd"
"""What a tokenizer shows for bytes that are no whole character (yet)."""


class Offsets:
    """For each token as it comes, `start` plus the number of whole characters before it.

    Decodes windows from one whole character to the next, so the work grows with the number of tokens.
    """

    def __init__(self, decode: Decode, start: int = 0) -> None:
        self._decode, self._characters = decode, start
        self._window: list[int] = []
        self._kept = 0  # leading tokens of the window whose characters are counted

    def push(self, token: int) -> int:
        """len(decode(tokens before this one)) without half characters."""
        prefix = self._decode(self._window[: self._kept])
        text = self._decode(self._window)
        offset = self._characters + len(text.rstrip(HALF)) - len(prefix)
        if len(self._window) > self._kept and not text.endswith(HALF):
            self._characters += len(text) - len(prefix)
            self._window = self._window[self._kept :]
            self._kept = len(self._window)
        self._window.append(token)
        return offset


def text_offsets(decode: Decode, ids: Sequence[int], start: int = 0) -> list[int]:
    """`Offsets` of all tokens at once."""
    offsets = Offsets(decode, start)
    return [offsets.push(token) for token in ids]


def lead(decode: Decode, prompt: Sequence[int]) -> list[int]:
    """The token to decode in front of an answer: the prompt's last one, or none where it ends inside a character."""
    last = list(prompt[-1:])
    return [] if decode(last).endswith(HALF) else last


def token_text(decode: Decode, token: int) -> str:
    """A token's own text; `token_id:7` where it has no whole characters, so that different tokens stay different."""
    text = decode([token])
    return f"token_id:{token}" if HALF in text or not text else text


def encode_prompt(tokenizer: Any, text: str) -> tuple[list[int], int]:
    """(ids of a text, how many of the first ids the tokenizer put before it by itself)."""
    plain = list(tokenizer(text, add_special_tokens=False)["input_ids"])
    ids = list(tokenizer(text)["input_ids"])
    added = len(ids) - len(plain)
    if added > 0 and ids[added:] == plain:
        return ids, added
    return plain, 0  # an end token after a prompt would end the answer before it starts


def encode_chat(tokenizer: Any, messages: list[dict[str, Any]]) -> list[int]:
    """Ids of a chat up to where the assistant speaks: the tokenizer's own chat template, else Apollo's turns.

    Raises UserError for messages that the template refuses.
    """
    if getattr(tokenizer, "chat_template", None):
        try:
            return list(
                tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=True, return_dict=False)
            )
        except Exception as error:  # a template is a program of the model's author and raises what it likes
            raise UserError(f"messages: the model's chat template refuses them: {type(error).__name__}") from None
    ids: list[int] = []
    for role, text in apollo_turns(messages):
        pieces = f"User:{text}\nAssistant:" if role == "user" else text
        ids += tokenizer(pieces, add_special_tokens=False)["input_ids"]
        if role == "assistant":
            ids += [tokenizer.eos_token_id, *tokenizer("\n", add_special_tokens=False)["input_ids"]]
    return ids


def apollo_turns(messages: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """(role, text) of user and assistant in turn, system messages joined to the first question.

    Raises UserError unless they alternate and the user speaks last.
    """
    system = "".join(f"{message['content']}\n" for message in messages if message["role"] == "system")
    spoken = [message for message in messages if message["role"] != "system"]
    for index, message in enumerate(spoken):
        expected = "assistant" if index % 2 else "user"
        if message["role"] != expected:
            raise UserError(f"messages: the role after {index} turns must be {expected!r}, not {message['role']!r}")
    if len(spoken) % 2 == 0:
        raise UserError("messages: the last message must be the user's")
    for index, message in enumerate(spoken):
        yield message["role"], (system if index == 0 else "") + message["content"]
