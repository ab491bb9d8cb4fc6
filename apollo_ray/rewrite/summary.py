"""What a report says of a rewrite step, counted block by block: sums and samples that no order of blocks changes."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from apollo_ray import leaks
from apollo_ray.rewrite.ledger import Reply, Spending

SAMPLES = 2  # of each language, kept and refused
SAMPLE_CHARACTERS = 700
MAX_REASONS = 40


def summarise(table: pa.Table) -> str:
    """JSON of one block of PREPARED."""
    sums: Counter[str] = Counter()
    samples: dict[str, list[dict[str, Any]]] = defaultdict(list)
    rows = table.to_pylist()
    for row in rows:
        lang, kind, reason = row["lang"] or "unknown", row["kind"] or "unknown", row["reason"]
        sums[_key("yield", kind, reason or "kept")] += 1
        for call, prompt_tokens, completion_tokens in json.loads(row["calls"]):
            sums[_key("calls", lang, call)] += 1
            sums[_key("prompt_tokens", lang, call)] += prompt_tokens
            sums[_key("completion_tokens", lang, call)] += completion_tokens
        samples[_key(lang, reason or "")].append(_sample(row))
    return json.dumps(
        {"sums": dict(sums), "samples": _first(samples), "overlaps": leaks.ledger(rows)}, ensure_ascii=False
    )


def _key(*parts: str) -> str:
    return json.dumps(parts, ensure_ascii=False)


def _sample(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "unit": row["unit"],
        "passage": row["passage"][:SAMPLE_CHARACTERS],
        "turns": [turn[:SAMPLE_CHARACTERS] for turn in row["turns"][:4]],
        "flags": row["flags"][:10],
        "detail": row["detail"],
    }


def _first(samples: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    return {key: sorted(rows, key=lambda row: row["unit"])[:SAMPLES] for key, rows in sorted(samples.items())}


def merge(blocks: Iterable[str], input_price: float | None, output_price: float | None) -> tuple[dict, pa.Table]:
    """(the step's summary, the OVERLAP ledger) of what `summarise` gave for every block."""
    sums: Counter[str] = Counter()
    samples: dict[str, list[dict[str, Any]]] = defaultdict(list)
    overlaps: list[list[Any]] = []
    for block in map(json.loads, blocks):
        sums.update(block["sums"])
        overlaps += block["overlaps"]
        for key, rows in block["samples"].items():
            samples[key] += rows
    yields: dict[str, dict[str, int]] = {}
    cost: dict[str, dict[str, dict[str, Any]]] = {}
    for key, number in sorted(sums.items()):
        what, first, second = json.loads(key)
        if what == "yield":
            yields.setdefault(first, {})[second] = number
        else:
            cost.setdefault(first, {}).setdefault(second, {})[what] = number
    for calls in cost.values():
        for entry in calls.values():
            spent = Spending(input_price, output_price)
            spent.add(Reply("", None, "", entry["prompt_tokens"], entry["completion_tokens"]))
            if input_price is not None or output_price is not None:
                entry["money"] = round(spent.money, 6)
    shown = [
        {"lang": lang, "reason": reason or None} | row
        for (lang, reason), rows in ((json.loads(key), rows) for key, rows in _first(samples).items())
        for row in rows
    ]
    ledger = leaks.ledger_table(overlaps)
    return {"by_kind": yields, "cost": cost, "samples": shown[: 2 * MAX_REASONS], "leaks": leaks.tally(ledger)}, ledger
