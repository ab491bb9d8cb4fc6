"""The order of the stream: every example once, a function of the examples and the settings alone.

- `priority`: the paper's draw without replacement, P(next) = pi / sum of pi over what remains.
- `uniform`: the same with one pi for all, a plain shuffle.
- `sequential`: all of pre-training, then all of instruction, each drawn by priority (a shuffle, unless sources differ).
- `schedule`: stretches of the stream with a weight a class. Up to `until` (a share of all tokens) each class gives
  tokens in proportion to its weight while it lasts; where one has run out the others share its part, and a class of
  weight 0 gives only when nothing else is left. The last stretch takes all that remains. Which examples of a class come
  first is drawn by priority; inside a stretch the classes are shuffled into one another.
"""

from collections.abc import Iterator

import numpy as np

from apollo_ray.codepoints import Ints
from apollo_ray.mix.priority import Floats, exponentials, random_bits
from apollo_ray.mix.settings import CLASSES, StageSettings, Stretch
from apollo_ray.mix.stream import Stream

CHUNK = 1 << 22
"""Examples whose keys are worked out at once: some 200 MB of intermediate arrays."""


def order(stream: Stream, settings: StageSettings) -> Ints:
    """int64[N]: the example at each place of the stream. 16 bytes an example beside the stream's own."""
    keys = _keys(stream, settings)
    if settings.order == "schedule":
        return _scheduled(stream, keys, settings)
    if settings.order == "sequential":
        parts = [np.flatnonzero(stream.sample_class == number) for number in range(len(CLASSES))]
        return np.concatenate([part[_sorted(keys[part], stream, part)] for part in parts])
    return _sorted(keys, stream, None)


def _keys(stream: Stream, settings: StageSettings) -> Floats:
    table = stream.of_source(settings.priorities, {name: s.priority for name, s in settings.sources.items()})
    if settings.order == "uniform":
        table[:] = 1.0
    keys = np.empty(len(stream))
    for chunk in _chunks(len(stream)):
        bits = random_bits(settings.seed, stream.id[chunk], stream.copy[chunk], stream.piece[chunk])
        keys[chunk] = exponentials(bits) / table[stream.sample_class[chunk], stream.source[chunk]]
    return keys


def _sorted(keys: Floats, stream: Stream, examples: Ints | None) -> Ints:
    """int64[n]: positions in `keys` by key; equal keys by id, copy, piece and what else tells examples apart.

    `examples` int64[n] are those that the keys are of; None: all.
    """
    found = np.argsort(keys)
    tied = np.zeros(len(found), np.bool_)
    for chunk in _chunks(max(0, len(found) - 1)):
        equal = keys[found[chunk]] == keys[found[chunk.start + 1 : chunk.stop + 1]]
        tied[chunk] |= equal
        tied[chunk.start + 1 : chunk.stop + 1] |= equal
    places = np.flatnonzero(tied)
    if len(places):
        positions = found[places]
        rows = positions if examples is None else examples[positions]
        marks = (stream.id, stream.copy, stream.piece, stream.sample_class, stream.source, stream.lang, stream.length)
        by = np.lexsort((*(mark[rows] for mark in reversed(marks)), keys[positions]))
        found[places] = positions[by]
    return found


def _chunks(size: int) -> Iterator[slice]:
    for start in range(0, size, CHUNK):
        yield slice(start, min(start + CHUNK, size))


def _scheduled(stream: Stream, keys: Floats, settings: StageSettings) -> Ints:
    queues = []
    for number in range(len(CLASSES)):
        part = np.flatnonzero(stream.sample_class == number)
        queues.append(part[_sorted(keys[part], stream, part)])
    ends = [np.cumsum(stream.length[queue], dtype=np.int64) for queue in queues]
    # Bits of their own for the shuffle inside a stretch: those of the keys decided who is in it.
    shuffle = np.empty(len(stream))
    for chunk in _chunks(len(stream)):
        bits = random_bits(settings.seed + 1, stream.id[chunk], stream.copy[chunk], stream.piece[chunk])
        shuffle[chunk] = exponentials(bits)
    parts = []
    for taken in _takes(ends, settings.schedule):
        chosen = np.concatenate([queue[start:end] for queue, (start, end) in zip(queues, taken, strict=True)])
        parts.append(chosen[_sorted(shuffle[chosen], stream, chosen)])
    return np.concatenate(parts)


def _takes(ends: list[Ints], schedule: tuple[Stretch, ...]) -> Iterator[list[tuple[int, int]]]:
    """For every part of the stream with one proportion of classes: the (start, end) taken of each class's queue.

    `ends` holds for each class int64[n]: the tokens up to and with each example of its queue.
    """
    totals = [int(end[-1]) if len(end) else 0 for end in ends]
    taken = [0] * len(ends)  # examples
    used = [0] * len(ends)  # tokens
    for stretch in schedule:
        while left := [number for number in range(len(ends)) if taken[number] < len(ends[number])]:
            weights = {number: stretch.weights.get(CLASSES[number], 0.0) for number in left}
            active = [number for number in left if weights[number] > 0]
            if not active:
                active, weights = left, {number: float(totals[number] - used[number]) for number in left}
            whole = sum(weights[number] for number in active)
            lasts = {number: (totals[number] - used[number]) * whole / weights[number] for number in active}
            first = min(lasts, key=lambda number: lasts[number])  # class that runs out before the others
            target = stretch.until * sum(totals) - sum(used)
            whole_rest = stretch is schedule[-1] or target >= lasts[first]
            tokens = lasts[first] if whole_rest else target
            moves = [(at, at) for at in taken]
            for number in active:
                end = int(np.searchsorted(ends[number], used[number] + tokens * weights[number] / whole, side="right"))
                end = len(ends[number]) if whole_rest and number == first else max(end, taken[number])
                moves[number] = (taken[number], end)
                taken[number] = end
                used[number] = int(ends[number][end - 1]) if end else 0
            yield moves
            if not whole_rest:
                break
