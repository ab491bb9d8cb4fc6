"""What a report says of a compare step: arms side by side, each held against another on the same items."""

import math
from dataclasses import dataclass

MEAN = "mean"
"""Stands among the languages for the mean over them, each weighing the same."""


@dataclass(frozen=True)
class Arm:
    """One model of an experiment. Parameters and tokens of training are those of its train step, where it is one."""

    name: str
    scores: str  # evaluate step
    model: str
    against: str | None
    steps: tuple[str, ...]  # train steps behind it
    parameters: int | None
    tokens: int | None
    start: bool = False  # other arms start from it, so it has had less training on purpose


@dataclass(frozen=True)
class Measured:
    """A value with its 95 % interval, and the difference from the arm that it is held against, if there is one."""

    items: int
    value: float
    low: float
    high: float
    difference: float | None
    difference_low: float | None
    difference_high: float | None

    @property
    def side(self) -> int | None:
        """1 above, -1 below, 0 not told apart from its reference; None where nothing was compared."""
        if self.difference_low is None or self.difference_high is None:
            return None
        return 1 if self.difference_low > 0 else -1 if self.difference_high < 0 else 0


@dataclass(frozen=True)
class Outcomes:
    """One benchmark by one method. Of nats per token less is better, of accuracy more."""

    benchmark: str
    method: str
    measure: str  # accuracy or nats
    languages: tuple[str, ...]  # MEAN last, where there is one
    arms: tuple[str, ...]
    cells: dict[tuple[str, str], Measured]  # (arm, language) ->

    @property
    def less_is_better(self) -> bool:
        return self.measure == "nats"

    def told(self, cell: Measured) -> str:
        """How the arm stands against its reference, in a word."""
        if cell.side is None:
            return "-"
        if cell.side == 0:
            return "not told apart"
        return "better" if (cell.side < 0) == self.less_is_better else "worse"

    @property
    def counted(self) -> dict[str, int]:
        """Differences in single languages by how they came out."""
        found = [self.told(cell) for (_, lang), cell in self.cells.items() if lang != MEAN and cell.side is not None]
        return {word: found.count(word) for word in ("better", "worse", "not told apart")}


@dataclass(frozen=True)
class Experiment:
    step: str
    question: str
    limits: str
    arms: tuple[Arm, ...]
    outcomes: tuple[Outcomes, ...]

    @property
    def spread(self) -> float | None:
        """Largest number of training tokens of an arm over the smallest, less 1; None where not two are known."""
        known = [arm.tokens for arm in self.arms if arm.tokens and len(arm.steps) == 1 and not arm.start]
        return max(known) / min(known) - 1 if len(known) > 1 else None


def signed(value: float | None, digits: int = 3) -> str:
    """A difference with its sign, or a dash where there is none."""
    return "-" if value is None or not math.isfinite(value) else f"{value:+.{digits}f}".replace("-", "\u2212")
