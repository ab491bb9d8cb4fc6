"""Texts as arrays of code points, so that one numpy pass counts, cuts and hashes a whole batch.

Batches of 100-250 texts of some kilobytes are fastest: their arrays stay in the processor's cache.
"""

import sys
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Number = TypeVar("Number", np.uint8, np.uint32)

OTHER, LETTER, DIGIT, PUNCTUATION, SPACE, NEWLINE, SYMBOL = range(7)
"""Classes of code points. A combining mark counts as a letter: Devanagari and Arabic words are full of them."""

_CLASS_OF_CATEGORY = {"L": LETTER, "M": LETTER, "N": DIGIT, "P": PUNCTUATION, "Z": SPACE, "S": SYMBOL}
_DENSE = ((0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2FA1F))

_BASE = 0x9E3779B97F4A7C15  # odd, so it has an inverse modulo 2**64


class CodeTable(Generic[Number]):
    """A number of every code point, worked out when one is first met: of 1.1 million a corpus has some thousands."""

    def __init__(self, number_of: Callable[[str], int], dtype: type[Number]) -> None:
        """`number_of` takes one character; its results fit `dtype` (unsigned) and are less than its greatest value."""
        self._number_of = number_of
        self._unknown = np.iinfo(dtype).max
        self._numbers: npt.NDArray[Number] = np.full(sys.maxunicode + 1, self._unknown, dtype)

    def __getitem__(self, codes: npt.NDArray[np.uint32]) -> npt.NDArray[Number]:
        """The number of each of `codes`, in their shape."""
        found = self._numbers[codes]
        if found.size and found.max() == self._unknown:
            new = np.unique(codes[found == self._unknown])
            self._numbers[new] = [self._number_of(chr(code)) for code in new.tolist()]
            found = self._numbers[codes]
        return found


def class_of(character: str) -> int:
    """OTHER ... SYMBOL."""
    if character in "\t\v\f\r":
        return SPACE
    return NEWLINE if character == "\n" else _CLASS_OF_CATEGORY.get(unicodedata.category(character)[0], OTHER)


def is_dense(character: str) -> bool:
    """Han and kana, which are written without spaces; each such character is a token of its own."""
    return any(first <= ord(character) <= last for first, last in _DENSE)


CLASSES = CodeTable(class_of, np.uint8)
DENSE = CodeTable(is_dense, np.uint8)


def codes(text: str) -> npt.NDArray[np.uint32]:
    """uint32[len(text)]."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


@dataclass(frozen=True)
class Batch:
    """Texts one behind the other, each closed by a NUL (NULs inside a text become spaces).

    `codes` uint32[N]; `starts` and `ends` int64[D] bound text d without its NUL; `text_of` int64[N] names each
    position's text.
    """

    codes: npt.NDArray[np.uint32]
    starts: Ints
    ends: Ints

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Batch":
        joined = codes("".join(text.replace("\0", " ") + "\0" for text in texts))
        ends = np.flatnonzero(joined == 0)
        starts = np.concatenate([np.zeros(min(1, len(ends)), np.int64), ends[:-1] + 1])
        return cls(joined, starts, ends)

    def __len__(self) -> int:
        return len(self.starts)

    @cached_property
    def text_of(self) -> Ints:
        return np.repeat(np.arange(len(self)), self.ends - self.starts + 1)

    @cached_property
    def classes(self) -> npt.NDArray[np.uint8]:
        """uint8[N]; the closing NULs are OTHER."""
        return CLASSES[self.codes]

    @cached_property
    def dense(self) -> Bools:
        return DENSE[self.codes].view(np.bool_)

    def count(self, mask: Bools) -> Ints:
        """int64[D]: how many positions of each text are marked."""
        if not len(self):
            return np.zeros(0, np.int64)
        return np.add.reduceat(mask.astype(np.int64), self.starts)

    @cached_property
    def tokens(self) -> "Spans":
        """Runs without white space; a dense character is a token by itself."""
        gap = (self.classes == SPACE) | (self.classes == NEWLINE) | (self.codes == 0)
        before_gap = np.concatenate([[True], gap[:-1]])[: len(gap)]
        before_dense = np.concatenate([[False], self.dense[:-1]])[: len(gap)]
        starts = np.flatnonzero(~gap & (before_gap | self.dense | before_dense))
        after = np.concatenate([starts[1:], [len(gap)]])[: len(starts)]
        next_gap = np.flatnonzero(gap)
        ends = np.minimum(after, next_gap[np.searchsorted(next_gap, starts)]) if len(starts) else after
        return Spans(starts, ends, self.text_of[starts], len(self))

    @cached_property
    def lines(self) -> "Spans":
        """Pieces between line feeds, empty ones too."""
        ends = np.flatnonzero((self.codes == 10) | (self.codes == 0))
        starts = np.concatenate([np.zeros(min(1, len(ends)), np.int64), ends[:-1] + 1])
        return Spans(starts, ends, self.text_of[ends], len(self))

    @cached_property
    def _prefix(self) -> Hashes:
        powers, _ = _powers(len(self.codes))
        prefix = np.zeros(len(self.codes) + 1, np.uint64)
        np.cumsum((self.codes.astype(np.uint64) + np.uint64(1)) * powers[: len(self.codes)], out=prefix[1:])
        return prefix

    def hashes(self, starts: Ints, ends: Ints) -> Hashes:
        """uint64 hash of the code points of every span: equal strings hash alike wherever they stand."""
        _, inverses = _powers(len(self.codes))
        return scramble((self._prefix[ends] - self._prefix[starts]) * inverses[starts])


@dataclass(frozen=True)
class Spans:
    """Stretches of a Batch in order: int64[S] `starts`, `ends` (exclusive), `text_of`; `texts` is how many."""

    starts: Ints
    ends: Ints
    text_of: Ints
    texts: int

    def __len__(self) -> int:
        return len(self.starts)

    @cached_property
    def per_text(self) -> Ints:
        """int64[D]: spans of each text."""
        return np.bincount(self.text_of, minlength=self.texts)

    def ngrams(self, size: int) -> "Spans":
        """Every `size` neighbouring spans of one text as one span; a text of fewer has none."""
        if len(self) < size:
            return Spans(self.starts[:0], self.ends[:0], self.text_of[:0], self.texts)
        whole = self.text_of[: len(self) - size + 1] == self.text_of[size - 1 :]
        first = np.flatnonzero(whole)
        return Spans(self.starts[first], self.ends[first + size - 1], self.text_of[first], self.texts)


def scramble(values: Hashes) -> Hashes:
    """The finaliser of splitmix64: every input bit reaches every output bit. Returns a new array."""
    values = values ^ (values >> np.uint64(30))
    values = values * np.uint64(0xBF58476D1CE4E5B9)
    values = values ^ (values >> np.uint64(27))
    values = values * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


_known_powers: tuple[Hashes, Hashes] = (np.ones(1, np.uint64), np.ones(1, np.uint64))


def _powers(length: int) -> tuple[Hashes, Hashes]:
    """_BASE**i and _BASE**-i modulo 2**64 for i in 0 ... length, kept and grown by doubling."""
    global _known_powers
    if len(_known_powers[0]) <= length:
        size = max(length + 1, 2 * len(_known_powers[0]))
        inverse = pow(_BASE, -1, 2**64)
        _known_powers = (_geometric(_BASE, size), _geometric(inverse, size))
    return _known_powers


def _geometric(ratio: int, size: int) -> Hashes:
    terms = np.full(size, ratio, np.uint64)
    terms[0] = 1
    return np.cumprod(terms, dtype=np.uint64)
