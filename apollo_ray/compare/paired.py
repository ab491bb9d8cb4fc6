"""Two measures of each arm by language, and how far each arm is from the one that it is held against.

- `accuracy`: share of right answers (Wilson's interval). An item that one arm answered and another did not was refused
  and counts as not right, so all are held against the same items.
- `nats`: nats per token of reference answers, ln of the perplexity. Lower is better. Only over items that both arms
  have and that have the same number of tokens in both, or there is no difference to tell.

A difference is the arm's value less that of its reference on the same items, so what items have in common (some are
easy for every model) is not in its interval. Neither is what another seed of the training would change.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from apollo_ray.intervals import Estimate, mean_interval, paired_difference, ratio_interval, wilson_interval

ACCURACY, NATS = "accuracy", "nats"
METHODS = {"loglikelihood": ACCURACY, "generation": ACCURACY, "perplexity": NATS}

Row = Mapping[str, Any]
Items = dict[str, list[Row]]
"""Id of an item -> its EVAL_ANSWER rows: one, or one for each order in which its options were shown."""


class Cell(NamedTuple):
    """What one number of the table is about."""

    benchmark: str
    method: str
    lang: str


def cells(answers: Iterable[Row]) -> dict[Cell, Items]:
    """EVAL_ANSWER rows of one model by cell. Answers to free questions have no cell."""
    found: dict[Cell, Items] = {}
    for row in answers:
        if row["method"] in METHODS:
            cell = found.setdefault(Cell(row["benchmark"], row["method"], row["lang"]), {})
            cell.setdefault(row["id"], []).append(row)
    return found


def table(arms: Mapping[str, dict[Cell, Items]], against: Mapping[str, str | None]) -> list[dict[str, Any]]:
    """COMPARISON rows: every arm in every cell, then its mean over languages (lang null), in order of the arms.

    `arms`: name -> cells; `against`: name -> the arm that it is held against, or None.
    """
    known = list(dict.fromkeys(cell for of_arm in arms.values() for cell in of_arm))
    rows = []
    for benchmark, method in dict.fromkeys((cell.benchmark, cell.method) for cell in known):
        langs = [cell.lang for cell in known if (cell.benchmark, cell.method) == (benchmark, method)]
        everyone = {lang: _ids(arms, Cell(benchmark, method, lang)) for lang in langs}
        for name, of_arm in arms.items():
            other = against[name]
            mine = []
            for lang in langs:
                cell = Cell(benchmark, method, lang)
                if cell not in of_arm:
                    continue
                value = _value(METHODS[method], of_arm[cell], everyone[lang])
                reference = arms[other].get(cell) if other else None
                away = _difference(METHODS[method], of_arm[cell], reference, everyone[lang]) if reference else None
                mine.append((lang, value, away, len(everyone[lang] if METHODS[method] == ACCURACY else of_arm[cell])))
            head = {"arm": name, "against": other, "benchmark": benchmark, "method": method}
            rows += [_row(head, lang, items, value, away) for lang, value, away, items in mine]
            if len(mine) > 1:
                values, aways = [value for _, value, _, _ in mine], [away for _, _, away, _ in mine if away]
                mean = mean_interval(aways) if len(aways) == len(mine) else None
                rows.append(_row(head, None, sum(items for *_, items in mine), mean_interval(values), mean))
    return rows


def _ids(arms: Mapping[str, dict[Cell, Items]], cell: Cell) -> list[str]:
    return list(dict.fromkeys(id for of_arm in arms.values() for id in of_arm.get(cell, ())))


def _row(head: Row, lang: str | None, items: int, value: Estimate, away: Estimate | None) -> dict[str, Any]:
    measured = dict(zip(("value", "low", "high"), value, strict=True))
    told = dict(zip(("difference", "difference_low", "difference_high"), away or (None,) * 3, strict=True))
    return {**head, "measure": METHODS[head["method"]], "lang": lang, "items": items, **measured, **told}


def _value(measure: str, items: Items, everyone: list[str]) -> Estimate:
    if measure == ACCURACY:
        right = sum(_right(items, id) for id in everyone)
        return right / len(everyone), *wilson_interval(right, len(everyone))
    return ratio_interval(*map(list, zip(*(_nats(rows) for rows in items.values()), strict=True)))


def _difference(measure: str, items: Items, others: Items, everyone: list[str]) -> Estimate | None:
    if measure == ACCURACY:
        gains = [_right(items, id) - _right(others, id) for id in everyone]
        return paired_difference(
            sum(max(0.0, gain) for gain in gains), sum(max(0.0, -gain) for gain in gains), len(gains)
        )
    pairs = [(_nats(rows), _nats(others[id])) for id, rows in items.items() if id in others]
    if not pairs or any(mine[1] != other[1] for mine, other in pairs):
        return None
    return ratio_interval([mine[0] - other[0] for mine, other in pairs], [mine[1] for mine, _ in pairs])


def _nats(rows: list[Row]) -> tuple[float, int]:
    """(nats, tokens) of a reference answer."""
    return -rows[0]["logprob"], rows[0]["num_tokens"]


def _right(items: Items, id: str) -> float:
    """Share of an item's orders of options in which it was answered right."""
    rows = items.get(id, [])
    return sum(bool(row["correct"]) for row in rows) / len(rows) if rows else 0.0
