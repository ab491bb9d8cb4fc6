"""Keys and values of many sequences, each of its own length, for one model.

transformers' own caches have one write position for all rows, so rows could neither join nor leave between steps.
"""

from typing import Any

import torch
from torch import Tensor

from apollo_ray.errors import UserError

CHANGING_ROTARY = ("dynamic", "longrope")
"""Rotary types whose frequencies follow the longest row of the batch, so that neighbours would change an answer."""


def check_cacheable(config: Any, name: str, max_length: int) -> None:
    """Raises UserError unless a model of this transformers config runs rightly on a SlotCache of `max_length`."""
    config = config.get_text_config(decoder=True)
    kind = config.model_type
    if getattr(config, "is_encoder_decoder", False):
        raise UserError(f"{name}: {kind} is an encoder-decoder; a decoder is needed")
    for layer, layer_type in enumerate(getattr(config, "layer_types", None) or []):
        if layer_type != "full_attention":
            raise UserError(f"{name}: layer {layer} of {kind} is {layer_type!r}; only 'full_attention' is served")
    if getattr(config, "sliding_window", None) is not None:
        raise UserError(f"{name}: {kind} has sliding_window {config.sliding_window}; only full attention is served")
    rotary = getattr(config, "rope_parameters", None)
    if not rotary:
        raise UserError(f"{name}: {kind} has no rotary positions (rope_parameters); only those are served")
    if rotary.get("rope_type") in CHANGING_ROTARY:
        raise UserError(
            f"{name}: rope_type {rotary['rope_type']!r} depends on the batch's longest row; it is not served"
        )
    longest = getattr(config, "max_position_embeddings", None)
    if longest is not None and max_length > longest:
        raise UserError(f"{name}: max_length {max_length} is past the {longest} positions of the model")


class SlotCache:
    """Stands in for transformers.Cache in one model's forward: fixed slots of fixed room, taken when layers first ask.

    Column `room` is a dump: right padding is written there, so nothing ever overwrites a sequence.
    """

    is_compileable = False

    def __init__(self, slots: int, room: int) -> None:
        self.slots, self.room = slots, room
        self._layers: dict[int, tuple[Tensor, Tensor]] = {}
        self._rows = self._columns = torch.empty(0, dtype=torch.long)
        self._length = 0
        self._first: int | None = None

    def place(self, rows: Tensor, columns: Tensor, length: int, first: int | None = None) -> None:
        """What the next forward works on: slots `rows` [batch], cells `columns` [batch, width], `length` cells to read.

        `first` is the first row where the rows follow one another: they are then read in place. A new sequence starts
        by writing over what its slot held.
        """
        self._rows, self._columns, self._length, self._first = rows, columns, length, first

    def update(self, keys: Tensor, values: Tensor, layer_idx: int, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Write [batch, heads, width, size] keys and values; return [batch, heads, length, size] of the same slots."""
        if layer_idx not in self._layers:
            self._layers[layer_idx] = (self._reserve(keys), self._reserve(values))
        found = []
        for store, new in zip(self._layers[layer_idx], (keys, values), strict=True):
            store[self._rows[:, None], :, self._columns] = new.transpose(1, 2)
            if self._first is None:
                found.append(store[:, :, : self._length].index_select(0, self._rows))
            else:
                found.append(store[self._first : self._first + len(self._rows), :, : self._length])
        return found[0], found[1]

    def copy(self, source: int, target: int, length: int) -> None:
        """The first `length` cells of one slot to another."""
        if source != target:
            for stores in self._layers.values():
                for store in stores:
                    store[target, :, :length] = store[source, :, :length]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Cells that the current forward reads."""
        return self._length

    def _reserve(self, like: Tensor) -> Tensor:
        _, heads, _, size = like.shape
        return torch.zeros(self.slots, heads, self.room + 1, size, dtype=like.dtype, device=like.device)
