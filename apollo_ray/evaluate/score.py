"""What a continuation is worth: its log probability from an endpoint's answer."""

import math
from collections.abc import Sequence

REPLACEMENT = "\ufffd"  # how servers show a token that is only part of a character


def continuation_start(prompt: str, continuation: str, tokens: Sequence[str], text_offset: Sequence[int]) -> int | None:
    """Where the continuation starts, as the endpoint counts; None where its offsets do not count characters.

    Some servers count a start token such as <s>, which shifts all offsets by its length. Some count each token of a
    character that takes several, which moves the border. So the token at the prompt's end is held against the text.
    Expects a prompt that starts and ends in ASCII, as those of this package do.
    """
    text = prompt + continuation
    if not tokens or len(tokens) != len(text_offset) or list(text_offset) != sorted(text_offset) or text_offset[0] != 0:
        return None
    shift = text_offset[1] if len(text_offset) > 1 and not text.startswith(tokens[0]) else 0
    start = len(prompt) + shift
    last = max(index for index, offset in enumerate(text_offset) if offset < start)
    visible = tokens[last].split(REPLACEMENT)[0]
    place = text_offset[last] - shift
    reaches = place + len(tokens[last]) >= len(prompt)
    return start if place >= 0 and visible and reaches and text.startswith(visible, place) else None


def first_counted(text_offset: Sequence[int], prompt_chars: int) -> int:
    """The first token that reaches past character `prompt_chars`; one that straddles the border is counted whole.

    Raises ValueError where none does.
    """
    ends = [*text_offset, math.inf][1:]
    for place, (offset, end) in enumerate(zip(text_offset, ends, strict=True)):
        if offset >= prompt_chars or end > prompt_chars:
            return place
    raise ValueError(f"no token from character {prompt_chars} on")


def continuation_logprob(
    token_logprobs: Sequence[float | None], text_offset: Sequence[int], prompt_chars: int
) -> tuple[float, int]:
    """(sum of natural log probabilities, number of tokens) from character `prompt_chars` on.

    Raises ValueError where no token reaches past the border, or one of them has no finite log probability.
    """
    if len(token_logprobs) != len(text_offset):
        raise ValueError(f"{len(token_logprobs)} log probabilities for {len(text_offset)} offsets")
    first = first_counted(text_offset, prompt_chars)
    counted: list[float] = []
    for logprob, offset in zip(token_logprobs[first:], text_offset[first:], strict=True):
        if logprob is None or not math.isfinite(logprob):
            raise ValueError(f"the token at character {offset} has the log probability {logprob}")
        counted.append(logprob)
    return math.fsum(counted), len(counted)


def choose(logprobs: Sequence[float], letters: Sequence[str]) -> str:
    """The letter of the largest log probability; the first of equals."""
    best = max(range(len(letters)), key=lambda index: (logprobs[index], -index))
    return letters[best]
