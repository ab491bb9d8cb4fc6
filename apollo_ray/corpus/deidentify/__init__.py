"""Personal data of clinical text in six languages to typed placeholders: names, addresses, dates, numbers.

`[NAME_1]`, `[PHONE_1]`, `[DATE_2]`: the same person or number has the same number within a document, counted in order
of first appearance; an age of 90 and over is `[AGE]`. The list of types follows HIPAA's Safe Harbor (45 CFR
164.514(b)(2)). Rules and check digits, optionally with a token-classification model (`model.ModelEngine`). Neither
finds everything: text that has passed here is less identifying, not anonymous, and this promises no completeness.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from apollo_ray.corpus.deidentify import rules
from apollo_ray.corpus.deidentify.cues import fold
from apollo_ray.corpus.deidentify.rules import PLACEHOLDER, TYPES, Span, find

_BREAK = "\n\0\n"  # between the texts of a document; no rule's value crosses it


class Engine(Protocol):
    """What else finds spans: `model.ModelEngine`, or anything with this method."""

    def find(self, text: str, lang: str | None) -> list[Span]: ...


def deidentify(texts: Sequence[str], lang: str | None, engine: Engine | None = None) -> tuple[list[str], Counter[str]]:
    """(`texts` with placeholders, replacements per type). All `texts` are one document: its title and text, its turns.

    Placeholders that stand in the texts stay and their numbers are not given anew; applied to its own output it
    changes nothing. Any str is taken; the rules never raise.
    """
    book = _Book(texts)
    counts: Counter[str] = Counter()
    texts = list(texts)
    # A value once gone, another cue may come to stand next to a number: again, until nothing is found. Every round
    # takes away characters that are no placeholder, so it ends; ordinary text needs one round, personal text two.
    while spans := _find(texts, lang, engine):
        for index, found in enumerate(spans):
            texts[index] = book.replace(texts[index], found)
            counts.update(span.type for span in found)
    return texts, counts


def _find(texts: Sequence[str], lang: str | None, engine: Engine | None) -> list[list[Span]] | None:
    """Spans per text, or None where no text has one."""
    joined = _BREAK.join(texts)
    found = find(joined, lang)
    if engine is not None:
        found = rules.union(joined, found, engine.find(joined, lang))
    if not found:
        return None
    spans: list[list[Span]] = []
    start = 0
    for text in texts:
        end = start + len(text)
        spans.append([Span(s.start - start, s.end - start, s.type) for s in found if start <= s.start and s.end <= end])
        start = end + len(_BREAK)
    return spans if any(spans) else None


class _Book:
    """Which placeholder stands for which value."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.given: dict[tuple[str, str], str] = {}
        self.last: Counter[str] = Counter()
        for text in texts:
            for match in PLACEHOLDER.finditer(text):
                kind, _, number = match.group()[1:-1].partition("_")
                self.last[kind] = max(self.last[kind], int(number or 0))

    def replace(self, text: str, spans: Sequence[Span]) -> str:
        parts: list[str] = []
        end = 0
        for span in spans:
            parts += [text[end : span.start], self._placeholder(span.type, text[span.start : span.end])]
            end = span.end
        return "".join([*parts, text[end:]])

    def _placeholder(self, kind: str, value: str) -> str:
        if kind == "AGE":
            return "[AGE]"
        key = fold(" ".join(value.split()))
        key = key if kind == "NAME" else "".join(filter(str.isalnum, key)) or key
        if (kind, key) not in self.given:
            self.given[kind, key] = self._of_surname(key) if kind == "NAME" else ""
            if not self.given[kind, key]:
                self.last[kind] += 1
                self.given[kind, key] = f"[{kind}_{self.last[kind]}]"
        return self.given[kind, key]

    def _of_surname(self, key: str) -> str:
        """The placeholder of the person whose surname (or, longer, whole name) `key` is; "" for a new person."""
        for (kind, known), placeholder in self.given.items():
            if kind == "NAME" and placeholder and _same_person(key, known):
                return placeholder
        return ""


def _same_person(one: str, other: str) -> bool:
    shorter, longer = sorted((one.split(), other.split()), key=len)
    return bool(shorter) and len(shorter) == 1 and len(longer) > 1 and shorter[0] == longer[-1]


__all__ = ["PLACEHOLDER", "TYPES", "Engine", "Span", "deidentify", "find"]
