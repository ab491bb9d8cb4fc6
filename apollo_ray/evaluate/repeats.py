"""Items of a benchmark that are one item written again and again: groups by shared words of question and options."""

import itertools
import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from apollo_ray.overlap_index import fold_all

MIN_SHARED = 0.5
"""Of the different words of two items, that both have, for them to be the same item in other words."""
BANDS, BAND_ROWS = 64, 3  # two items of MIN_SHARED meet in a band with probability 0.9998

_HAN = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_PIECE = re.compile(rf"[{_HAN}]+|[^\s{_HAN}]+")
_SEED = 20240306


def groups(texts: Sequence[str]) -> list[list[int]]:
    """Places of the texts that hang together by MIN_SHARED, from two members on, the largest group first."""
    words = [_words(folded) for folded in fold_all(texts)]
    parent = list(range(len(texts)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for one, other in _candidates(words):
        if root(one) != root(other) and _shared(words[one], words[other]) >= MIN_SHARED:
            parent[root(one)] = root(other)
    found = defaultdict(list)
    for place in range(len(texts)):
        found[root(place)].append(place)
    return sorted((members for members in found.values() if len(members) > 1), key=lambda group: (-len(group), group))


def _words(folded: str) -> frozenset[str]:
    """Words of two characters or more; of Han runs every two neighbours."""
    words = set()
    for piece in _PIECE.findall(folded):
        if "\u3040" <= piece[0] <= "\u9fff":
            words |= {piece[at : at + 2] for at in range(len(piece) - 1)}
        elif len(piece) > 1:
            words.add(piece)
    return frozenset(words)


def _shared(one: frozenset[str], other: frozenset[str]) -> float:
    both = len(one & other)
    return both / (len(one) + len(other) - both)


def _candidates(words: Sequence[frozenset[str]]) -> Iterable[tuple[int, int]]:
    """Pairs that may share enough: neighbours in a bucket, and each with the bucket's first (MinHash in bands)."""
    draw = np.random.default_rng(_SEED)
    factors = draw.integers(1, 2**63, (BANDS * BAND_ROWS, 1), np.uint64) | np.uint64(1)
    buckets: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    for place, known in enumerate(words):
        if known:
            hashes: npt.NDArray[np.uint64] = np.fromiter((zlib.crc32(word.encode()) for word in known), np.uint64)
            smallest = (factors * (hashes + np.uint64(1)) >> np.uint64(32)).min(axis=1).reshape(BANDS, BAND_ROWS)
            for band, row in enumerate(smallest):
                buckets[band, row.tobytes()].append(place)
    for members in buckets.values():
        for before, place in itertools.pairwise(members):
            yield before, place
            yield members[0], place
