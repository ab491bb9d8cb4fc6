"""Where proxy tuning fails, and how: each model held against the base on the same items, per language.

accuracy    the difference with its interval, McNemar's exact test per language (Holm over languages) and over all
nats        per token of reference answers, ln of the perplexity: the difference with its interval
tokens      how far an ensemble went: KL from the base, entropy, share of tokens at which another one is likeliest
declines    cells that are surely worse than the base; the paper saw English fall where others gained
"""

import math
from collections import ChainMap
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from apollo_ray.evaluate.paired import SURE, Shares, compare_accuracy, compare_nats, holm, shares

Row = Mapping[str, Any]
BASE = "base"
"""Name of the model that others are held against; where no model has it there is nothing to tell."""

CHOICE = ("loglikelihood", "generation")


class Cell(NamedTuple):
    """What one number is about."""

    model: str
    benchmark: str
    method: str
    lang: str


Cells = dict[Cell, list[Row]]


def signatures(answers: Iterable[Row], refusals: Iterable[Row] = ()) -> dict[str, Any]:
    """Four tables of JSON values, in order of appearance. `refusals`: rows with id, model, benchmark, lang, method."""
    rows, refused = _by_cell(answers), _by_cell(refusals)
    models = list(dict.fromkeys(cell.model for cell in rows))
    others = [model for model in models if model != BASE] if BASE in models else []
    accuracy = [row for model in others for row in _accuracy(rows, refused, model)]
    nats = [row for model in others for row in _nats(rows, model)]
    return {
        "against": BASE,
        "accuracy": accuracy,
        "nats": nats,
        "tokens": [row for model in others for row in _tokens(rows, model)],
        "declines": [_decline(row) for row in [*accuracy, *nats] if row["declined"]],
    }


def _by_cell(rows: Iterable[Row]) -> Cells:
    cells: Cells = {}
    for row in rows:
        cells.setdefault(Cell(row["model"], row["benchmark"], row["method"], row["lang"]), []).append(row)
    return cells


def _accuracy(rows: Cells, refused: Cells, model: str) -> list[dict[str, Any]]:
    """Per benchmark and method: each language, then all items together (lang null), of which Holm knows nothing."""
    found = []
    asked = [
        cell for cell in rows if cell.model == model and cell.method in CHOICE and cell._replace(model=BASE) in rows
    ]
    for benchmark, method in dict.fromkeys((cell.benchmark, cell.method) for cell in asked):
        pairs: dict[str | None, tuple[Shares, Shares]] = {}
        for cell in asked:
            if (cell.benchmark, cell.method) == (benchmark, method):
                own, base = (
                    shares(rows[one], refused.get(one, ()), ("lang", "id")) for one in (cell, cell._replace(model=BASE))
                )
                pairs[cell.lang] = own, base
        langs = len(pairs)
        if langs > 1:
            owns, bases = zip(*pairs.values(), strict=True)
            pairs[None] = dict(ChainMap(*owns)), dict(ChainMap(*bases))  # keys have the language, so none is lost
        head = {"model": model, "benchmark": benchmark, "method": method}
        compared: list[dict[str, Any]] = [
            {**head, "lang": lang, **_means(*pair), **compare_accuracy(*pair)} for lang, pair in pairs.items()
        ]
        p_values = [row["p"] for row in compared]
        for row, p in zip(compared, [*holm(p_values[:langs]), *p_values[langs:]], strict=True):
            found.append({**row, "p_holm": p, "declined": row["difference"] < 0 and p < SURE})
    return found


def _means(own: Shares, base: Shares) -> dict[str, float]:
    both = [item for item in own if item in base]
    return {
        "accuracy": float(sum(own[item] for item in both) / len(both)),
        "base": float(sum(base[item] for item in both) / len(both)),
    }


def _nats(rows: Cells, model: str) -> list[dict[str, Any]]:
    found = []
    for cell, texts in rows.items():
        others = rows.get(cell._replace(model=BASE))
        if cell.model != model or cell.method != "perplexity" or not others:
            continue
        own, base = ({row["id"]: (row["logprob"], row["num_tokens"]) for row in some} for some in (texts, others))
        compared = compare_nats(own, base)
        sure = compared["low"] is not None and compared["low"] > 0
        found.append({**cell._asdict(), **compared, "declined": sure})
    return found


def _tokens(rows: Cells, model: str) -> list[dict[str, Any]]:
    """Means over tokens: of reference texts, or of what was written."""
    found = []
    for cell, texts in rows.items():
        some = [row for row in texts if row["num_tokens"]]
        if cell.model != model or cell.method == "loglikelihood" or not some:
            continue
        told = {name: _mean(some, name) for name in ("entropy", "divergence")}
        changed = [row for row in some if row["flipped"] is not None]
        told["flipped"] = (
            sum(row["flipped"] for row in changed) / sum(row["num_tokens"] for row in changed) if changed else None
        )
        if any(value is not None for value in told.values()):
            found.append({**cell._asdict(), "tokens": sum(row["num_tokens"] for row in some), **told})
    return found


def _mean(rows: Iterable[Row], name: str) -> float | None:
    pairs = [(row[name], row["num_tokens"]) for row in rows if row[name] is not None]
    whole = sum(weight for _, weight in pairs)
    return math.fsum(value * weight for value, weight in pairs) / whole if whole else None


def _decline(row: Row) -> str:
    where = f"{row['model']} in {row['lang'] or 'all languages'}, {row['benchmark']}"
    low, high = (f"{100 * row[end]:+.1f}" if "p" in row else f"{row[end]:+.3f}" for end in ("low", "high"))
    if "p" in row:
        return (
            f"{where}, {row['method']}: {100 * row['difference']:+.1f} points against {BASE} [{low}, {high}], "
            f"p {row['p_holm']:.2g}"
        )
    return f"{where}: {row['difference']:+.3f} nats per token against {BASE} [{low}, {high}]; more is worse"
