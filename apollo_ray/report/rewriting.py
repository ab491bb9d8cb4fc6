"""What a report says of passages that became question-answer pairs: how many did, at what cost, and how they read."""

from collections.abc import Iterable
from dataclasses import dataclass

from apollo_ray.report.curation import Grid

ALL = "all"
"""Stands for the languages, or the kinds of call, where those are added up."""


@dataclass(frozen=True)
class Yield:
    """Passages of one language or kind of document, and those that gave a pair (or a dialogue)."""

    name: str
    passages: int
    kept: int


@dataclass(frozen=True)
class Spent:
    """What calls of one kind took in one language. `money` is None where a price is not known."""

    lang: str
    kind: str  # question, answer or dialogue
    calls: int
    prompt_tokens: int
    completion_tokens: int
    money: float | None


@dataclass(frozen=True)
class Sample:
    """A passage and what was made of it. `turns` are by user and assistant in turn, all texts cut to their beginning;
    `flags` are the facts in them that the passage does not bear out."""

    reason: str | None  # of its refusal; None where it was kept
    unit: str
    passage: str
    turns: tuple[str, ...]
    flags: tuple[str, ...]
    detail: str

    @property
    def asked(self) -> tuple[str, ...]:
        """The question, or all turns of a dialogue that come before its last answer."""
        return self.turns[: max(len(self.turns) - 1, 1)]

    @property
    def answer(self) -> str:
        return self.turns[-1] if len(self.turns) > 1 else ""

    @property
    def remark(self) -> str:
        """The detail of a refusal, where it says more than the flags: that of an unsupported fact lists them again."""
        return "" if "; ".join(self.flags).startswith(self.detail) else self.detail


@dataclass(frozen=True)
class Rewriting:
    """What a rewrite step says of its passages. `spent` is empty where nothing was asked of an LLM, and None where the
    manifest does not say."""

    step: str
    unit: str
    engine: str | None
    prompts: str | None  # version of the prompt files
    documents: int | None  # that were cut into passages
    languages: tuple[Yield, ...]
    kinds: tuple[Yield, ...]
    dropped: Grid  # reason x language
    spent: tuple[Spent, ...] | None
    samples: tuple[tuple[str, tuple[Sample, ...]], ...]  # language -> its samples, kept ones first

    @property
    def by_language(self) -> tuple[Spent, ...]:
        """All kinds of call together."""
        langs = dict.fromkeys(item.lang for item in self.spent or ())
        return tuple(_together(lang, ALL, (item for item in self.spent or () if item.lang == lang)) for lang in langs)

    @property
    def by_call(self) -> tuple[Spent, ...]:
        """All languages together."""
        kinds = dict.fromkeys(item.kind for item in self.spent or ())
        return tuple(_together(ALL, kind, (item for item in self.spent or () if item.kind == kind)) for kind in kinds)

    @property
    def in_all(self) -> Spent:
        return _together(ALL, ALL, self.spent or ())

    @property
    def priced(self) -> bool:
        """Whether a price is known of any call."""
        return any(item.money is not None for item in self.spent or ())

    def per_pair(self, spent: Spent, *langs: str) -> float | None:
        """Money over the kept passages of these languages (of all where none is named), refused ones paid for too."""
        kept = sum(row.kept for row in self.languages if row.name in langs or not langs)
        return spent.money / kept if spent.money is not None and kept else None


def _together(lang: str, kind: str, parts: Iterable[Spent]) -> Spent:
    """The sum, without money where that of a part is not known: a sum of the others would read as the whole."""
    found = tuple(parts)
    known = [item.money for item in found if item.money is not None]
    return Spent(
        lang,
        kind,
        sum(item.calls for item in found),
        sum(item.prompt_tokens for item in found),
        sum(item.completion_tokens for item in found),
        sum(known) if len(known) == len(found) else None,
    )
