"""Conversations and plain text to token ids with labels.

Apollo's template: `User:{q}\\nAssistant:{a}<end>\\nUser:...`. Loss is taken on answers and on the end token of every
turn. Pieces are tokenised apart, so that no token straddles the border of a mask.
"""

from collections.abc import Callable

from apollo_ray.records import IGNORED

Encode = Callable[[str], list[int]]
"""Text to ids, without special tokens added."""


def encode_conversation(turns: list[str], encode: Encode, end_id: int) -> tuple[list[int], list[int]]:
    """(input_ids, labels) of one conversation; labels are not shifted and are -100 where no loss is taken."""
    ids: list[int] = []
    labels: list[int] = []
    for index in range(0, len(turns), 2):
        prompt = encode(f"User:{turns[index]}\nAssistant:")
        answer = [*encode(turns[index + 1]), end_id]
        separator = encode("\n") if index else []
        ids += separator + prompt + answer
        labels += [IGNORED] * (len(separator) + len(prompt)) + answer
    return ids, labels


def encode_text(text: str, encode: Encode, end_id: int, sequence_length: int) -> list[tuple[list[int], list[int]]]:
    """Plain text as examples of at most `sequence_length` tokens, loss on every token, the end token last."""
    ids = [*encode(text), end_id]
    pieces = [ids[at : at + sequence_length] for at in range(0, len(ids), sequence_length)]
    return [(piece, list(piece)) for piece in pieces]
