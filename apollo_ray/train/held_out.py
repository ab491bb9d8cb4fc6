"""Loss on rows that are not trained on, by language."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from apollo_ray.packed import PackedRows
from apollo_ray.records import IGNORED
from apollo_ray.train.data import batch_of
from apollo_ray.train.loss import targets_of

ROWS = 512
"""Sequences looked at, spread evenly over the stream."""


def languages_of(rows: PackedRows) -> tuple[str, ...]:
    """Of the documents of the rows that are looked at, sorted."""
    return tuple(sorted({lang for place in _places(rows) for lang in rows.row(place).langs}))


def _places(rows: PackedRows) -> list[int]:
    return np.unique(np.linspace(0, len(rows) - 1, min(ROWS, len(rows))).astype(int)).tolist()


def losses(
    engine: Any, rows: PackedRows, languages: Sequence[str], rank: int, world: int
) -> dict[str, tuple[float, int]]:
    """language -> (mean loss in nats, supervised tokens). All ranks must call it: as many passes on each."""
    places = _places(rows)
    number = {lang: index for index, lang in enumerate(languages)}
    sums = torch.zeros(2, len(languages), dtype=torch.float64)
    engine.eval()
    with torch.no_grad():
        for first in range(0, len(places), world):
            mine = [rows.row(place) for place in places[first + rank : first + rank + 1]]
            batch = batch_of(mine)
            found = engine(**batch.inputs(engine.device)).double().cpu()
            if mine:
                supervised = targets_of(batch.labels) != IGNORED
                owner = torch.repeat_interleave(
                    torch.tensor([number[lang] for lang in mine[0].langs]), batch.lengths.long()
                )[supervised]
                sums[0].index_add_(0, owner, found)
                sums[1].index_add_(0, owner, torch.ones_like(found))
    engine.train()
    sums = sums.to(engine.device)
    dist.all_reduce(sums)
    total, tokens = sums.cpu().tolist()
    return {
        lang: (loss / count, int(count)) for lang, loss, count in zip(languages, total, tokens, strict=True) if count
    }
