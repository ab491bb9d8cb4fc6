"""What a report says of the text itself: how much there is, how its measures lie, what was masked and leaked."""

from collections import Counter
from dataclasses import dataclass

PAPER_RULE = "consecutive_64"
"""The rule of decontamination that is Apollo's own (arXiv 2403.03640)."""
Limits = tuple[float | None, float | None]
"""(lowest, highest value that is kept); None where there is no limit on that side."""


@dataclass(frozen=True)
class Grid:
    """Counts by two names; what is not in `values` is 0."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: dict[tuple[str, str], int]

    @property
    def by_row(self) -> dict[str, dict[str, int]]:
        """row -> column -> count, zeros too."""
        return {row: {column: self.values.get((row, column), 0) for column in self.columns} for row in self.rows}

    def row_total(self, row: str) -> int:
        return sum(self.values.get((row, column), 0) for column in self.columns)

    def column_total(self, column: str) -> int:
        return sum(self.values.get((row, column), 0) for row in self.rows)

    @property
    def total(self) -> int:
        return sum(self.values.values())


@dataclass(frozen=True)
class Size:
    """Kept text of one language and kind. Words are runs without white space; a Han character is one."""

    lang: str
    kind: str
    characters: int
    words: int


@dataclass(frozen=True)
class Histogram:
    """A measure of all rows that were measured, kept or not. `counts` has one number a bin, equally wide from `low` to
    `high`, for each language; the first and the last bin also hold what lies beyond. `limits` are those for prose."""

    measure: str
    low: float
    high: float
    counts: dict[str, tuple[int, ...]]
    limits: dict[str, Limits]


@dataclass(frozen=True)
class Curation:
    """What a corpus step says of its text. `lengths` counts kept rows: bin k has 2**k to 2**(k+1) - 1 characters."""

    step: str
    unit: str
    sizes: tuple[Size, ...]
    lengths: dict[str, tuple[int, ...]]
    histograms: tuple[Histogram, ...]
    mixed: Grid  # main language x the other one
    personal: Grid  # type of personal data x language
    deidentified: bool | None  # whether it was asked for; None where the manifest does not say

    @property
    def languages(self) -> tuple[Size, ...]:
        """Sizes of each language, all kinds together."""
        characters: Counter[str] = Counter()
        words: Counter[str] = Counter()
        for size in self.sizes:
            characters[size.lang] += size.characters
            words[size.lang] += size.words
        return tuple(Size(lang, "all", characters[lang], words[lang]) for lang in characters)

    @property
    def limited(self) -> tuple[Histogram, ...]:
        """Histograms that have a limit in some language."""
        return tuple(item for item in self.histograms if any(pair != (None, None) for pair in item.limits.values()))

    @property
    def limits(self) -> tuple[tuple[str, dict[str, Limits]], ...]:
        """(measure, language -> limits) of the measures that have any, each with the same languages."""
        langs = dict.fromkeys(lang for item in self.limited for lang in item.limits)
        return tuple(
            (item.measure, {lang: item.limits.get(lang, (None, None)) for lang in langs}) for item in self.limited
        )


@dataclass(frozen=True)
class Leaks:
    """Overlaps with benchmarks that a corpus or rewrite step found, by benchmark and rule."""

    step: str
    stage: str
    overlaps: Grid  # benchmark x rule, all benchmarks that were looked for
    mode: str | None
    ledger: str | None  # address of the rows of OVERLAP; None where nothing was found
