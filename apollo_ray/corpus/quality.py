"""Is a text worth training on: rules with limits by language and kind.

The measures are in measures.py, the limits and where they come from in thresholds.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from apollo_ray.corpus.measures import MEASURES, RANGES, Floats, measure
from apollo_ray.corpus.thresholds import GROUP_OF_KIND, OWN_SCRIPT, RULES, SCRIPT_OF_LANGUAGE, limit_of

__all__ = ["MEASURES", "RANGES", "Refusal", "judge", "measure"]


@dataclass(frozen=True)
class Refusal:
    """The first rule that a text broke: `value` of `measure` is beyond `limit`."""

    rule: str
    measure: str
    value: float
    limit: float

    def __str__(self) -> str:
        return f"{self.measure} {self.value:.3g} {'<' if self.value < self.limit else '>'} {self.limit:.3g}"


def judge(
    measures: Mapping[str, Floats], langs: Sequence[str | None], kinds: Sequence[str | None]
) -> list[Refusal | None]:
    """The first of RULES that each text breaks; None for a text that is kept. One language and kind a text.

    A language without limits of its own gets each rule's default, a kind without a group those of prose.
    """
    cells = [(GROUP_OF_KIND.get(kind or "", "prose"), lang) for lang, kind in zip(langs, kinds, strict=True)]
    own = [f"{SCRIPT_OF_LANGUAGE.get(lang or '', 'main_script')}_share" for lang in langs]
    values = {**measures, OWN_SCRIPT: np.array([measures[name][at] for at, name in enumerate(own)], np.float64)}
    refusals: list[Refusal | None] = [None] * len(cells)
    for rule in reversed(RULES):  # the first that is broken is written last
        limits = {cell: limit_of(rule, *cell) for cell in set(cells)}
        limit = np.array([limits[cell] for cell in cells], np.float64)
        value = values[rule.measure]
        broken = (value < limit) if rule.side == "min" else (value > limit)
        broken &= values["tokens"] >= rule.min_tokens
        if rule.only_below:
            broken &= values[rule.only_below[0]] < rule.only_below[1]
        for at in np.flatnonzero(broken):
            name = own[at] if rule.measure == OWN_SCRIPT else rule.measure
            refusals[at] = Refusal(rule.name, name, float(value[at]), float(limit[at]))
    return refusals
