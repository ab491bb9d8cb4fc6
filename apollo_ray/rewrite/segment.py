"""Documents to passages: sections by heading, then pieces that end at sentence ends, under a limit of characters."""

import itertools
import re
from dataclasses import dataclass

HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$")

# Sentence ends of the six languages: Latin marks need white space behind them (so 7.5 mg stays whole), Han full stops,
# the danda and the Arabic marks do not.
_SENTENCE_END = re.compile(r"(?<=[.!?؟…])(?:[\"”»')\]]*)\s+|(?<=[。！？।॥۔])(?=\S)|(?<=[।॥۔؟])\s+|\n+")


@dataclass(frozen=True)
class Passage:
    """A stretch of a document that a question can be asked about. `heading` is None for the opening part."""

    document: str
    index: int  # place in the document, from 0
    title: str | None
    heading: str | None
    text: str
    lang: str
    kind: str | None


def sections(text: str) -> list[tuple[str | None, str]]:
    """(heading, body) of every section that has a body, in order; the part before the first heading has None."""
    found: list[tuple[str | None, list[str]]] = [(None, [])]
    for line in text.split("\n"):
        match = HEADING.match(line)
        if match:
            found.append((match.group(1), []))
        else:
            found[-1][1].append(line)
    bodies = [(heading, "\n".join(lines).strip()) for heading, lines in found]
    return [(heading, body) for heading, body in bodies if body]


def split_at_sentences(text: str, limit: int) -> list[str]:
    """Pieces of at most `limit` characters that end at sentence ends; only white space is lost between them.

    A sentence longer than the limit is cut at the limit.
    """
    pieces: list[str] = []
    current = ""
    for sentence in _sentences(text, limit):
        if current and len(current) + len(sentence) > limit:
            pieces.append(current.strip())
            current = ""
        current += sentence
    return [piece for piece in [*pieces, current.strip()] if piece]


def _sentences(text: str, limit: int) -> list[str]:
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    bounds = [0, *ends, len(text)]
    sentences = [text[start:end] for start, end in itertools.pairwise(bounds) if end > start]
    return [sentence[at : at + limit] for sentence in sentences for at in range(0, len(sentence), limit)]


def passages(document: str, title: str | None, text: str, lang: str, kind: str | None, limit: int) -> list[Passage]:
    """Passages of one document, in order. Dialogues are not cut here: their turns are."""
    parts: list[tuple[str | None, str]] = []
    for heading, body in sections(text):
        parts += [(heading, piece) for piece in split_at_sentences(body, limit)]
    return [Passage(document, index, title, heading, body, lang, kind) for index, (heading, body) in enumerate(parts)]
