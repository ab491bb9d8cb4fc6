"""Which rows of a corpus are copies of which: exact ones by key, near ones among the rest."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from apollo_ray.codepoints import Bools, Ints
from apollo_ray.corpus import dedup, minhash
from apollo_ray.corpus.dedup import Floats
from apollo_ray.corpus.minhash import Bytes, Signatures

BAND_ROWS = pa.schema([("key", pa.int64()), ("number", pa.int64())])
PAIRS = pa.schema([("a", pa.int64()), ("b", pa.int64())])

NO_NUMBER = -1

SIZES = {"bands": minhash.BANDS * 8, "sketch": minhash.SKETCH_BYTES}
"""Bytes a row of the large columns of keys."""


@dataclass(frozen=True)
class Copies:
    """For each row of a table of keys: `survivor` int64[n], the row that it is dropped for, or -1; `similarity`
    float32[n], estimated Jaccard of near copies, nan for all others. `clusters`: size -> number of sets of rows that
    near copies link, directly or through others.
    """

    survivor: Ints
    similarity: Floats
    clusters: dict[int, int] = field(default_factory=dict)

    @property
    def is_copy(self) -> Bools:
        return self.survivor >= 0

    def refusals(self, keys: pa.Table) -> tuple[list[str | None], list[str | None]]:
        """Reason and detail of each row, None for those that stay."""
        reasons: list[str | None] = [None] * len(self.survivor)
        details: list[str | None] = [None] * len(self.survivor)
        uris, positions = keys["uri"], keys["position"]
        for row in np.flatnonzero(self.is_copy).tolist():
            first = int(self.survivor[row])
            place = f"{uris[first]}:{positions[first]}"
            if np.isnan(self.similarity[row]):
                reasons[row], details[row] = "exact_duplicate", f"same text as {place}"
            else:
                reasons[row], details[row] = "near_duplicate", f"Jaccard {self.similarity[row]:.2f} with {place}"
        return reasons, details


def none(rows: int) -> Copies:
    return Copies(np.full(rows, -1, np.int64), np.full(rows, np.nan, np.float32))


def exact(keys: pa.Table) -> Copies:
    """Exact copies among the rows that have a key."""
    copies = none(keys.num_rows)
    live = np.flatnonzero(keys["exact_key"].is_valid().to_numpy())
    if len(live):
        found = dedup.exact_survivors(_fixed(keys["exact_key"], live, dedup.KEY_BYTES), _places(keys, live))
        again = found >= 0
        copies.survivor[live[again]] = live[found[again]]
    return copies


def numbers(keys: pa.Table, copies: Copies) -> Ints:
    """int64[n]: number of each row that near copies are sought among, the best row 0; NO_NUMBER for all others."""
    found = np.full(keys.num_rows, NO_NUMBER, np.int64)
    words = keys["shingles"].fill_null(0).to_numpy() > 0
    live = np.flatnonzero(keys["exact_key"].is_valid().to_numpy() & ~copies.is_copy & words)
    if len(live):
        found[live[np.argsort(_places(keys, live))]] = np.arange(len(live))
    return found


def with_near(
    keys: pa.Table, copies: Copies, number: Ints, a: Ints, b: Ints, sketches_of: Callable[[Ints], Bytes]
) -> Copies:
    """`copies` with the near ones among the candidate pairs (a, b) of numbers.

    `sketches_of` takes rows of `keys`, ascending, and gives uint8[rows, SKETCH_BYTES]: most rows are in no pair, and
    half a kilobyte of each need not be held.
    """
    rows = np.flatnonzero(number >= 0)
    rows = rows[np.argsort(number[rows])]
    paired = np.unique(np.concatenate([a, b]))
    order = np.argsort(rows[paired])
    sketches = np.empty((len(paired), minhash.SKETCH_BYTES), np.uint8)
    sketches[order] = sketches_of(rows[paired][order])
    shingles = keys["shingles"].fill_null(0).to_numpy()[rows[paired]].astype(np.int32)
    found = Signatures(np.empty((len(paired), 0), np.uint64), sketches, shingles)
    likeness = minhash.estimate(found, np.searchsorted(paired, a), np.searchsorted(paired, b))
    alike = likeness.alike
    chosen, similarity = dedup.survivors(len(rows), a[alike], b[alike], likeness.jaccard[alike])
    members = np.bincount(dedup.components(len(rows), a[alike], b[alike]), minlength=len(rows))
    sizes, counts = np.unique(members[members > 1], return_counts=True)
    dropped = np.flatnonzero(chosen >= 0)
    survivor, degree = copies.survivor.copy(), copies.similarity.copy()
    survivor[rows[dropped]] = rows[chosen[dropped]]
    degree[rows[dropped]] = similarity[dropped]
    return Copies(survivor, degree, dict(zip(sizes.tolist(), counts.tolist(), strict=True)))


def gather(blocks: Iterable[pa.Table], column: str, keys: pa.Table, rows: Ints) -> Bytes:
    """uint8[len(rows), size]: a fixed-size binary column of some rows of `keys`, ascending.

    `blocks` hold it beside `work` and `row`, in any order; `keys` is sorted by both and has every row.
    """
    works = keys["work"].dictionary_encode().combine_chunks()
    firsts = np.flatnonzero(np.diff(works.indices.to_numpy(), prepend=-1))
    first_of = dict(zip(works.dictionary.to_pylist(), firsts.tolist(), strict=True))
    size = SIZES[column]
    found: Bytes = np.zeros((len(rows), size), np.uint8)
    for block in blocks:
        names = block["work"].dictionary_encode().combine_chunks()
        starts = np.array([first_of[name] for name in names.dictionary.to_pylist()], np.int64)
        places = starts[names.indices.to_numpy()] + block["row"].to_numpy()
        targets = np.searchsorted(rows, places)
        wanted = np.flatnonzero(rows[np.minimum(targets, len(rows) - 1)] == places) if len(rows) else targets[:0]
        found[targets[wanted]] = _fixed(block[column], wanted, size).view(np.uint8).reshape(len(wanted), size)
    return found


def candidates(bands: npt.NDArray[np.uint64], number: Ints) -> tuple[Ints, Ints]:
    """Candidate pairs of numbers, one band at a time. `bands` uint64[n, BANDS]; rows without a number are left out."""
    live = np.flatnonzero(number >= 0)
    return dedup.unite([dedup.candidate_pairs(bands[live, band], number[live]) for band in range(bands.shape[1])])


def band_rows(bands: npt.NDArray[np.uint64], number: Ints) -> pa.Table:
    """BAND_ROWS, one for each band of each row that has a number: what a shuffle by key brings together."""
    live = np.flatnonzero(number >= 0)
    keys = bands[live].view(np.int64).reshape(-1)
    return pa.table([keys, np.repeat(number[live], bands.shape[1])], schema=BAND_ROWS)


def pairs_of(partition: pa.Table) -> pa.Table:
    """PAIRS of a partition of BAND_ROWS that holds all rows of its keys."""
    a, b = dedup.candidate_pairs(partition["key"].to_numpy().view(np.uint64), partition["number"].to_numpy())
    return pa.table([a, b], schema=PAIRS)


def bands_of(column: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    """uint64[n, BANDS] of the binary column; zeros where it is null."""
    filled = column.fill_null(bytes(minhash.BANDS * 8))
    whole = _fixed(filled, np.arange(len(column)), minhash.BANDS * 8)
    return whole.view(np.uint64).reshape(len(column), minhash.BANDS)


def _places(keys: pa.Table, rows: Ints) -> Ints:
    ids = np.array([int(text, 16) for text in keys["id"].take(rows).to_pylist()], np.uint64).view(np.int64)
    lengths, ranks = (keys[name].fill_null(0).to_numpy()[rows].astype(np.int64) for name in ("characters", "rank"))
    return dedup.priority(lengths, ranks, ids)


def _fixed(column: pa.ChunkedArray, rows: Ints, size: int) -> npt.NDArray[np.void]:
    """V{size}[len(rows)] of a fixed-size binary column; the rows are not null."""
    array = column.take(pa.array(rows)).combine_chunks()
    buffer = array.buffers()[1] if len(array) else pa.py_buffer(b"")
    return np.frombuffer(buffer, f"V{size}", count=len(array), offset=array.offset * size)
