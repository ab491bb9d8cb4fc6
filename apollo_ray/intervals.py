"""95 % intervals of measured numbers, in closed form: the same answers give the same interval."""

import math
from collections.abc import Iterable, Sequence
from statistics import NormalDist, fmean

Z_95 = NormalDist().inv_cdf(0.975)
_T_95 = (12.706, 4.303, 3.182, 2.776)  # Student's t for 1 to 4 degrees of freedom, where the expansion is too short

Estimate = tuple[float, float, float]
"""(value, lower end, upper end)."""


def wilson_interval(correct: float, total: float) -> tuple[float, float]:
    """95 % score interval of a proportion (Wilson 1927): honest for few items and near 0 and 1. (0, 1) for no items.

    An item that was asked several ways counts by the share of them that was right.

    (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)
    """
    if not 0 <= correct <= total:
        raise ValueError(f"expected 0 <= correct <= total, got {correct} of {total}")
    if total == 0:
        return 0.0, 1.0
    share, square = correct / total, Z_95 * Z_95
    centre = share + square / (2 * total)
    half = Z_95 * math.sqrt(share * (1 - share) / total + square / (4 * total * total))
    scale = 1 + square / total
    low = 0.0 if correct == 0 else (centre - half) / scale  # exact at the ends, where rounding would miss them
    high = 1.0 if correct == total else (centre + half) / scale
    return low, high


def student_t(freedom: int) -> float:
    """97.5 % quantile of Student's t, to 0.01: z + (z^3 + z) / 4f + ... (Abramowitz and Stegun 26.7.5)."""
    if freedom < 1:
        raise ValueError(f"expected at least 1 degree of freedom, got {freedom}")
    if freedom <= len(_T_95):
        return _T_95[freedom - 1]
    z = Z_95
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3


def ratio_interval(values: Sequence[float], weights: Sequence[float]) -> Estimate:
    """sum(values) / sum(weights) over items; the ratio estimator's interval (Cochran 1977, 6.4) with Student's t.

    Nats per token: values are nats of each text, weights its tokens. One item has an endless interval.
    """
    if len(values) != len(weights) or not values or min(weights) <= 0:
        raise ValueError("expected as many values as weights, at least one of each, weights above 0")
    number, whole = len(values), math.fsum(weights)
    ratio = math.fsum(values) / whole
    if number == 1:
        return ratio, -math.inf, math.inf
    squares = math.fsum((value - ratio * weight) ** 2 for value, weight in zip(values, weights, strict=True))
    half = student_t(number - 1) * math.sqrt(squares * number / (number - 1)) / whole
    return ratio, ratio - half, ratio + half


def paired_difference(gained: float, lost: float, total: int) -> Estimate:
    """Of two accuracies on the same `total` items: `gained` are right in the first alone, `lost` in the second.

    The interval is Agresti and Min's (2005), each of the four cells half an item larger, so that it has a width where
    the two never disagree.
    """
    if min(gained, lost) < 0 or gained + lost > total or total == 0:
        raise ValueError(f"expected gained + lost <= total and a total above 0, got {gained}, {lost}, {total}")
    more, less, number = gained + 0.5, lost + 0.5, total + 2
    centre = (more - less) / number
    half = Z_95 * math.sqrt(more + less - (more - less) ** 2 / number) / number
    return (gained - lost) / total, max(-1.0, centre - half), min(1.0, centre + half)


def mean_interval(estimates: Iterable[Estimate]) -> Estimate:
    """Mean of independent estimates, each weighing the same; half-widths add as squares (Zou, Donner 2008)."""
    found = list(estimates)
    mean = fmean(value for value, _, _ in found)
    below = math.sqrt(math.fsum((value - low) ** 2 for value, low, _ in found)) / len(found)
    above = math.sqrt(math.fsum((high - value) ** 2 for value, _, high in found)) / len(found)
    return mean, mean - below, mean + above
