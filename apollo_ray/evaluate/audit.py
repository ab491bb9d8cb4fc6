"""What is wrong with a benchmark, item by item, before any model is asked.

repeated_item        the question with the same options and answer came before
contradicting_golds  the question with the same options has another answer elsewhere
corrupted            one question stands in the place of many: MIN_REPEATS items share half their words, and the answers
                     lie at MIN_LETTERS different letters. An exam does not ask one thing eight times with other answers
several_answers      the gold has several letters (strict refuses the row, paper takes the first letter)
too_long             longer than the published scripts take; of the paper protocol alone
shared_stem          the question came before with other options: no fault, but the words tell not what is asked
in_dev               the question with the same options is in the dev file too: dev must not choose what test reports
range_denied         the published prompt says other letters than the item has ("from A to D" for five options)

Rows that cannot be read at all (an answer that is none of the options ...) are refused before: benchmarks.py.
The first five make an item unfit to be asked; the others are reported.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from apollo_ray.evaluate import published, repeats
from apollo_ray.evaluate.protocols import Protocol
from apollo_ray.overlap_index import fold, fold_all

Item = Mapping[str, Any]
Key = tuple[str, str, str]

UNFIT = ("repeated_item", "contradicting_golds", "corrupted", "several_answers")
MIN_REPEATS, MIN_LETTERS = 8, 3
"""Real sets have up to 4 questions of one pattern; the corrupted Arabic one has 208, at four letters."""


@dataclass(frozen=True)
class Finding:
    """One fault of one item."""

    benchmark: str
    lang: str
    id: str
    reason: str
    detail: str


@dataclass(frozen=True)
class Cell:
    """Figures of one benchmark in one language. Golds, `majority` (the accuracy of always saying the letter that is
    right most often) and `chance` (that of guessing) are those of the fit items, or of all where none is fit."""

    benchmark: str
    lang: str
    items: int
    unfit: int
    reasons: dict[str, int]
    options: dict[int, int]  # number of options -> items
    golds: dict[str, int]
    majority_letter: str
    majority: float
    chance: float


@dataclass(frozen=True)
class Audit:
    cells: list[Cell]
    findings: list[Finding]
    unfit_reasons: tuple[str, ...] = UNFIT

    def unfit(self, protocol: Protocol) -> dict[Key, Finding]:
        """(benchmark, lang, id) -> why the item should not be asked. Paper asks all that the published scripts ask."""
        return self.by_reason(*(UNFIT if protocol == "strict" else ("too_long",)))

    def by_reason(self, *reasons: str) -> dict[Key, Finding]:
        """(benchmark, lang, id) -> its first finding of these reasons."""
        found: dict[Key, Finding] = {}
        for one in self.findings:
            if one.reason in reasons:
                found.setdefault((one.benchmark, one.lang, one.id), one)
        return found

    def as_json(self) -> dict[str, Any]:
        return {"cells": [asdict(cell) for cell in self.cells], "findings": [asdict(one) for one in self.findings]}


def key_of(item: Item) -> Key:
    return item["benchmark"], item["lang"], item["id"]


def audit(items: Iterable[Item], dev: Iterable[Item] = ()) -> Audit:
    """`items` and `dev` are EVAL_ITEM rows; those of other tasks than choice are passed over."""
    findings, cells = [], []
    held = _by_cell(dev)
    for (benchmark, lang), rows in _by_cell(items).items():
        found = _faults(rows, held.get((benchmark, lang), []))
        findings += found
        cells.append(_cell(benchmark, lang, rows, found))
    return Audit(cells, findings)


def _by_cell(items: Iterable[Item]) -> dict[tuple[str, str], list[Item]]:
    cells = defaultdict(list)
    for item in items:
        if item["task"] == "choice":
            cells[item["benchmark"], item["lang"]].append(item)
    return cells


def _faults(rows: Sequence[Item], dev: Sequence[Item]) -> list[Finding]:
    found = []

    def fault(item: Item, reason: str, detail: str) -> None:
        found.append(Finding(*key_of(item), reason=reason, detail=detail))

    stems = fold_all([row["question"] for row in rows])
    contents = [_content(row) for row in rows]
    in_dev = {_content(row)[1:]: row["id"] for row in dev}  # the context may be cut in one of the two
    answers: dict[Any, set[str]] = defaultdict(set)
    for row, content in zip(rows, contents, strict=True):
        answers[content].add(_gold_text(row))
    first_stem: dict[str, str] = {}
    first_content: dict[Any, str] = {}
    for row, stem, content in zip(rows, stems, contents, strict=True):
        if len(answers[content]) > 1:
            fault(row, "contradicting_golds", f"{len(answers[content])} different answers to the same options")
        elif content in first_content:
            fault(row, "repeated_item", f"as {first_content[content]}")
        elif stem in first_stem:
            fault(row, "shared_stem", f"as {first_stem[stem]}")
        if content[1:] in in_dev:
            fault(row, "in_dev", f"as {in_dev[content[1:]]}")
        if row["fault"]:
            fault(row, *row["fault"].split(": ", 1))
        last = published.last_letter(row)
        if row["letters"][-1] != last:
            fault(row, "range_denied", f"options A to {row['letters'][-1]}, the published prompt says A to {last}")
        if len(published.prompt(row)) > published.MAX_CHARACTERS:
            fault(row, "too_long", f"{len(published.prompt(row))} characters of at most {published.MAX_CHARACTERS}")
        first_stem.setdefault(stem, row["id"])
        first_content.setdefault(content, row["id"])
    every = [*rows, *dev]
    for group in repeats.groups([" . ".join([row["question"], *row["options"]]) for row in every]):
        letters = Counter(every[place]["answer"] for place in group)
        if len(group) >= MIN_REPEATS and len(letters) >= MIN_LETTERS:
            counts = ", ".join(f"{letter} {count}" for letter, count in sorted(letters.items()))
            for place in group:
                if place < len(rows):
                    fault(every[place], "corrupted", f"one of {len(group)} tellings of one item, answers {counts}")
    return found


def _content(row: Item) -> tuple[str, str, tuple[str, ...]]:
    """What is asked, whatever the order of the options."""
    return fold(row["context"] or ""), fold(row["question"]), tuple(sorted(fold_all(row["options"])))


def _gold_text(row: Item) -> str:
    return fold(row["options"][row["letters"].index(row["answer"])])


def _cell(benchmark: str, lang: str, rows: Sequence[Item], found: Sequence[Finding]) -> Cell:
    unfit = {one.id for one in found if one.reason in UNFIT}
    fit = [row for row in rows if row["id"] not in unfit] or rows
    golds = Counter(row["answer"] for row in fit)
    letter, most = max(golds.items(), key=lambda pair: (pair[1], pair[0]))
    return Cell(
        benchmark,
        lang,
        items=len(rows),
        unfit=len(unfit),
        reasons=dict(sorted(Counter(one.reason for one in found).items())),
        options=dict(sorted(Counter(len(row["letters"]) for row in rows).items())),
        golds=dict(sorted(golds.items())),
        majority_letter=letter,
        majority=most / len(fit),
        chance=fmean(1 / len(row["letters"]) for row in fit),
    )
