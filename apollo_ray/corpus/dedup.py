"""Duplicates: the text that is compared, keys of equal texts, and which row of many alike survives.

Rows are numbered by `priority` before anything else, so that of two rows the one with the smaller number is the one to
keep: the longest text, then the best kind, then the smallest id. A number says nothing about where a row was read, so
neither the order of the input nor the way keys are spread over partitions changes what is kept.
"""

import functools
import hashlib
import re
import sys
import unicodedata
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import regex

from apollo_ray.codepoints import Batch, Hashes, Ints, codes, dense_table

Keys = npt.NDArray[np.void]
Floats = npt.NDArray[np.float32]

KEY_BYTES = 16

NEIGHBOURS = 8
"""Rows after it that a row of a large bucket is compared with, beside the first: they are next in length."""

_PAIRS_AT_ONCE = 1 << 18  # as Python integers: 30 MB

_GAP, _KEPT, _NOTHING = range(3)
_PLACEHOLDER = re.compile(r"\[[A-Z][A-Z_]*_[0-9]+\]")
_MARKS_AT_32 = regex.compile(r"\p{M}{8}")
_MARK_RUN = regex.compile(r"(\p{M}{30})\p{M}+")


def fold(text: str) -> str:
    """What is compared of a text: NFKC, case folded, its words with one space between them.

    Words are of letters, marks and digits. Placeholders such as [NAME_1] count for nothing, so that two copies of a
    case under other names are equal; nor do format characters, variation selectors and the Arabic tatweel. No space
    stands beside a Han or kana character: such a character is a token with and without it.
    """
    return fold_batch([text]).codes[:-1].tobytes().decode("utf-32-le", "surrogatepass")


def fold_batch(texts: Sequence[str]) -> Batch:
    """`fold` of every text, in one pass over all their code points."""
    found = codes("".join(_normal(text) + "\0" for text in texts))
    nothing = _roles()[found] == _NOTHING
    if nothing.any():
        found = codes(_composed(found[~nothing].tobytes().decode("utf-32-le", "surrogatepass")))
    roles, found = _roles()[found], found.copy()
    kept = roles == _KEPT
    places = np.flatnonzero(kept)
    letters = found[places]
    of_word = (letters != 0) & ~dense_table()[np.minimum(letters, len(dense_table()) - 1)]
    spaced = (np.diff(places) > 1) & of_word[1:] & of_word[:-1]
    spaces = places[1:][spaced] - 1
    kept[spaces] = True
    found[spaces] = ord(" ")
    found = found[kept]
    ends = np.flatnonzero(found == 0)
    return Batch(found, np.concatenate([np.zeros(min(1, len(ends)), np.int64), ends[:-1] + 1]), ends)


def _normal(text: str) -> str:
    if "[" in text:
        text = _PLACEHOLDER.sub(" ", text)
    text = text.replace("\0", " ")
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", _composed(text).casefold())


def _composed(text: str) -> str:
    if _MARKS_AT_32.search(text[::32]):  # CPython sorts a run of marks in quadratic time: 1,000 s for a megabyte
        text = _MARK_RUN.sub(r"\1", text)
    return unicodedata.normalize("NFKC", text)


@functools.cache
def _roles() -> npt.NDArray[np.uint8]:
    """uint8[1114112]: what becomes of each code point."""
    roles = np.full(sys.maxunicode + 1, _GAP, np.uint8)
    for first, last in ((0, 0x323AF), (0xE0000, 0xE0FFF)):  # nothing is assigned between, and private use after
        for code in range(first, last + 1):
            category = unicodedata.category(chr(code))
            roles[code] = _KEPT if category[0] in "LMN" else _NOTHING if category == "Cf" else _GAP
    roles[0xFE00 : 0xFE0F + 1] = _NOTHING
    roles[0xE0100 : 0xE01EF + 1] = _NOTHING
    roles[0x0640] = _NOTHING
    roles[0] = _KEPT  # closes a text
    return roles


def exact_keys(texts: Sequence[str]) -> Keys:
    """V16[n]: BLAKE2b of the folded text. Texts of no letter and no digit are equal only if they are the same."""
    batch = fold_batch(texts)
    data = memoryview(batch.codes.tobytes())
    keys = np.zeros(len(texts), f"V{KEY_BYTES}")
    for row, (text, start, end) in enumerate(zip(texts, batch.starts.tolist(), batch.ends.tolist(), strict=True)):
        content = data[4 * start : 4 * end] if end > start else text.encode("utf-32-le", "surrogatepass")
        keys[row] = hashlib.blake2b(content, digest_size=KEY_BYTES).digest()
    return keys


def priority(lengths: Ints, kinds: Ints, ids: npt.NDArray[np.str_] | Keys | Ints) -> Ints:
    """int64[n]: place of every row when the longest text comes first, then the smallest kind, then the smallest id.

    Ids that are content hashes make the places independent of the order of the rows; rows that agree in all three are
    the same row twice and keep their order.
    """
    places = np.empty(len(lengths), np.int64)
    places[np.lexsort((_rank(ids), kinds, -np.asarray(lengths, np.int64)))] = np.arange(len(lengths))
    return places


def _rank(values: npt.NDArray) -> Ints:
    return np.unique(values, return_inverse=True)[1].reshape(-1).astype(np.int64)


def exact_survivors(keys: Keys, docs: Ints) -> Ints:
    """int64[n]: for every row the row with its key and the smallest number in `docs`, -1 where that is itself."""
    if not len(keys):
        return np.zeros(0, np.int64)
    same = keys.view(np.uint64).reshape(-1, 2)
    order = np.lexsort((docs, same[:, 1], same[:, 0]))
    heads = _heads((same[order[1:]] != same[order[:-1]]).any(axis=1))
    survivor = np.empty(len(keys), np.int64)
    survivor[order] = order[heads]
    survivor[survivor == np.arange(len(keys))] = -1
    return survivor


def _heads(changes: npt.NDArray[np.bool_]) -> Ints:
    """int64[n]: where the run of every place starts, given between which neighbours a new run does."""
    return np.maximum.accumulate(np.concatenate([[0], np.where(changes, np.arange(1, len(changes) + 1), 0)]))


def candidate_pairs(keys: Hashes, docs: Ints) -> tuple[Ints, Ints]:
    """Pairs a < b (int64[p] each, sorted, each once) of numbers in `docs` that share a key.

    In a bucket of up to NEIGHBOURS + 1 rows every row meets every other. In a larger one each meets the first, which is
    the one to keep if they are alike, and its NEIGHBOURS successors: at most 9 pairs a row, and no row is left out.
    Whole buckets may be worked on anywhere: the pairs of a partition by key are together those of all keys at once.
    """
    if not len(keys):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    order = np.argsort(keys)
    again = np.diff(keys[order]) == 0
    shared = np.append(again, False) | np.append(False, again)
    members = order[shared]
    if not len(members):
        return members, members
    bucket = np.cumsum(~np.append(False, again))[shared]
    members = members[np.lexsort((docs[members], bucket))]
    docs = docs[members]
    starts = _heads(bucket[1:] != bucket[:-1])
    pairs = [(docs[starts], docs)]
    for step in range(1, NEIGHBOURS + 1):
        close = bucket[step:] == bucket[:-step]
        pairs.append((docs[:-step][close], docs[step:][close]))
    return unite(pairs)


def unite(pairs: Sequence[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    """All pairs a < b once, sorted; a pair of a number with itself is left out. Numbers are below 2**31."""
    packed = [np.unique((a << 32 | b)[a != b]) for a, b in pairs]
    all_pairs = np.unique(np.concatenate(packed)) if packed else np.zeros(0, np.int64)
    return all_pairs >> 32, all_pairs & 0xFFFFFFFF


def components(n: int, a: Ints, b: Ints) -> Ints:
    """int64[n]: smallest number that each of 0 ... n - 1 is joined to by a path of pairs, itself if by none."""
    label = np.arange(n)
    while len(a):
        low = np.minimum(label[a], label[b])
        np.minimum.at(label, label[a], low)
        np.minimum.at(label, label[b], low)
        while not np.array_equal(label, label[label]):
            label = label[label]
        open_pairs = label[a] != label[b]
        a, b = a[open_pairs], b[open_pairs]
    return label


def survivors(n: int, a: Ints, b: Ints, similarity: Floats) -> tuple[Ints, Floats]:
    """For which of the rows 0 ... n - 1, numbered by `priority`, each is dropped, given the pairs a < b that are alike.

    Returns int64[n] (-1: the row survives) and float32[n], `similarity` of the pair (nan for survivors). Rows are taken
    from the best on, and one is dropped if it is alike to one that has survived, for the first such: so a row is never
    dropped for another that it only resembles through a chain of third ones. Plain Python, one step a pair (80 ns):
    rounds of numpy over all pairs take as many rounds as a chain is long.
    """
    order = np.lexsort((b, a))
    link = [-1] * n
    for start in range(0, len(order), _PAIRS_AT_ONCE):
        places = order[start : start + _PAIRS_AT_ONCE]
        for place, better, worse in zip(places.tolist(), a[places].tolist(), b[places].tolist(), strict=True):
            if link[worse] < 0 and link[better] < 0:
                link[worse] = place
    pair = np.array(link, np.int64)
    dropped = np.flatnonzero(pair >= 0)
    survivor, alike = np.full(n, -1, np.int64), np.full(n, np.nan, np.float32)
    survivor[dropped], alike[dropped] = a[pair[dropped]], similarity[pair[dropped]]
    return survivor, alike
