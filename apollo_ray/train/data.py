"""Packed rows by global position: step, rank and world size decide which rows a worker reads; resuming costs nothing.

Row i of the stream belongs to step i // global_batch. Within a step, micro-batch k of rank r takes the rows
start + (k * world + r) * micro_batch ... So the set of rows of a step does not depend on the number of workers.
"""

from bisect import bisect_right
from collections import OrderedDict
from itertools import accumulate

import pyarrow as pa
import torch

from apollo_ray.records import IGNORED
from apollo_ray.store import Manifest, Store, step_directory

PARTS_IN_MEMORY = 4


class PackedRows:
    """Random access to the sequences of a finished mix step; past the last row every row is empty."""

    def __init__(self, store: Store, manifest: Manifest, epochs: int) -> None:
        self.store, self.manifest, self.epochs = store, manifest, epochs
        self._starts = [0, *accumulate(entry.rows for entry in manifest.data)]
        self._parts: OrderedDict[int, pa.Table] = OrderedDict()

    def __len__(self) -> int:
        """Rows in all epochs."""
        return self._starts[-1] * self.epochs

    def row(self, position: int) -> dict[str, list[int]] | None:
        """input_ids, labels and position_ids of the row at a position of the whole run; None past the end."""
        if position >= len(self):
            return None
        row = position % self._starts[-1]
        part = bisect_right(self._starts, row) - 1
        if part not in self._parts:
            directory = step_directory(self.manifest.step, self.manifest.fingerprint)
            self._parts[part] = self.store.read_table(directory, self.manifest.data[part])
            if len(self._parts) > PARTS_IN_MEMORY:
                self._parts.popitem(last=False)
        self._parts.move_to_end(part)
        return self._parts[part].slice(row - self._starts[part], 1).to_pylist()[0]


def micro_batch_positions(step: int, index: int, rank: int, world: int, micro_batch: int, global_batch: int) -> range:
    """Positions of micro-batch `index` of a rank in a 0-based step."""
    start = step * global_batch + (index * world + rank) * micro_batch
    return range(start, start + micro_batch)


def collate(rows: list[dict[str, list[int]] | None]) -> dict[str, torch.Tensor]:
    """Padded tensors [batch, length], int64, and a mask [batch, 1, length, length], bool: True where one may look.

    A token sees its own document and nothing after itself. Padding is a document of its own, without loss. Rows that
    are None are padding throughout.
    """
    length = max([len(row["input_ids"]) for row in rows if row] or [2])
    shape = (len(rows), length)
    input_ids = torch.zeros(shape, dtype=torch.long)
    labels = torch.full(shape, IGNORED, dtype=torch.long)
    position_ids = torch.arange(length).repeat(len(rows), 1)
    documents = torch.zeros(shape, dtype=torch.long)
    for index, row in enumerate(rows):
        if row is None:
            continue
        used = len(row["input_ids"])
        input_ids[index, :used] = torch.tensor(row["input_ids"])
        labels[index, :used] = torch.tensor(row["labels"])
        position_ids[index, :used] = torch.tensor(row["position_ids"])
        position_ids[index, used:] = torch.arange(length - used)
        documents[index] = (position_ids[index] == 0).cumsum(0)
    same = documents[:, None, :, None] == documents[:, None, None, :]
    mask = same & torch.ones(length, length, dtype=torch.bool).tril()
    return {"input_ids": input_ids, "labels": labels, "position_ids": position_ids, "attention_mask": mask}
