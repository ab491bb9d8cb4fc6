"""Folded texts, and the stretches that two sets of them share: exact, complete, without looking at every position.

A common stretch of `length` characters holds a window of `width` that starts at a multiple of `stride` in the row,
where `width + stride - 1 <= length`. So every window of the known strings is indexed, a row is looked up at every
`stride`-th position only, and what is found is compared character by character in both directions. The hash has 32
bits: a false candidate (7 in 10,000 look-ups for 3 million windows) costs a comparison and is never reported.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from apollo_ray.codepoints import DENSE, Bools, CodeTable, Ints, codes, scramble

Codes = npt.NDArray[np.uint32]

_BASE = np.uint64(0x9E3779B97F4A7C15)
_BLOCK = 64  # characters compared at once while a candidate is extended
_CANDIDATES = 16_384  # extended at once: 8 MB of positions, whatever a row repeats
_FILTER_BITS = 8  # per window: one look-up in eight goes on to the binary search

_DROPPED = 0xFFFFFFFE
_EXPANDED = 0x110000  # and above: number of a code point that folds to several characters
_LETTERS: dict[int, str | int | None] = {
    **str.maketrans("ٱىیکةøłđðħıŧँ", "اييكهolddhitं"),  # the last: Hindi words are written with either mark of a nasal
    **{ord(letter): spelled for letter, spelled in (("æ", "ae"), ("œ", "oe"), ("þ", "th"))},
    **dict.fromkeys((0x0640, 0x034F, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10))),  # tatweel, joiner, selectors
}
_ASCII = bytes(ord(chr(code).lower()) if chr(code).isalnum() else 32 for code in range(128)) + b" " * 128


def fold(text: str) -> str:
    """Normal form in which texts are compared. Idempotent; takes any str.

    NFKC and case folding; without diacritics (Arabic vowel marks and tatweel, nukta; vowel signs and virama stay);
    Arabic alef, ya and ta-marbuta in one form each; ASCII digits; one space for every run of anything that is no letter
    or digit, and none beside a Han character or kana, where spacing is a matter of style.
    """
    return fold_all([text])[0]


def fold_all(texts: Sequence[str]) -> list[str]:
    """`fold` of each, faster: one numpy pass over all that are not ASCII."""
    folded = [_fold_ascii(text) if text.isascii() else "" for text in texts]
    others = [number for number, text in enumerate(texts) if not text.isascii()]
    joined = codes("".join(texts[number].replace("\0", " ") + "\0" for number in others))
    parts = _fold_codes(joined).tobytes().decode("utf-32-le").split("\0")
    for number, part in zip(others, parts, strict=False):
        folded[number] = part
    return folded


def _fold_ascii(text: str) -> str:
    return b" ".join(text.encode().translate(_ASCII).split()).decode()


def _fold_codes(joined: Codes) -> Codes:
    """`joined`: texts that a NUL closes each; the NULs stay."""
    folded = _FOLDING.single[joined]
    several = np.flatnonzero((folded >= _EXPANDED) & (folded != _DROPPED))
    if len(several):
        expansions, begins, sizes = _FOLDING.expansions
        which = folded[several] - _EXPANDED
        counts = np.ones(len(folded), np.int64)
        counts[several] = sizes[which]
        first = (np.cumsum(counts) - counts)[several]
        folded = np.repeat(folded, counts)
        folded[np.repeat(first, sizes[which]) + _ramp(sizes[which])] = expansions[
            np.repeat(begins[which], sizes[which]) + _ramp(sizes[which])
        ]
    folded = folded[folded != _DROPPED]
    spaces = np.flatnonzero(folded == 32)
    folded = np.delete(folded, spaces[folded[spaces - 1] == 32])  # before the first stands, as [-1], the last NUL
    spaces = np.flatnonzero(folded == 32)
    return np.delete(folded, spaces[_closed(folded[spaces - 1]) | _closed(folded[spaces + 1])])


def _closed(neighbours: Codes) -> Bools:
    """Where no space stands: beside Han, kana and the closing NUL."""
    return (DENSE[neighbours] != 0) | (neighbours == 0)


class _Folding:
    """What code points fold to: one, _DROPPED for none, or _EXPANDED and above, the number of an expansion."""

    def __init__(self) -> None:
        self._expansions: list[str] = []
        self.single = CodeTable(self._single, np.uint32)

    def _single(self, character: str) -> int:
        folded = "\0" if character == "\0" else _fold_character(character)
        if len(folded) > 1:
            self._expansions.append(folded)
            return _EXPANDED + len(self._expansions) - 1
        return ord(folded) if folded else _DROPPED

    @property
    def expansions(self) -> tuple[Codes, Ints, Ints]:
        """All expansions in a row, their begins and sizes."""
        sizes = np.array([len(folded) for folded in self._expansions], np.int64)
        return codes("".join(self._expansions)), np.cumsum(sizes) - sizes, sizes


_FOLDING = _Folding()


def _fold_character(character: str) -> str:
    folded = character
    while (once := _fold_once(folded)) != folded:
        folded = once
    return folded


def _fold_once(text: str) -> str:
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold()).translate(_LETTERS)
    parts = []
    for character in text:
        category = unicodedata.category(character)
        if category == "Nd":
            parts.append(str(unicodedata.decimal(character)))
        elif (
            category[0] in "LN" or category == "Mc" or (category == "Mn" and unicodedata.combining(character) in (0, 9))
        ):
            parts.append(character)
        elif category[0] != "M" and category != "Cf" and parts[-1:] != [" "]:
            parts.append(" ")
    return "".join(parts)


@dataclass(frozen=True)
class Shelf:
    """Strings one behind the other, NUL between them and a block of NULs on both sides, so that no read leaves it.

    `codes` uint32[N + 2 * 64]; string k is `codes[starts[k] : ends[k]]`, `starts` and `ends` int64[K].
    """

    codes: Codes
    starts: Ints
    ends: Ints

    @classmethod
    def of(cls, texts: list[str]) -> "Shelf":
        """`texts` must be free of NUL."""
        edge = "\0" * _BLOCK
        joined = codes(edge + "\0".join(texts) + edge)
        sizes = np.fromiter(map(len, texts), np.int64, len(texts))
        starts = _BLOCK + np.cumsum(sizes + 1) - sizes - 1
        return cls(joined, starts, starts + sizes)

    def text_at(self, places: Ints) -> Ints:
        """int64: number of the string that each place lies in."""
        return np.searchsorted(self.starts, places, side="right") - 1


@dataclass(frozen=True)
class Stretches:
    """Where common stretches start on both Shelves and how long they are: int64[S] each."""

    row_start: Ints
    known_start: Ints
    length: Ints


@dataclass(frozen=True)
class WindowTable:
    """Windows of known strings, by hash.

    `hashes` uint32[W] ascending; `places` uint32[W], where each window starts on the Shelf of known strings; `filter`
    uint8[B], a bit for every value of the hashes' top bits. 9 to 10 bytes a window.
    """

    length: int
    hashes: npt.NDArray[np.uint32]
    places: npt.NDArray[np.uint32]
    filter: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, known: Shelf, anywhere: Ints, whole: Ints, length: int) -> "WindowTable":
        """Finds every stretch of `length` or more characters of the strings `anywhere` (numbers on the Shelf), and the
        strings `whole` where they stand complete. A string shorter than `length` is never found.
        """
        stride, width = _grid(length)
        first = np.concatenate([known.starts[anywhere], known.starts[whole]])
        counts = np.concatenate([known.ends[anywhere], known.ends[whole]]) - first - width + 1
        counts[len(anywhere) :] = np.minimum(counts[len(anywhere) :], stride)  # a complete copy holds all windows
        counts = np.maximum(counts, 0)
        places = np.repeat(first, counts) + _ramp(counts)
        hashes = _hash(known.codes[places + j] for j in range(width)) if len(places) else np.zeros(0, np.uint32)
        order = np.lexsort((places, hashes))
        hashes = hashes[order]
        shift = _shift(len(hashes))
        marks = np.zeros(1 << (32 - shift), np.bool_)
        marks[hashes >> np.uint32(shift)] = True
        return cls(length, hashes, places[order].astype(np.uint32), np.packbits(marks))

    @property
    def nbytes(self) -> int:
        return self.hashes.nbytes + self.places.nbytes + self.filter.nbytes

    def stretches(self, rows: Shelf, known: Shelf) -> Iterator[Stretches]:
        """Every common stretch of `length` or more, at least once each; shorter ones come out too."""
        for row_places, known_places in self._candidates(rows.codes):
            ahead = _agreement(rows.codes, known.codes, row_places, known_places, 1)
            behind = _agreement(rows.codes, known.codes, row_places - 1, known_places - 1, -1)
            yield Stretches(row_places - behind, known_places - behind, ahead + behind)

    def rarest(self, text: str) -> int:
        """How many windows of the table equal that window of `text` which the fewest equal."""
        _, width = _grid(self.length)
        stretch = codes(text)
        hashes = _hash(stretch[j : len(stretch) - width + 1 + j] for j in range(width))
        counts = np.searchsorted(self.hashes, hashes, "right") - np.searchsorted(self.hashes, hashes, "left")
        return int(counts.min())

    def _candidates(self, row_codes: Codes) -> Iterator[tuple[Ints, Ints]]:
        stride, width = _grid(self.length)
        span = len(row_codes) - width + 1
        if span <= 0 or not len(self.hashes):
            return
        hashes = _hash(row_codes[j : j + span : stride] for j in range(width))
        top = hashes >> np.uint32(_shift(len(self.hashes)))
        bits = self.filter[top >> np.uint32(3)] >> (np.uint32(7) - (top & np.uint32(7))).astype(np.uint8)
        hits = np.flatnonzero(bits & np.uint8(1))
        left = np.searchsorted(self.hashes, hashes[hits], side="left")
        found = np.flatnonzero(self.hashes[np.minimum(left, len(self.hashes) - 1)] == hashes[hits])
        hits, left = hits[found], left[found]
        counts = np.searchsorted(self.hashes, hashes[hits], side="right") - left
        portions = np.flatnonzero(np.diff(np.cumsum(counts) // _CANDIDATES)) + 1
        for part in np.split(np.arange(len(hits)), portions) if len(hits) else ():
            entries = np.repeat(left[part], counts[part]) + _ramp(counts[part])
            yield np.repeat(hits[part] * stride, counts[part]), self.places[entries].astype(np.int64)


def _grid(length: int) -> tuple[int, int]:
    """(stride, width) of the look-up that finds every stretch of `length`."""
    stride = length // 2
    return stride, length - stride + 1


def _shift(windows: int) -> int:
    return max(0, 32 - max(3, (windows * _FILTER_BITS).bit_length()))


def _hash(columns: Iterable[Codes]) -> npt.NDArray[np.uint32]:
    """Polynomial of the columns modulo 2**64, scrambled, cut to 32 bits."""
    columns = iter(columns)
    value = next(columns).astype(np.uint64)
    for column in columns:
        value *= _BASE
        value += column
    return (scramble(value) >> np.uint64(32)).astype(np.uint32)


def _ramp(counts: Ints) -> Ints:
    """0, 1 ... counts[0] - 1, 0, 1 ... counts[1] - 1, ..."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def _agreement(left: Codes, right: Codes, left_places: Ints, right_places: Ints, step: int) -> Ints:
    """int64: characters that agree from each pair of places on, in the direction `step`. NUL agrees with nothing."""
    agreed = np.zeros(len(left_places), np.int64)
    active = np.arange(len(left_places))
    ahead = step * np.arange(_BLOCK)
    while len(active):
        reached = step * agreed[active]
        here = left[(left_places[active] + reached)[:, None] + ahead]
        same = (here == right[(right_places[active] + reached)[:, None] + ahead]) & (here != 0)
        whole = same.all(axis=1)
        agreed[active] += np.where(whole, _BLOCK, same.argmin(axis=1))
        active = active[whole]
    return agreed
