"""What a report says of a corpus, counted block by block: sums and samples that no order of blocks changes."""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from apollo_ray import leaks
from apollo_ray.codepoints import Batch
from apollo_ray.corpus import quality
from apollo_ray.corpus.deidentify import deidentify
from apollo_ray.corpus.thresholds import RULES, limit_of
from apollo_ray.records import LANGUAGES

SAMPLES = 2  # refused rows shown of each reason and language
SAMPLE_CHARACTERS = 300
SIGNATURE = frozenset({"exact_key", "sketch", "bands", "shingles"})  # columns that it has no use for
BINS = 24  # of a measure's histogram
MAX_LENGTH_BIN = 20  # the last bin of lengths holds texts of 2**20 characters and more


def summarise(table: pa.Table) -> str:
    """JSON of one marked block: every row of `prepared_schema`, kept and refused."""
    sums: Counter[tuple[Any, ...]] = Counter()
    samples: dict[str, list[dict[str, Any]]] = defaultdict(list)
    columns = [name for name in table.column_names if name not in SIGNATURE and name != "measures"]
    rows = table.select(columns).to_pylist()
    langs = [row["lang"] or "unknown" for row in rows]
    texts = [row.get("text") or "\n".join(row.get("turns") or []) for row in rows]
    words = iter(_words([text for row, text in zip(rows, texts, strict=True) if row["reason"] is None]))
    for row, lang, text in zip(rows, langs, texts, strict=True):
        reason = row["reason"]
        if reason is None:
            kind = row["kind"] or "unknown"
            sums["characters", lang, kind] += len(text)
            sums["words", lang, kind] += next(words)
            sums["lengths", lang, min(MAX_LENGTH_BIN, int(math.log2(max(1, len(text)))))] += 1
            if row.get("other_lang"):
                sums["marked_mixed", lang, row["other_lang"]] += 1
        else:
            samples[_key(reason, lang)].append(_sample(row, text))
        if row["personal"]:
            sums.update({("personal", lang, name): number for name, number in json.loads(row["personal"]).items()})
    sums.update(_histograms(table["measures"], langs))
    return json.dumps(
        {
            "sums": {_key(*key): int(number) for key, number in sums.items() if number},
            "samples": _shown(_first(samples)),
            "overlaps": leaks.ledger(rows),
        },
        ensure_ascii=False,
    )


def _histograms(column: pa.ChunkedArray, langs: list[str]) -> dict[tuple[Any, ...], int]:
    """("measures", measure, language, bin) -> rows; what lies outside a range falls into its first or last bin."""
    taken = np.flatnonzero(column.is_valid().to_numpy())
    flat = column.take(pa.array(taken)).combine_chunks().flatten()
    values = flat.to_numpy().astype(np.float64).reshape(len(taken), len(quality.MEASURES))
    found: dict[tuple[Any, ...], int] = {}
    names, which = np.unique(np.array(langs, object)[taken].astype(str), return_inverse=True)
    for name, (low, high) in quality.RANGES.items():
        place = BINS * (np.nan_to_num(values[:, quality.MEASURES.index(name)]) - low) / (high - low)
        bins = np.clip(place, 0, BINS - 1).astype(np.int64)
        counts = np.bincount(which * BINS + bins, minlength=len(names) * BINS).reshape(len(names), BINS)
        for lang, row in zip(names.tolist(), counts.tolist(), strict=True):
            found |= {("measures", name, lang, place): number for place, number in enumerate(row) if number}
    return found


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
