"""What a finished step holds, to compare runs by."""

import json
from pathlib import Path
from typing import Any

from apollo_ray.config import load_config
from apollo_ray.planning import PlannedStep, plan
from apollo_ray.store import Store, step_directory


def steps_of(file: Path, *words: str) -> dict[str, PlannedStep]:
    """The plan of a run by step."""
    config = load_config(file, [word for word in words if "=" in word])
    return {step.name: step for step in plan(config, [word for word in words if "=" not in word])}


def rows_of(store: str, step: PlannedStep, group: str = "data") -> list[dict[str, Any]]:
    assert step.manifest is not None, f"{step.name} is not finished"
    directory, opened = step_directory(step.name, step.fingerprint), Store(store)
    return [row for entry in getattr(step.manifest, group) for row in opened.read_table(directory, entry).to_pylist()]


def as_lines(rows: list[dict[str, Any]]) -> list[str]:
    return [json.dumps(row, sort_keys=True, default=str) for row in rows]
