"""Shots of the strict protocol: fixed, the same for every model, from dev without whatever test shares with it.

Version 1: of each benchmark and language the dev items that are fit, not in test nor close to it, ordered by a hash of
their content, so that neither file order nor ids choose. Letters take turns where dev has them, so that no letter is
shown more than another: a model copies the letter that it has seen most.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from apollo_ray.decontaminate import Index
from apollo_ray.decontaminate import Item as Question
from apollo_ray.errors import UserError
from apollo_ray.evaluate.audit import audit, key_of
from apollo_ray.overlap_index import fold
from apollo_ray.text import content_id

VERSION = 1
MAX_CHARACTERS = 600
"""Of a shot's question and options: a vignette of 3,000 would leave no room for the item itself."""

Item = Mapping[str, Any]
Shots = dict[tuple[str, str], list[Item]]
"""(benchmark, lang) -> its shots in the order in which they are shown."""


def choose_shots(items: Sequence[Item], dev: Sequence[Item], number: int) -> Shots:
    """`number` items of `dev` for each benchmark and language of the multiple-choice `items`.

    Items must be all of test, not the part that a limit leaves. Raises UserError where dev has too few that are left.
    """
    wanted = dict.fromkeys((item["benchmark"], item["lang"]) for item in items if item["task"] == "choice")
    if not number:
        return {cell: [] for cell in wanted}
    tests = {(fold(item["question"])) for item in items}
    index = Index.build(
        Question(item["id"], item["benchmark"], item["lang"], item["question"], tuple(item["options"]))
        for item in items
        if item["task"] == "choice"
    )
    unfit = audit(dev, items).unfit("strict")
    left = [one for one in dev if key_of(one) not in unfit and fold(one["question"]) not in tests and _length(one)]
    overlaps = index.search([" . ".join([one["question"], *one["options"]]) for one in left])
    by_cell = defaultdict(list)
    for one, found in zip(left, overlaps, strict=True):
        if not any(overlap.telling for overlap in found):
            by_cell[one["benchmark"], one["lang"]].append(one)
    shots = {}
    for benchmark, lang in wanted:
        free = by_cell[benchmark, lang]
        if len(free) < number:
            total = sum((one["benchmark"], one["lang"]) == (benchmark, lang) for one in dev)
            raise UserError(
                f"benchmark {benchmark!r}, {lang}: dev has {len(free)} of {total} items that are fit and not in test; "
                f"shots: {number} needs more. Give a dev file that shares nothing with the test, or shots: 0"
            )
        shots[benchmark, lang] = _in_turns(free)[:number]
    return shots


def _length(item: Item) -> bool:
    return sum(map(len, [item["question"], item["context"] or "", *item["options"]])) <= MAX_CHARACTERS


def _in_turns(items: Iterable[Item]) -> list[Item]:
    """Each time the letter that was shown least, of equals the item whose hash is smallest."""
    waiting = sorted(items, key=lambda item: content_id(item["question"], *item["options"]))
    seen: dict[str, int] = defaultdict(int)
    ordered = []
    while waiting:
        item = min(waiting, key=lambda one: seen[one["answer"]])  # the first of equals
        waiting.remove(item)
        seen[item["answer"]] += 1
        ordered.append(item)
    return ordered
