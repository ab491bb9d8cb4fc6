"""Which benchmarks a step must not leak, and the index of their questions: for corpus and rewrite steps alike."""

import json
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

import pyarrow as pa
from pydantic import Field

from apollo_ray.config import FILES, Name, Settings
from apollo_ray.decontaminate import CONSECUTIVE_64, LENGTHS, Index, Item, Overlap, items_of
from apollo_ray.errors import UserError
from apollo_ray.store import expand, open_fs

DENSE_LENGTHS = dict(LENGTHS)

OVERLAP = pa.schema(
    [
        ("id", pa.string()),  # of the row that was refused
        ("uri", pa.string()),
        ("position", pa.int64()),
        ("lang", pa.string()),
        ("source", pa.string()),
        ("benchmark", pa.string()),
        ("item", pa.string()),  # id of the benchmark's item
        ("rule", pa.string()),
        ("length", pa.int64()),  # characters that they share, folded
        ("excerpt", pa.string()),  # of the shared text
    ]
)
"""The ledger of decontamination: one row for every pair of a refused row and an item that it overlaps."""


class Exam(Settings):
    """Files with the questions of a benchmark: JSON Lines, or one JSON array."""

    name: Name
    path: Annotated[str, FILES]


class Decontamination(Settings):
    """Rows that share text with a question are refused.

    `paper` knows 64 consecutive characters and nothing else, "which of the following is the most appropriate next step"
    included: that alone would refuse 41 % of an exam's rows for another exam. `strict` sees short questions too, and
    lets stretches pass that tell nothing of the question.
    """

    benchmarks: Annotated[tuple[Exam, ...], Field(min_length=1)]
    mode: Literal["strict", "paper"] = "strict"
    lengths: dict[str, Annotated[int, Field(ge=12, le=64)]] = DENSE_LENGTHS  # consecutive characters by language

    def refuses(self, overlaps: list[Overlap]) -> list[Overlap]:
        """Those of the overlaps that count in this mode."""
        return [one for one in overlaps if (one.telling if self.mode == "strict" else one.rule == CONSECUTIVE_64)]


def load_index(settings: Decontamination, where: str) -> Index:
    """The index of all questions. Raises UserError where a file holds none."""
    items: list[Item] = []
    for exam in settings.benchmarks:
        found = len(items)
        for uri in expand(exam.path):
            items += items_of(_rows(uri), exam.name)
        if len(items) == found:
            raise UserError(f"{where}.decontaminate: {exam.path} holds no row with a 'question'")
    return Index.build(items, settings.lengths, paper=settings.mode == "paper")


def _rows(uri: str) -> Iterator[dict[str, Any]]:
    filesystem, path = open_fs(uri)
    with filesystem.open(path, "rb", compression="infer") as file:
        data = file.read()
    try:
        values = (
            json.loads(data)
            if data.lstrip()[:1] == b"["
            else [json.loads(line) for line in data.splitlines() if line.strip()]
        )
    except ValueError as error:
        # A question that cannot be read cannot be looked for, and nobody would see that it was not.
        raise UserError(f"{uri}: not JSON Lines, nor a JSON array: {str(error)[:200]}") from error
    yield from (value for value in values if isinstance(value, dict))


OVERLAPS = pa.field("overlaps", pa.string())
"""Column of a row inside a stage: `listed` overlaps, or null."""


def listed(overlaps: list[Overlap]) -> str:
    """JSON for the column `overlaps`."""
    rows = [[one.benchmark, one.item, one.rule, one.length, one.excerpt] for one in overlaps]
    return json.dumps(rows, ensure_ascii=False)


def refusal(overlaps: list[Overlap]) -> tuple[str, str]:
    """(reason, detail) of a row with these overlaps; the longest is named."""
    worst = max(overlaps, key=lambda one: (one.length, one.benchmark, one.item))
    others = f" and of {len(overlaps) - 1} more items" if len(overlaps) > 1 else ""
    return f"leak_{worst.rule}", f"{worst.length} characters of {worst.benchmark} {worst.item}{others}"


def ledger(rows: list[dict[str, Any]]) -> list[list[Any]]:
    """Rows of OVERLAP as lists, of rows with the column `overlaps`."""
    return [
        [row["id"], row["uri"], row["position"], row["lang"], row["source"], *overlap]
        for row in rows
        for overlap in json.loads(row["overlaps"] or "[]")
    ]


def ledger_table(rows: Iterable[list[Any]]) -> pa.Table:
    """OVERLAP, sorted, so that no order of blocks changes it."""
    ordered = sorted(rows, key=lambda row: json.dumps(row, ensure_ascii=False))
    return pa.Table.from_pylist([dict(zip(OVERLAP.names, row, strict=True)) for row in ordered], OVERLAP)


def tally(table: pa.Table) -> dict[str, dict[str, int]]:
    """benchmark -> rule -> overlaps."""
    found: dict[str, dict[str, int]] = {}
    for benchmark, rule in zip(table["benchmark"].to_pylist(), table["rule"].to_pylist(), strict=True):
        rules = found.setdefault(benchmark, {})
        rules[rule] = rules.get(rule, 0) + 1
    return found
