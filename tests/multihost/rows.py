"""What runs are made of and what finished steps hold, to compare them by."""

import json
import random
from pathlib import Path
from typing import Any

import boto3

from apollo_ray.config import load_config
from apollo_ray.planning import PlannedStep, plan
from apollo_ray.store import Store, step_directory

ROOT = Path(__file__).resolve().parents[2]
FAULTS = ROOT / "tests" / "multihost" / "faults.yaml"
WHOLE = "s3://apollo/whole"  # store of the corpus that nothing broke
TRAINED = "s3://apollo/trained"  # store of a training that nothing broke
COPIES = 60  # of the starter's documents, some 20 MB


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


def objects(prefix: str) -> list[str]:
    """Keys of the bucket."""
    pages = boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket="apollo", Prefix=prefix)
    return [item["Key"] for page in pages for item in page.get("Contents", [])]


def many_documents() -> bytes:
    """The starter's documents many times, with every fifth word another one of the same document."""
    chance = random.Random(0)
    lines = []
    for file in sorted((ROOT / "apollo_ray" / "starter" / "documents").glob("*.jsonl")):
        for row in map(json.loads, file.read_text(encoding="utf-8").splitlines()):
            words = str(row.get("text", "")).split(" ")
            for copy in range(COPIES):
                changed = [chance.choice(words) if place % 5 == 0 else word for place, word in enumerate(words)]
                lines.append(json.dumps(row | {"id": f"{row['id']}-{copy}", "text": " ".join(changed)}))
    return "\n".join(lines).encode()


def hashes(step: PlannedStep) -> dict[str, list[str]]:
    """Of the parts, in order."""
    assert step.manifest is not None
    return {group: [entry.sha256 for entry in getattr(step.manifest, group)] for group in ("data", "dropped", "extra")}


def same_corpus(store: str) -> str:
    """What was lost of the step `documents` beside that in WHOLE: nothing, or the test fails."""
    (before,) = steps_of(FAULTS, "documents", f"store={WHOLE}").values()
    (after,) = steps_of(FAULTS, "documents", f"store={store}").values()
    assert before.fingerprint == after.fingerprint
    assert before.manifest is not None
    assert after.manifest is not None
    assert after.manifest.counts == before.manifest.counts
    assert after.manifest.summary == before.manifest.summary
    assert hashes(after) == hashes(before)
    for group in ("data", "dropped"):
        assert rows_of(store, after, group)  # read through the hashes of the manifest
    counts = after.manifest.counts
    return (
        f"nothing: {counts.read} rows = {counts.kept} kept + {counts.read - counts.kept} dropped, "
        "every part's hash as unbroken"
    )
