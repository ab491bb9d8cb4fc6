"""Lines of progress: as people read them, or with APOLLO_LOG=json an object each, with run, step and fingerprint."""

import datetime
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

from apollo_ray.errors import UserError

VARIABLE = "APOLLO_LOG"
_place: dict[str, str] = {}  # of the step at work: a process runs one at a time, and its threads speak of it too


def structured() -> bool:
    """Raises UserError where the environment asks for what is not known."""
    form = os.environ.get(VARIABLE) or "text"
    if form not in ("text", "json"):
        raise UserError(f"{VARIABLE}={form!r}: allowed: text, json")
    return form == "json"


@contextmanager
def within(run: str, step: str, fingerprint: str) -> Iterator[None]:
    """Lines of the block name this step."""
    _place.update(run=run, step=step, fingerprint=fingerprint)
    try:
        yield
    finally:
        _place.clear()


def as_json(message: str, level: str = "info") -> str:
    """{"time": "2026-01-31T12:00:00.000+00:00", "level": "info", "run": ..., "message": ...}"""
    time = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    return json.dumps({"time": time, "level": level, **_place, "message": message}, ensure_ascii=False)
