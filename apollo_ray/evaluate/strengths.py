"""The best strength of an ensemble for each language, from items that no reported score is made of. Pure.

Every alpha of a grid is held against alpha 0, the base, on the same items. It counts as better where the paired test
says so after Holm's correction over the grid; of the better ones the best is taken, of equals the smaller |alpha|.
A language that nothing surely improves gets 0, so it stays as the base has it.
"""

import math
from collections import ChainMap, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import NormalDist
from typing import Any, Literal

from apollo_ray.decontaminate import Index
from apollo_ray.decontaminate import Item as Question
from apollo_ray.errors import UserError
from apollo_ray.evaluate.audit import audit, key_of
from apollo_ray.evaluate.paired import SURE, Shares, compare_accuracy, compare_nats, holm, shares
from apollo_ray.intervals import Z_95, ratio_interval, wilson_interval
from apollo_ray.overlap_index import fold

Row = Mapping[str, Any]
Item = Mapping[str, Any]
Measure = Literal["accuracy", "nats"]
IN_TEST, UNFIT, SHOT = "in_test", "unfit", "shot"

Nats = dict[tuple[str, ...], tuple[float, int]]
"""Item -> (log-probability, tokens) of its reference answer."""


def grid(alphas: Iterable[float]) -> tuple[float, ...]:
    """Ascending, each once, with 0. Raises UserError where nothing but 0 is left to try."""
    found = tuple(sorted({0.0, *alphas}))
    if len(found) < 2 or not all(map(math.isfinite, found)):
        raise UserError(f"alphas: expected numbers, at least one of them not 0, got {', '.join(map(str, alphas))}")
    return found


def dev_items(test: Sequence[Item], dev: Sequence[Item], shots: Iterable[Item]) -> tuple[list[Item], dict[str, int]]:
    """(items of `dev` to tune on, why others are left out -> how many).

    Left out is what `test` has too or what shares its words, what is unfit to be asked, and what is shown as a shot.
    """
    shown = {key_of(shot) for shot in shots}
    unfit = audit(dev, test).unfit("strict")
    questions = {fold(item["question"]) for item in test}
    index = Index.build(
        Question(item["id"], item["benchmark"], item["lang"], item["question"], tuple(item["options"])) for item in test
    )
    overlaps = index.search([" . ".join([item["question"], *item["options"]]) for item in dev])
    kept, left_out = [], {IN_TEST: 0, UNFIT: 0, SHOT: 0}
    for item, found in zip(dev, overlaps, strict=True):
        if item["task"] == "ask":
            continue
        if fold(item["question"]) in questions or any(overlap.telling for overlap in found):
            left_out[IN_TEST] += 1
        elif key_of(item) in unfit:
            left_out[UNFIT] += 1
        elif key_of(item) in shown:
            left_out[SHOT] += 1
        else:
            kept.append(item)
    return kept, left_out


def first(items: Iterable[Item], limit: int | None) -> list[Item]:
    """The first `limit` of each benchmark and language."""
    seen: dict[tuple[str, str], int] = defaultdict(int)
    kept = []
    for item in items:
        cell = item["benchmark"], item["lang"]
        seen[cell] += 1
        if limit is None or seen[cell] <= limit:
            kept.append(item)
    return kept


def tune(answers: Iterable[Row], names: Mapping[str, float], by: Measure | None) -> dict[str, Any]:
    """{"alpha", "alpha_by_language", "rows"} of EVAL_ANSWER rows; `names`: name of the ensemble at an alpha -> alpha.

    `by` decides; None: accuracy for a language with choices, else nats per token. `alpha`, for languages that no item
    is in, comes of all items together. `rows` has both measures, at each alpha, per language (null: together).
    """
    choices: dict[float, dict[str, list[Row]]] = {alpha: defaultdict(list) for alpha in names.values()}
    texts: dict[float, dict[str, Nats]] = {alpha: defaultdict(dict) for alpha in names.values()}
    for row in answers:
        alpha = names[row["model"]]
        if row["method"] == "loglikelihood":
            choices[alpha][row["lang"]].append(row)
        elif row["method"] == "perplexity":
            texts[alpha][row["lang"]][row["benchmark"], row["lang"], row["id"]] = row["logprob"], row["num_tokens"]
    rows: list[dict[str, Any]] = []
    alphas: dict[str | None, float] = {}
    langs = list(dict.fromkeys([*choices[0.0], *texts[0.0]]))
    for lang in [*langs, None]:
        wanted = langs if lang is None else [lang]
        chosen = {alpha: [row for one in wanted for row in found.get(one, ())] for alpha, found in choices.items()}
        scored = {alpha: dict(ChainMap(*(found.get(one, {}) for one in wanted))) for alpha, found in texts.items()}
        measured: dict[Measure, list[dict[str, Any]]] = {"accuracy": _accuracy(chosen), "nats": _nats(scored)}
        deciding: Measure = by or ("accuracy" if measured["accuracy"] else "nats")
        alphas[lang] = _best(measured[deciding])
        for measure, found in measured.items():
            for row in found:
                is_it = measure == deciding and row["alpha"] == alphas[lang]
                rows.append({"lang": lang, "measure": measure, **row, "chosen": is_it})
    by_language = {lang: alpha for lang, alpha in alphas.items() if lang is not None}
    return {"alpha": alphas[None], "alpha_by_language": by_language, "rows": rows}


def _best(rows: Sequence[Mapping[str, Any]]) -> float:
    better = [row for row in rows if row["better"]]
    if not better:
        return 0.0
    return float(max(better, key=lambda row: (row["gain"], -abs(row["alpha"]), row["alpha"]))["alpha"])


def _accuracy(answers: Mapping[float, Sequence[Row]]) -> list[dict[str, Any]]:
    keys = ("benchmark", "lang", "id")
    every: dict[float, Shares] = {alpha: shares(rows, (), keys) for alpha, rows in answers.items()}
    if not all(every.values()):
        return []
    found = []
    for alpha, own in every.items():
        right = float(sum(own.values()))
        low, high = wilson_interval(right, len(own))
        compared = compare_accuracy(own, every[0.0])
        value = right / len(own), low, high
        found.append(_row(alpha, len(own), value, compared, compared["difference"], compared["p"]))
    return _corrected(found)


def _nats(answers: Mapping[float, Nats]) -> list[dict[str, Any]]:
    if not all(answers.values()):
        return []
    found = []
    for alpha, own in answers.items():
        value = ratio_interval([-logprob for logprob, _ in own.values()], [number for _, number in own.values()])
        compared = compare_nats(own, answers[0.0])
        found.append(_row(alpha, len(own), value, compared, -(compared["difference"] or 0.0), _p(compared)))
    return _corrected(found)


def _p(compared: Mapping[str, Any]) -> float:
    """Two-sided, below 5 % where the 95 % interval is on one side of 0."""
    if compared["low"] is None or compared["high"] == compared["low"]:
        return 1.0
    half = (compared["high"] - compared["low"]) / 2
    return 2 * NormalDist().cdf(-Z_95 * abs(compared["difference"]) / half)


def _row(
    alpha: float, items: int, value: Sequence[float], compared: Mapping[str, Any], gain: float, p: float
) -> dict[str, Any]:
    ends = [end if math.isfinite(end) else None for end in value[1:]]
    away = {
        "difference": compared["difference"],
        "difference_low": compared["low"],
        "difference_high": compared["high"],
    }
    measured = {"value": value[0], "low": ends[0], "high": ends[1]}
    return {"alpha": alpha, "items": items, **measured, **away, "gain": gain, "p": p}


def _corrected(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With p corrected over the alphas that are not 0, and whether each is surely better than 0."""
    tried = [row for row in rows if row["alpha"]]
    for row, p in zip(tried, holm([row["p"] for row in tried]), strict=True):
        row["p"] = p
    return [
        {name: value for name, value in row.items() if name != "p"}
        | {"p_holm": row["p"], "better": bool(row["alpha"]) and row["gain"] > 0 and row["p"] < SURE}
        for row in rows
    ]
