"""Two models on the same items: is one better, beyond what chance does?

With one answer an item the test is McNemar's, exact: of the items that only one model has right, as many should be
either one's. An item that was asked in several rotations counts once, by the difference of its shares of right answers,
and every such difference may as well have had the other sign: the exact sign-flip test, of which McNemar's is the case
of differences 1 and -1.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from apollo_ray.intervals import paired_difference, ratio_interval

Row = Mapping[str, Any]
SURE = 0.05
"""Family-wise error that a call of better or worse may have."""

Shares = dict[tuple[str, ...], Fraction]
"""Item -> share of its answers that are right. Those of one item number at most ten, so sums are exact."""


def shares(answers: Iterable[Row], refusals: Iterable[Row] = (), keys: Sequence[str] = ("id",)) -> Shares:
    """Over rows of one model and method; a refused answer is not right."""
    counted: dict[tuple[str, ...], list[int]] = {}
    for rows, refused in ((answers, False), (refusals, True)):
        for row in rows:
            counted.setdefault(tuple(row[key] for key in keys), []).append(0 if refused else int(row["correct"]))
    return {item: Fraction(sum(right), len(right)) for item, right in counted.items()}


def sign_flip_p(differences: Iterable[Fraction]) -> float:
    """Two-sided P(|sum of +-d| >= |sum of d|) where each sign is a coin's. 1 where all differences are 0."""
    found = [difference for difference in differences if difference]
    if not found:
        return 1.0
    unit = math.lcm(*(difference.denominator for difference in found))
    sizes = Counter(abs(int(difference * unit)) for difference in found)
    total = abs(sum(int(difference * unit) for difference in found))
    law = np.ones(1)  # of the sum, from -reach to reach
    for size, number in sizes.items():
        spread = np.zeros(2 * size * number + 1)
        spread[:: 2 * size] = _binomial(number)
        law = np.convolve(law, spread)
    reach = len(law) // 2
    if total == 0:
        return 1.0
    return float(min(1.0, law[: reach - total + 1].sum() + law[reach + total :].sum()))


def _binomial(number: int) -> np.ndarray:
    """Law of the heads among `number` coins, without overflow."""
    logs = [math.lgamma(number + 1) - math.lgamma(k + 1) - math.lgamma(number - k + 1) for k in range(number + 1)]
    return np.exp(np.array(logs) - number * math.log(2))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values (Holm 1979), in the order given: whichever are below a level hold together at that level."""
    adjusted = [1.0] * len(p_values)
    running = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda at: p_values[at])):
        running = max(running, (len(p_values) - rank) * p_values[place])
        adjusted[place] = min(1.0, running)
    return adjusted


def compare_accuracy(model: Shares, against: Shares) -> dict[str, Any]:
    """`model` less `against` on the items of both, with the items that are right in one alone (as shares)."""
    differences = [model[item] - against[item] for item in model if item in against]
    gained = sum((one for one in differences if one > 0), Fraction())
    lost = -sum((one for one in differences if one < 0), Fraction())
    value, low, high = paired_difference(float(gained), float(lost), len(differences))
    return {
        "items": len(differences),
        "gained": float(gained),
        "lost": float(lost),
        "difference": value,
        "low": low,
        "high": high,
        "p": sign_flip_p(differences),
    }


def compare_nats(model: Mapping[Any, tuple[float, int]], against: Mapping[Any, tuple[float, int]]) -> dict[str, Any]:
    """Nats per token of `model` less those of `against`: below 0 is better. item -> (log-probability, tokens).

    Only over items of both that have the same number of tokens in both; null where there is none.
    """
    same = [item for item in model if item in against and model[item][1] == against[item][1]]
    if not same:
        return {"items": 0, "difference": None, "low": None, "high": None}
    away = [against[item][0] - model[item][0] for item in same]
    value, low, high = ratio_interval(away, [model[item][1] for item in same])
    ends = [end if math.isfinite(end) else None for end in (low, high)]  # one item has an endless interval
    return {"items": len(same), "difference": value, "low": ends[0], "high": ends[1]}
