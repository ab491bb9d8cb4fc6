"""Batched forwards of several models over rows of different lengths, each model with a cache of its own."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from apollo_ray.serve.cache import SlotCache


class Batch(NamedTuple):
    """Rows padded to one width on the right; padding is written to the caches' dump column."""

    slots: Tensor  # int64 [rows]
    ids: Tensor  # int64 [rows, width]
    positions: Tensor  # int64 [rows, width]
    cells: Tensor  # int64 [rows, width]
    mask: Tensor  # the models' dtype [rows, 1, width, length]: 0 or the lowest number
    length: int  # cells to read
    first: int | None  # the first slot, if they follow one another


class Forward:
    """`models` (role -> transformers model) over the first `width` ids."""

    def __init__(self, models: Mapping[str, Any], width: int, slots: int, max_length: int) -> None:
        self.models = dict(models)
        self.width, self.slots, self.max_length = width, slots, max_length
        self.device, self.dtype = models["base"].device, models["base"].dtype
        self._caches = {role: SlotCache(slots, max_length) for role in models}

    def batch(self, slots: Sequence[int], starts: Sequence[int], fed: Sequence[Sequence[int]]) -> Batch:
        """Tokens `fed` to the sequences in `slots`, of which `starts` tokens are in the caches."""
        widest = max(map(len, fed))
        ids, positions, cells = [], [], []
        for start, tokens in zip(starts, fed, strict=True):
            padding = [0] * (widest - len(tokens))
            at = list(range(start, start + len(tokens)))
            ids.append([*tokens, *padding])
            positions.append(at + padding)
            cells.append(at + [self.max_length] * len(padding))
        length = max(start + len(tokens) for start, tokens in zip(starts, fed, strict=True))
        place = self.tensor(positions)
        seen = torch.arange(length, device=self.device) <= place[:, None, :, None]
        mask = torch.zeros(seen.shape, dtype=self.dtype, device=self.device)
        mask = mask.masked_fill(~seen, torch.finfo(self.dtype).min)
        first = slots[0] if list(slots) == list(range(slots[0], slots[0] + len(slots))) else None
        return Batch(self.tensor(slots), self.tensor(ids), place, self.tensor(cells), mask, length, first)

    def run(self, role: str, batch: Batch, kept: Tensor) -> Tensor:
        """float32 logits [rows, kept, width] of one model at the positions `kept` (int64)."""
        self._caches[role].place(batch.slots, batch.cells, batch.length, batch.first)
        out = self.models[role](
            input_ids=batch.ids,
            attention_mask=batch.mask,
            position_ids=batch.positions,
            past_key_values=self._caches[role],
            use_cache=True,
            logits_to_keep=kept,
        )
        return out.logits[..., : self.width].float()

    def copy(self, source: int, target: int, length: int) -> None:
        """The first `length` cells of one slot to another, for all models."""
        for cache in self._caches.values():
            cache.copy(source, target, length)

    def tensor(self, values: Sequence[Any]) -> Tensor:
        """int64 on the models' device."""
        return torch.tensor(values, dtype=torch.long, device=self.device)
