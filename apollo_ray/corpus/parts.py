"""From prepared packs to output parts: which packs make a part, and which of their rows are copies."""

import itertools
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from apollo_ray.corpus.copies import Copies
from apollo_ray.refusals import with_refusals

CHARACTERS_PER_PART = 16 * 2**20  # of kept text, about 10 MB compressed


@dataclass(frozen=True)
class Pack:
    """A prepared file under work/ and its copies: `rows` counts from the file's first, the others are as long."""

    work: str
    rows: list[int] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)

    def mark(self, table: pa.Table) -> pa.Table:
        """The prepared rows with refusals for the copies."""
        reasons: list[str | None] = [None] * table.num_rows
        details: list[str | None] = [None] * table.num_rows
        for row, reason, detail in zip(self.rows, self.reasons, self.details, strict=True):
            reasons[row], details[row] = reason, detail
        return with_refusals(table, "dedup", reasons, details)


def parts_of(keys: pa.Table, copies: Copies) -> list[list[Pack]]:
    """Packs of each output part: neighbours with some CHARACTERS_PER_PART of text that is kept.

    `keys` has `work`, `characters`, `uri` and `position` of every row, sorted by pack and place.
    """
    kept = np.where(copies.is_copy, 0, keys["characters"].fill_null(0).to_numpy())
    reasons, details = copies.refusals(keys)
    parts: list[list[Pack]] = []
    size = CHARACTERS_PER_PART
    start = 0
    for work, rows in itertools.groupby(keys["work"].to_pylist()):
        end = start + sum(1 for _ in rows)
        pack = Pack(work)
        for row in range(start, end):
            reason, detail = reasons[row], details[row]
            if reason is not None and detail is not None:
                pack.rows.append(row - start)
                pack.reasons.append(reason)
                pack.details.append(detail)
        if size >= CHARACTERS_PER_PART:
            parts.append([])
            size = 0
        parts[-1].append(pack)
        size += int(kept[start:end].sum())
        start = end
    return parts
