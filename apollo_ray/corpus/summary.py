"""What a report says of a corpus, counted block by block: sums and samples that no order of blocks changes."""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from apollo_ray import leaks
from apollo_ray.codepoints import Batch
from apollo_ray.corpus import quality
from apollo_ray.corpus.deidentify import deidentify
from apollo_ray.corpus.thresholds import RULES, limit_of
from apollo_ray.records import LANGUAGES

SAMPLES = 2  # refused rows shown of each reason and language
SAMPLE_CHARACTERS = 300
BINS = 24  # of a measure's histogram
MAX_LENGTH_BIN = 20  # the last bin of lengths holds texts of 2**20 characters and more


def summarise(table: pa.Table) -> str:
    """JSON of one marked block: every row of `prepared_schema`, kept and refused."""
    sums: Counter[str] = Counter()
    samples: dict[str, list[dict[str, Any]]] = defaultdict(list)
    rows = table.to_pylist()
    texts = [row.get("text") or "\n".join(row.get("turns") or []) for row in rows]
    for row, text, words in zip(rows, texts, _words(texts), strict=True):
        lang, reason = row["lang"] or "unknown", row["reason"]
        if reason is None:
            kind = row["kind"] or "unknown"
            sums[_key("characters", lang, kind)] += len(text)
            sums[_key("words", lang, kind)] += words
            sums[_key("lengths", lang, min(MAX_LENGTH_BIN, int(math.log2(max(1, len(text))))))] += 1
            sums[_key("marked_mixed", lang, row.get("other_lang"))] += row.get("other_lang") is not None
        else:
            samples[_key(reason, lang)].append(_sample(row, text))
        for name, number in json.loads(row["personal"] or "{}").items():
            sums[_key("personal", lang, name)] += number
        for name, value in zip(quality.MEASURES, row["measures"] or [], strict=False):
            if name in quality.RANGES:
                sums[_key("measures", name, lang, _bin(value, *quality.RANGES[name]))] += 1
    return json.dumps(
        {
            "sums": {key: n for key, n in sums.items() if n},
            "samples": _shown(_first(samples)),
            "overlaps": leaks.ledger(rows),
        },
        ensure_ascii=False,
    )


def _limits() -> dict[str, dict[str, list[float | None]]]:
    """measure -> language -> [lowest, highest] value of prose that a rule lets pass; None where none says."""
    found: dict[str, dict[str, list[float | None]]] = {}
    for rule in RULES:
        if rule.measure in quality.RANGES:
            for lang in LANGUAGES:
                pair = found.setdefault(rule.measure, {}).setdefault(lang, [None, None])
                pair[0 if rule.side == "min" else 1] = limit_of(rule, "prose", lang)
    return found


def _words(texts: list[str]) -> list[int]:
    """Runs without white space; a Han character is one by itself."""
    slices = (Batch.of(texts[at : at + 200]).tokens.per_text for at in range(0, len(texts), 200))
    return [int(number) for counts in slices for number in counts]


def _key(*parts: Any) -> str:
    return json.dumps(parts, ensure_ascii=False)


def _bin(value: float, low: float, high: float) -> int:
    """0 ... BINS - 1; what lies outside falls into the first or the last."""
    return min(BINS - 1, max(0, int(BINS * (value - low) / (high - low)))) if math.isfinite(value) else 0


def _sample(row: dict[str, Any], text: str) -> dict[str, Any]:
    shown = " ".join(text[: 2 * SAMPLE_CHARACTERS].split())[:SAMPLE_CHARACTERS]
    return {"id": row["id"] or "", "source": row["source"], "detail": row["detail"], "text": shown}


def _first(samples: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Of each group those with the smallest ids: a choice that no order of blocks changes."""
    chosen = {key: {_key(*row.values()): row for row in rows} for key, rows in samples.items()}
    return {
        key: sorted(rows.values(), key=lambda row: (row["id"], str(row["detail"])))[:SAMPLES]
        for key, rows in sorted(chosen.items())
    }


def _shown(samples: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Rows refused before their personal data were replaced: a report is no place for these."""
    return {
        key: [row | {"text": deidentify([row["text"]], json.loads(key)[1])[0][0]} for row in rows]
        for key, rows in samples.items()
    }


def merge(blocks: Iterable[str]) -> tuple[dict[str, Any], pa.Table]:
    """(the step's summary, the OVERLAP ledger) of what `summarise` gave for every block."""
    sums: Counter[str] = Counter()
    samples: dict[str, list[dict[str, Any]]] = defaultdict(list)
    overlaps: list[list[Any]] = []
    for block in map(json.loads, blocks):
        sums.update(block["sums"])
        overlaps += block["overlaps"]
        for key, rows in block["samples"].items():
            samples[key] += rows
    nested: dict[str, Any] = {name: {} for name in ("characters", "words", "lengths", "marked_mixed", "personal")}
    nested["measures"] = {}
    for key, number in sorted(sums.items()):
        *path, last = json.loads(key)
        place = nested
        for part in path:
            place = place.setdefault(part, {})
        place[str(last)] = number
    nested["limits"] = _limits()
    nested["ranges"] = {name: [*quality.RANGES[name], BINS] for name in nested["measures"]}
    nested["samples"] = [
        {"reason": reason, "lang": lang} | row
        for (reason, lang), rows in ((json.loads(key), rows) for key, rows in _first(samples).items())
        for row in rows
    ]
    ledger = leaks.ledger_table(overlaps)
    nested["leaks"] = leaks.tally(ledger)
    return nested, ledger
