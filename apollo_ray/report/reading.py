"""Values of a manifest's summary as what they should be: anything else reads as nothing, since a report of a finished
step must come out whoever wrote its manifest, and with whatever version."""

import math
from typing import Any

MOST = 2**63
"""No count of anything is larger, and floats hold it."""


def mapping(value: Any) -> dict[str, Any]:
    return {str(key): item for key, item in value.items()} if isinstance(value, dict) else {}


def objects(value: Any) -> list[dict[str, Any]]:
    return [mapping(item) for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def number(value: Any) -> float | None:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < MOST and math.isfinite(value) else None


def count(value: Any) -> int:
    found = number(value)
    return int(value) if found is not None and found > 0 else 0


def counts(value: Any) -> dict[str, int]:
    """name -> a count above 0."""
    return {name: found for name, item in mapping(value).items() if (found := count(item))}


def bins(value: Any, size: int) -> tuple[int, ...]:
    """`size` counts of {"bin": count}."""
    found = counts(value)
    return tuple(found.get(str(place), 0) for place in range(size))


def text(value: Any) -> str:
    return "" if value is None else str(value)


def texts(value: Any) -> tuple[str, ...]:
    return tuple(map(text, value)) if isinstance(value, list) else ()
