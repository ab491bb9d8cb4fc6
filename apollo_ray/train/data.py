"""Packed rows by global position: step, rank and world size decide which rows a worker reads; resuming costs nothing.

Row i of the stream belongs to step i // global_batch. Within a step, micro-batch k of rank r takes the rows
start + (k * world + r) * micro_batch ... So the set of rows of a step does not depend on the number of workers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from apollo_ray.packed import PackedRow, PackedRows
from apollo_ray.records import IGNORED
from apollo_ray.train.loss import supervised_tokens


@dataclass(frozen=True)
class Batch:
    """Rows one behind the other as one: `ids`, `labels`, `positions` int64[T]; `borders` int32[D + 1] of documents."""

    ids: torch.Tensor
    labels: torch.Tensor
    positions: torch.Tensor
    borders: torch.Tensor

    @property
    def supervised(self) -> int:
        return supervised_tokens(self.labels)

    @property
    def lengths(self) -> torch.Tensor:
        """int32[D]: tokens of each document."""
        return torch.diff(self.borders)

    def inputs(self, device: Any) -> dict[str, Any]:
        """What `Objective.forward` takes. Borders as flash attention names them."""
        borders, longest = self.borders.to(device), int(self.lengths.max())
        return {
            "input_ids": self.ids[None].to(device),
            "position_ids": self.positions[None].to(device),
            "cu_seq_lens_q": borders,
            "cu_seq_lens_k": borders,
            "max_length_q": longest,
            "max_length_k": longest,
            "labels": self.labels.to(device),
        }


def batch_of(rows: Sequence[PackedRow]) -> Batch:
    """One flat batch: no padding. Of no rows, two tokens without loss: every worker must take part in every pass."""
    if not rows:
        ids = torch.zeros(2, dtype=torch.long)
        return Batch(ids, torch.full((2,), IGNORED), torch.arange(2), torch.tensor([0, 2], dtype=torch.int32))
    lengths = np.concatenate([row.lengths for row in rows])
    borders = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    positions = np.arange(borders[-1]) - np.repeat(borders[:-1], lengths)
    return Batch(
        torch.from_numpy(np.concatenate([row.input_ids for row in rows]).astype(np.int64)),
        torch.from_numpy(np.concatenate([row.labels for row in rows]).astype(np.int64)),
        torch.from_numpy(positions.astype(np.int64)),
        torch.from_numpy(borders),
    )


def accumulation(global_batch: int, world: int, micro_batch: int) -> int:
    """Micro-batches of every worker in an optimizer step; the last ones may be short or empty."""
    return -(-global_batch // (world * micro_batch))


def micro_batch_positions(step: int, index: int, rank: int, world: int, micro_batch: int, global_batch: int) -> range:
    """Positions of micro-batch `index` of a rank in a 0-based step; never beyond the step's own."""
    first, end = step * global_batch, (step + 1) * global_batch
    start = first + (index * world + rank) * micro_batch
    return range(min(start, end), min(start + micro_batch, end))


def step_batches(
    rows: PackedRows, epochs: int, step: int, rank: int, world: int, micro_batch: int, global_batch: int
) -> Iterator[Batch]:
    """The micro-batches of a rank in a step of a run of `epochs` passes over `rows`."""
    for index in range(accumulation(global_batch, world, micro_batch)):
        places = micro_batch_positions(step, index, rank, world, micro_batch, global_batch)
        yield batch_of([rows.row(place % len(rows)) for place in places if place < len(rows) * epochs])
