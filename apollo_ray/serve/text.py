"""The text of an answer: safe pieces of a stream, stop strings, what a client must know of the tokenizer. Pure."""

from collections.abc import Sequence
from typing import Any

from apollo_ray.tokens import HALF, Decode


class TextStream:
    """The text of an answer as its tokens come: no half characters, nothing of a stop string.

    However the tokens arrive, what `push` and `finish` return joins to the same text: all of it, or what stands before
    the stop string that was complete first. `before` are the last tokens of the prompt, since some tokenizers drop the
    space in front of a text's first token.
    """

    def __init__(self, decode: Decode, stops: Sequence[str] = (), before: Sequence[int] = ()) -> None:
        self._decode = decode
        self._stops = [stop for stop in stops if stop]
        self._window = list(before) if not decode(list(before)).endswith(HALF) else []
        self._known = len(self._decode(self._window))  # characters of the window that are out already
        self._kept = len(self._window)  # tokens of the window that may go once newer ones are whole
        self._held = ""  # could still become a stop string
        self.stopped = False

    def push(self, token: int) -> str:
        """Text that is safe to send now that `token` has come."""
        self._window.append(token)
        text = self._decode(self._window)
        if text.endswith(HALF):
            return ""
        fresh = text[self._known :]
        if fresh:
            self._window = self._window[self._kept :]
            self._kept = len(self._window)
            self._known = len(self._decode(self._window))
        return self._release(fresh, last=False)

    def finish(self) -> str:
        """The rest, half characters included."""
        return self._release(self._decode(self._window)[self._known :], last=True)

    def _release(self, fresh: str, last: bool) -> str:
        if self.stopped:
            return ""
        text = self._held + fresh
        found = [(text.index(stop) + len(stop), text.index(stop)) for stop in self._stops if stop in text]
        if found:
            self.stopped, self._held = True, ""
            return text[: min(found)[1]]
        held = 0 if last else max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that begins `stop`."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)


def tokenizer_info(tokenizer: Any, width: int, max_length: int) -> dict[str, Any]:
    """What a client needs to work with the tokenizer over HTTP: special tokens (or null) and the template."""
    names = ("bos_token", "eos_token", "pad_token", "unk_token")
    return {
        "tokenizer_class": type(tokenizer).__name__,
        **{name: getattr(tokenizer, name, None) for name in names},
        "chat_template": getattr(tokenizer, "chat_template", None),
        "vocab_size": width,
        "model_max_length": max_length,
    }
