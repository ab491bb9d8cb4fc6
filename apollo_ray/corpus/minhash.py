"""Signatures of texts: by which keys two texts may meet, and how alike they are when they do.

Keys are MinHash bands over word 5-grams (Broder, "On the resemblance and containment of documents", 1997). How alike
two texts are is told by odd sketches (Mitzenmacher, Pagh and Pham, "Efficient estimation for high similarities using
odd sketches", 2014): bit i is the parity of the elements that hash to i, so the exclusive or of two sketches counts the
elements that only one text has. At 250 shingles and a similarity of 0.7 its standard deviation is 0.008, where 200
permutations have 0.033. A Han or kana character is a word.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from apollo_ray.codepoints import Batch, Bools, Hashes, Ints, scramble
from apollo_ray.corpus.dedup import KEY_BYTES, Floats, Keys, fold_batch, keys_of_folded

Bytes = npt.NDArray[np.uint8]

SHINGLE = 5
"""Words in a row that are one element of the compared sets; a text of fewer words is one element as a whole."""

BANDS, ROWS = 50, 4
"""Two texts meet if all ROWS minima of one of BANDS bands agree: 99.9 % of pairs of Jaccard similarity 0.6, 96 % of
0.5, 0.5 % of 0.1."""

MIN_JACCARD = 0.81
MIN_CONTAINMENT = 0.89
"""Share of the smaller text's shingles that the other has, two standard errors below its estimate: a case report in a
note with a header has 0.91 to 1, pages of one template about two diseases have up to 0.9."""

MIN_JACCARD_OF_EDITS = 0.5
MAX_WORDS_PER_SHINGLES = 0.25
"""Largest (1 - Jaccard of words) / (1 - Jaccard of shingles) of an edited copy. A word changed here and there costs
five shingles each (ratio 0.05 to 0.25 at 2 % of words, in six languages); pages of one template about two diseases
differ in whole sentences and lists (0.4 to 0.9)."""

_MINIMA, _SHINGLE_BITS, _WORD_BITS = 128, 2048, 1024
_FIELDS = np.cumsum([_MINIMA, _SHINGLE_BITS // 8, _WORD_BITS // 8, 4]).tolist()

SKETCH_BYTES = _FIELDS[-1]
"""8 bits of each of 128 minima, odd sketch of the shingles, odd sketch of the words, number of different words."""

_SATURATED = 0.45
"""Share of odd bits from which on an odd sketch tells less than the minima: beyond 2,300 differing shingles."""

_TEXTS_AT_ONCE = 200
_CHARACTERS_AT_ONCE = 400_000
_PAIRS_AT_ONCE = 1 << 14
_CHANCE = np.float32(1 / 256)  # that 8 bits of different minima agree
_TOP = np.uint64(56)
_ONES = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1).astype(np.uint8)


@dataclass(frozen=True)
class Signatures:
    """`bands` uint64[n, BANDS], keys that differ between bands too; `sketch` uint8[n, SKETCH_BYTES]; `shingles`
    int32[n], how many different ones a text has, 0 where it has no word.
    """

    bands: Hashes
    sketch: Bytes
    shingles: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.shingles)


@dataclass(frozen=True)
class Likeness:
    """Estimates of pairs, float32[p] each: Jaccard similarity of the shingles, share of the smaller text's shingles
    that the other has with its standard error, Jaccard similarity of the words.
    """

    jaccard: Floats
    containment: Floats
    containment_error: Floats
    words: Floats

    @property
    def alike(self) -> Bools:
        """Near-duplicates, one nearly all in the other, or one an edited copy of the other."""
        edited = (1 - self.words) <= MAX_WORDS_PER_SHINGLES * (1 - self.jaccard)
        return (
            (self.jaccard >= MIN_JACCARD)
            | (self.containment - 2 * self.containment_error >= MIN_CONTAINMENT)
            | (edited & (self.jaccard >= MIN_JACCARD_OF_EDITS))
        )


def signatures(texts: Sequence[str]) -> Signatures:
    """Signature of every text."""
    return keys_and_signatures(texts)[1]


def keys_and_signatures(texts: Sequence[str]) -> tuple[Keys, Signatures]:
    """(`dedup.exact_keys`, signature) of every text; it is folded once for both."""
    empty = Signatures(np.zeros((0, BANDS), np.uint64), np.zeros((0, SKETCH_BYTES), np.uint8), np.zeros(0, np.int32))
    keys, parts = [np.zeros(0, f"V{KEY_BYTES}")], [empty]
    for rows in _batches(texts):
        batch = fold_batch(texts[rows])
        keys.append(keys_of_folded(texts[rows], batch))
        parts.append(_signed(batch))
    return np.concatenate(keys), Signatures(
        np.concatenate([part.bands for part in parts]),
        np.concatenate([part.sketch for part in parts]),
        np.concatenate([part.shingles for part in parts]),
    )


def _batches(texts: Sequence[str]) -> Iterator[slice]:
    start = characters = 0
    for row, text in enumerate(texts):
        if row > start and (row - start == _TEXTS_AT_ONCE or characters + len(text) > _CHARACTERS_AT_ONCE):
            yield slice(start, row)
            start, characters = row, 0
        characters += len(text)
    if len(texts):
        yield slice(start, len(texts))


def _signed(batch: Batch) -> Signatures:
    words = batch.tokens
    spans = words.ngrams(SHINGLE)
    short = (words.per_text < SHINGLE) & (words.per_text > 0)
    hashes, text_of = _distinct(
        np.concatenate([batch.hashes(spans.starts, spans.ends), batch.hashes(batch.starts[short], batch.ends[short])]),
        np.concatenate([spans.text_of, np.flatnonzero(short)]),
    )
    word_hashes, word_text = _distinct(batch.hashes(words.starts, words.ends), words.text_of)
    shingles = np.bincount(text_of, minlength=len(batch)).astype(np.int32)
    minima = _minima(hashes, shingles)
    count = np.bincount(word_text, minlength=len(batch)).astype("<u4")
    sketch = np.concatenate(
        [
            _eight_bits(minima[:_MINIMA]),
            _odd_bits(hashes, text_of, len(batch), _SHINGLE_BITS),
            _odd_bits(word_hashes, word_text, len(batch), _WORD_BITS),
            count.view(np.uint8).reshape(len(batch), 4),
        ],
        axis=1,
    )
    return Signatures(_band_keys(minima), sketch, shingles)


def _distinct(hashes: Hashes, text_of: Ints) -> tuple[npt.NDArray[np.uint32], Ints]:
    """32 bits of every different hash of every text, and its text's number (below 256), ascending in the latter."""
    keys = np.sort(hashes >> np.uint64(8) | text_of.astype(np.uint64) << _TOP)
    keys = keys[np.concatenate([np.ones(min(1, len(keys)), np.bool_), keys[1:] != keys[:-1]])]
    return (keys >> np.uint64(24)).astype(np.uint32), (keys >> _TOP).astype(np.int64)


@functools.cache
def _multipliers() -> npt.NDArray[np.uint32]:
    """uint32[200], odd: multiplication by one, modulo 2**32, permutes the hashes."""
    places = np.arange(1, BANDS * ROWS + 1, dtype=np.uint64)
    return (scramble(places) >> np.uint64(32)).astype(np.uint32) | np.uint32(1)


def _minima(hashes: npt.NDArray[np.uint32], counts: npt.NDArray[np.int32]) -> npt.NDArray[np.uint32]:
    """uint32[200, D]: the smallest hash of every text under every permutation, 0 for a text that has none."""
    minima = np.zeros((BANDS * ROWS, len(counts)), np.uint32)
    filled = np.flatnonzero(counts)
    if len(filled):
        starts = np.cumsum(counts)[filled] - counts[filled]
        permuted = np.empty_like(hashes)
        for place, multiplier in enumerate(_multipliers()):
            np.multiply(hashes, multiplier, out=permuted)
            minima[place, filled] = np.minimum.reduceat(permuted, starts)
    return minima


def _band_keys(minima: npt.NDArray[np.uint32]) -> Hashes:
    """uint64[D, BANDS]."""
    keys = np.repeat(np.arange(1, BANDS + 1, dtype=np.uint64)[:, None], minima.shape[1], axis=1)
    for row in range(ROWS):
        keys = scramble(keys * np.uint64(31) + minima[row::ROWS])
    return np.ascontiguousarray(keys.T)


def _eight_bits(minima: npt.NDArray[np.uint32]) -> Bytes:
    """A minimum is a small number: multiplied once more, its top bits are as good as random."""
    return (minima * np.uint32(0x9E3779B1) >> np.uint32(24)).astype(np.uint8).T


def _odd_bits(hashes: npt.NDArray[np.uint32], text_of: Ints, texts: int, bits: int) -> Bytes:
    places = text_of * bits + (hashes & np.uint32(bits - 1))
    odd = np.bincount(places, minlength=texts * bits).astype(np.uint8) & 1
    return np.packbits(odd.reshape(texts, bits), axis=1)


def similar(found: Signatures, a: Ints, b: Ints) -> Bools:
    """bool[p]: whether rows a[i] and b[i] are alike."""
    return estimate(found, a, b).alike


def jaccard(found: Signatures, a: Ints, b: Ints) -> Floats:
    """float32[p]: estimated share of the shingles of rows a[i] and b[i] together that both have."""
    return estimate(found, a, b).jaccard


def estimate(found: Signatures, a: Ints, b: Ints) -> Likeness:
    """How alike rows a[i] and b[i] are; a row without shingles resembles none."""
    parts = [
        _estimate(found, a[start : start + _PAIRS_AT_ONCE], b[start : start + _PAIRS_AT_ONCE])
        for start in range(0, max(1, len(a)), _PAIRS_AT_ONCE)
    ]
    return Likeness(*(np.concatenate([part[field] for part in parts]) for field in range(4)))


def _estimate(found: Signatures, a: Ints, b: Ints) -> tuple[Floats, Floats, Floats, Floats]:
    left, right = found.sketch[a], found.sketch[b]
    minima, shingles, words = _FIELDS[:3]
    odd = _ONES[left[:, minima:words] ^ right[:, minima:words]]
    agree = (left[:, :minima] == right[:, :minima]).mean(axis=1, dtype=np.float32)

    first, second = found.shingles[a].astype(np.float32), found.shingles[b].astype(np.float32)
    by_minima = np.clip((agree - _CHANCE) / (1 - _CHANCE), 0, 1)
    differ, error, clear = _differing(odd[:, : shingles - minima], _SHINGLE_BITS)
    both = np.where(clear, (first + second - differ) / 2, by_minima * (first + second) / (1 + by_minima))
    by_minima_error = np.sqrt(by_minima * (1 - by_minima) / _MINIMA) * (first + second) / (1 + by_minima) ** 2
    both_error = np.where(clear, error / 2, by_minima_error)
    jaccard, containment = _shares(both, first, second)
    containment_error = both_error / np.maximum(np.minimum(first, second), 1)

    first, second = (side[:, words:].copy().view("<u4")[:, 0].astype(np.float32) for side in (left, right))
    differ, _, clear = _differing(odd[:, shingles - minima :], _WORD_BITS)
    of_words, _ = _shares(np.where(clear, (first + second - differ) / 2, 0), first, second)
    return jaccard, containment, containment_error.astype(np.float32), of_words


def _differing(odd: Bytes, bits: int) -> tuple[Floats, Floats, Bools]:
    """Number of elements that one of both sets has, its standard error, and whether the sketch was large enough."""
    share = odd.sum(axis=1, dtype=np.float32) / np.float32(bits)
    clear = share < _SATURATED
    differ = np.log1p(-2 * np.minimum(share, _SATURATED)) / np.float32(np.log1p(-2 / bits))
    variance = bits / 4 * np.expm1(4 * differ / bits) - differ  # delta method; 2 differ**2 / bits while that is small
    return differ, np.sqrt(np.maximum(variance, 0)), clear


def _shares(both: Floats, first: Floats, second: Floats) -> tuple[Floats, Floats]:
    smaller = np.minimum(first, second)
    both = np.clip(both, 0, smaller)
    some = smaller > 0
    jaccard, containment = np.zeros_like(both), np.zeros_like(both)
    np.divide(both, first + second - both, out=jaccard, where=some)
    np.divide(both, smaller, out=containment, where=some)
    return jaccard, containment
