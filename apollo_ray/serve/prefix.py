"""Which slot a request gets, and what of its prompt is in the caches already.

A slot keeps what it computed until it is taken again, so prompts that begin alike (the shots of an evaluation, the
turns of a chat) are computed once: the cells are copied.
"""

from collections import deque

from apollo_ray.serve.forward import Forward
from apollo_ray.serve.request import Request, Row

WORTHWHILE = 16
"""Tokens. A shorter prefix saves nothing that could be measured."""


class Slots:
    """The slots of an engine. A free one that was used longest ago is taken first."""

    def __init__(self, forward: Forward, reuse: bool = True) -> None:
        self._forward, self._reuse = forward, reuse
        self._free = deque(range(forward.slots))
        self._rows: dict[int, Row] = {}

    def __len__(self) -> int:
        """How many are free."""
        return len(self._free)

    def take(self, request: Request) -> Row:
        """A slot for a request, with the longest prefix that any slot holds. Raises IndexError where none is free."""
        row = Row(request, self._free.popleft())
        self.extend(row)
        self._rows[row.slot] = row
        return row

    def give_back(self, row: Row) -> None:
        self._free.append(row.slot)

    def extend(self, row: Row) -> None:
        """Copy a longer prefix of the prompt than is there, if another slot has one; only before the row's first
        forward: what it shares with a request that came at the same time is there once that one was computed."""
        if not self._reuse or row.cached > row.request.reused or len(row.request.ids) <= WORTHWHILE:
            return
        lengths = {slot: _shared(held, row.request) for slot, held in self._rows.items() if held is not row}
        source = max(lengths, key=lengths.__getitem__, default=row.slot)
        length = lengths.get(source, 0)
        if length < WORTHWHILE or length <= row.cached:
            return
        self._forward.copy(source, row.slot, length)
        row.cached = row.request.reused = length
        if row.request.prompt_logprobs:
            row.request.prompt_scores = self._rows[source].request.prompt_scores[:length]


def _shared(held: Row, request: Request) -> int:
    """How many cells of `held` are those of the request. The prompt's last token is always computed: its logits are
    needed."""
    source = held.request
    if any(wanted and not there for wanted, there in zip(request.runs, source.runs, strict=True)):
        return 0
    tokens = [*source.ids, *source.output][: held.cached]
    length = common_prefix(tokens, request.ids)
    if request.prompt_logprobs:
        # Cell i gives the score of token i + 1, so that must be shared too, and scored in the same way.
        if source.weights != request.weights or source.logprobs != request.logprobs:
            return 0
        length = min(length - 1, len(source.prompt_scores))
    return max(0, min(length, len(request.ids) - 1))


def common_prefix(first: list[int], other: list[int]) -> int:
    """How many leading numbers are equal; by halves, since slices are compared in C."""
    low, high = 0, min(len(first), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
