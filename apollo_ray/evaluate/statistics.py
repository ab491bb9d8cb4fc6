"""Numbers of the report from EVAL_ANSWER rows: accuracy with its interval, mean over languages, perplexity.

An answer that the endpoint refused stays in the denominator, as not correct, so that all models are held against the
same number of items; `refused` says how many there were. It has no perplexity, so there it is only counted.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from apollo_ray.intervals import Estimate, mean_interval, wilson_interval

Row = Mapping[str, Any]
KEYS = ("model", "benchmark", "lang", "method")
MAX_EXPONENT = 700.0  # e^709.8 is past a float64


def accuracy_rows(answers: Iterable[Row], refusals: Iterable[Row] = ()) -> list[dict[str, Any]]:
    """One row per (model, benchmark, lang, method) of multiple choice, in order of appearance.

    `refusals` are rows with the same four keys, and with id and gold. Unparsed answers count as not correct. A cell of
    which every answer was refused has no row: nothing was measured.

    With rotations an item has several answers. `accuracy` is then the mean over all of them, `all_right` the share of
    the items that every rotation answered right (a refused one did not). The interval counts items, not answers: the
    rotations of one item say nearly the same. `majority` is what always saying the most frequent right letter would be
    worth on these items.
    """
    rows = []
    for key, answered, missing in _grouped(answers, refusals, ("loglikelihood", "generation")):
        if not answered:
            continue
        refused = len(missing)
        golds = Counter({row["id"]: row["gold"] for row in [*answered, *missing]}.values())
        correct = sum(answer["correct"] for answer in answered)
        total = len(answered) + refused
        items: dict[str, list[bool]] = {}
        for answer in answered:
            items.setdefault(answer["id"], []).append(answer["correct"])
        rotations = max(map(len, items.values()))
        units = max(len(items), total / rotations)  # a refused item is a unit too
        low, high = wilson_interval(correct / total * units, units)
        rows.append(
            key
            | {
                "correct": correct,
                "total": total,
                "unparsed": sum(answer["prediction"] is None for answer in answered),
                "refused": refused,
                "accuracy": correct / total,
                "majority": max(golds.values()) / golds.total(),
                "rotations": rotations,
                "all_right": sum(len(found) == rotations and all(found) for found in items.values()) / units,
                "low": low,
                "high": high,
            }
        )
    return rows


def macro_rows(accuracies: Iterable[Row]) -> list[dict[str, Any]]:
    """Mean over languages, each language weighing the same, per (model, benchmark, method), with its interval."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in accuracies:
        groups.setdefault((row["model"], row["benchmark"], row["method"]), []).append(row)
    return [
        {"model": model, "benchmark": benchmark, "method": method, "languages": len(rows)}
        | _named(mean_interval(map(_estimate, rows)), "accuracy")
        for (model, benchmark, method), rows in groups.items()
    ]


def overall_rows(accuracies: Iterable[Row]) -> list[dict[str, Any]]:
    """Per (model, method): the mean over benchmarks, as the paper's table has it, and that over languages.

    A benchmark in a language counts as one benchmark. With three of them in English and one in French, the paper's mean
    has English three times; the other one takes each language's own mean first.
    """
    groups: dict[tuple[str, str], dict[str, list[Estimate]]] = {}
    for row in accuracies:
        groups.setdefault((row["model"], row["method"]), {}).setdefault(row["lang"], []).append(_estimate(row))
    return [
        {"model": model, "method": method, "benchmarks": sum(map(len, langs.values())), "languages": len(langs)}
        | _named(mean_interval(one for found in langs.values() for one in found), "mean_of_benchmarks")
        | _named(mean_interval(map(mean_interval, langs.values())), "macro")
        for (model, method), langs in groups.items()
    ]


def _estimate(row: Row) -> Estimate:
    return row["accuracy"], row["low"], row["high"]


def _named(estimate: Estimate, name: str) -> dict[str, float]:
    prefix = "" if name == "accuracy" else f"{name}_"
    return {name: estimate[0], f"{prefix}low": estimate[1], f"{prefix}high": estimate[2]}


def perplexity_rows(answers: Iterable[Row], refusals: Iterable[Row] = ()) -> list[dict[str, Any]]:
    """exp(-sum of log probabilities / sum of tokens) per (model, benchmark, lang), over reference answers.

    Only comparable between models of one tokenizer. None where nothing was scored, or where it exceeds a float64.
    """
    rows = []
    for key, answered, missing in _grouped(answers, refusals, ("perplexity",)):
        num_tokens = sum(answer["num_tokens"] for answer in answered)
        loss = -math.fsum(answer["logprob"] for answer in answered) / num_tokens if num_tokens else math.inf
        perplexity = math.exp(loss) if loss < MAX_EXPONENT else None
        del key["method"]
        rows.append(key | {"perplexity": perplexity, "num_tokens": num_tokens, "refused": len(missing)})
    return rows


def _grouped(
    answers: Iterable[Row], refusals: Iterable[Row], methods: tuple[str, ...]
) -> list[tuple[dict[str, Any], list[Row], list[Row]]]:
    """(the four keys, the answers, what was refused) of each cell of a table that has one of `methods`."""
    cells: dict[tuple[str, ...], list[list[Row]]] = {}
    for place, rows in enumerate((answers, refusals)):
        for row in rows:
            if row["method"] in methods:
                cell = cells.setdefault(tuple(row[name] for name in KEYS), [[], []])
                cell[place].append(row)
    return [(dict(zip(KEYS, key, strict=True)), cell[0], cell[1]) for key, cell in cells.items()]
