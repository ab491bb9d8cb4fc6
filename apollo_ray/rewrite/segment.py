"""Documents to passages: sections by heading, then pieces that end at sentence ends, under a limit of tokens."""

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from apollo_ray.rewrite.sentences import sentences

HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*$")

Count = Callable[[Sequence[str]], list[int]]
"""Number of tokens of each text."""

CHARACTERS_PER_TOKEN = {"default": 4.0, "zh": 1.75}
"""Where no tokenizer is at hand. Byte-level BPE of 100,000 and more ids comes near to these."""


@dataclass(frozen=True)
class Passage:
    """A stretch of a document that a question can be asked about.

    `path`: the headings that it stands under, outermost first, empty for the opening part.
    """

    document: str
    index: int  # place in the document, from 0
    title: str | None
    path: tuple[str, ...]
    text: str
    lang: str
    kind: str | None

    def to_json(self) -> str:
        return json.dumps(vars(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Passage":
        values = json.loads(text)
        return cls(**values | {"path": tuple(values["path"])})

    @property
    def headline(self) -> str:
        """Title and headings, which say as much as the text does; empty where there are none."""
        return " ".join(part for part in (self.title, *self.path) if part)

    @property
    def subject(self) -> str:
        """Title and headings, or the first words where there are none."""
        return " – ".join(part for part in (self.title, *self.path) if part) or self.text[:60]


def estimated_tokens(lang: str) -> Count:
    """A Count by CHARACTERS_PER_TOKEN."""
    ratio = CHARACTERS_PER_TOKEN.get(lang, CHARACTERS_PER_TOKEN["default"])
    return lambda texts: [math.ceil(len(text) / ratio) for text in texts]


def sections(text: str) -> list[tuple[tuple[str, ...], str]]:
    """(path, body) of every section that has a body, in order; the part before the first heading has an empty path."""
    found: list[tuple[tuple[str, ...], list[str]]] = [((), [])]
    levels: list[tuple[int, str]] = []
    for line in text.split("\n"):
        match = HEADING.match(line)
        if match:
            level = len(match[1])
            levels = [*(entry for entry in levels if entry[0] < level), (level, match[2])]
            found.append((tuple(heading for _, heading in levels), []))
        else:
            found[-1][1].append(line)
    bodies = [(path, "\n".join(lines).strip()) for path, lines in found]
    return [(path, body) for path, body in bodies if body]


def split_at_sentences(text: str, lang: str, limit: int, count: Count) -> list[str]:
    """Pieces of at most `limit` tokens that end at sentence ends; only white space is lost between them.

    Pieces are about equally long, so that no tail of a few words is left over. A sentence longer than the limit is cut
    at spaces, and at any character where there is none.
    """
    if count([text])[0] <= limit:
        return [text.strip()] if text.strip() else []
    parts = [part for sentence in sentences(text, lang) for part in _short_enough(sentence, limit, count)]
    sizes = count(parts)
    number = math.ceil(sum(sizes) / limit)
    aim = sum(sizes) / number
    pieces: list[list[str]] = [[]]
    size = 0
    for part, tokens in zip(parts, sizes, strict=True):
        if pieces[-1] and (size + tokens > limit or size + tokens / 2 > aim):
            pieces.append([])
            size = 0
        pieces[-1].append(part)
        size += tokens
    short = (one for piece in pieces for one in _short_enough("".join(piece).strip(), limit, count))
    return [piece.strip() for piece in short if piece.strip()]


def _short_enough(text: str, limit: int, count: Count) -> list[str]:
    """`text` in as few pieces as keep to the limit, halved again and again."""
    if len(text) <= 1 or count([text])[0] <= limit:
        return [text]
    middle = len(text) // 2
    space = text.rfind(" ", middle // 2, middle)
    at = space + 1 if space >= 0 else middle
    return [*_short_enough(text[:at], limit, count), *_short_enough(text[at:], limit, count)]


def passages(
    document: str, title: str | None, text: str, lang: str, kind: str | None, limit: int, count: Count
) -> list[Passage]:
    """Passages of one document, in order."""
    parts = [(path, piece) for path, body in sections(text) for piece in split_at_sentences(body, lang, limit, count)]
    return [Passage(document, index, title, path, body, lang, kind) for index, (path, body) in enumerate(parts)]
