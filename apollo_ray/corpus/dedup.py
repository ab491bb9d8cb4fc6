"""Duplicates: the text that is compared, keys of equal texts, and which row of many alike survives.

Rows are numbered by `priority` before anything else, so that of two rows the one with the smaller number is the one to
keep: the longest text, then the best kind, then the smallest id. A number says nothing about where a row was read, so
neither the order of the input nor the way keys are spread over partitions changes what is kept.
"""

import hashlib
import re
import unicodedata
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import regex

from apollo_ray.codepoints import DENSE, Batch, CodeTable, Hashes, Ints

Keys = npt.NDArray[np.void]
Floats = npt.NDArray[np.float32]

KEY_BYTES = 16

NEIGHBOURS = 8
"""Rows after it that a row of a large bucket is compared with, beside the first: they are next in length."""

_PAIRS_AT_ONCE = 1 << 18  # as Python integers: 30 MB

_GAP = ord(" ")
_NOTHING = regex.compile(r"[\p{Cf}\u0640\ufe00-\ufe0f\U000e0100-\U000e01ef]")  # the first by name: Arabic tatweel
_JAMO = re.compile("[\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff]")  # parts of Hangul syllables compose as marks do
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
    """`fold` of every text. A text that holds none but _EASY characters takes one look-up a character."""
    as_read = Batch.of(texts)
    easy = _EASY[as_read.codes]
    if not easy.all() or any("[" in text for text in texts):
        slow = np.zeros(len(texts), np.bool_)
        slow[as_read.text_of[easy == 0]] = True
        as_read = Batch.of(
            [_normal(text) if one or "[" in text else text for text, one in zip(texts, slow, strict=True)]
        )
    found = _FOLDED[as_read.codes]
    kept = found != _GAP
    places = np.flatnonzero(kept)
    letters = found[places]
    of_word = (letters != 0) & (DENSE[letters] == 0)
    spaced = (np.diff(places) > 1) & of_word[1:] & of_word[:-1]
    kept[places[1:][spaced] - 1] = True
    found = found[kept]
    ends = np.flatnonzero(found == 0)
    return Batch(found, np.concatenate([np.zeros(min(1, len(ends)), np.int64), ends[:-1] + 1]), ends)


def _normal(text: str) -> str:
    text = _PLACEHOLDER.sub(" ", text).replace("\0", " ")
    text = unicodedata.normalize("NFKC", _composed(text).casefold())
    return _composed(_NOTHING.sub("", text)) if _NOTHING.search(text) else text


def _composed(text: str) -> str:
    if _MARKS_AT_32.search(text[::32]):  # CPython sorts a run of marks in quadratic time: 1,000 s for a megabyte
        text = _MARK_RUN.sub(r"\1", text)
    return unicodedata.normalize("NFKC", text)


def _alone(character: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", character).casefold())


def _is_gap(character: str) -> bool:
    return character != "\0" and unicodedata.category(character)[0] not in "LMN"


def _is_easy(character: str) -> bool:
    """Does it fold to one character or to a gap, whatever stands beside it?"""
    folded = _alone(character)
    alone = not any(unicodedata.category(one)[0] == "M" or _JAMO.match(one) for one in character + folded)
    return alone and not _NOTHING.search(character + folded) and (len(folded) == 1 or all(map(_is_gap, folded)))


def _folded(character: str) -> int:
    """What an easy character folds to; others are in normal form when they are looked up."""
    folded = _alone(character) if _is_easy(character) else character
    return _GAP if all(map(_is_gap, folded)) else ord(folded)


_EASY = CodeTable(_is_easy, np.uint8)
_FOLDED = CodeTable(_folded, np.uint32)


def exact_keys(texts: Sequence[str]) -> Keys:
    """V16[n]: BLAKE2b of the folded text. Texts of no letter and no digit are equal only if they are the same."""
    return keys_of_folded(texts, fold_batch(texts))


def keys_of_folded(texts: Sequence[str], batch: Batch) -> Keys:
    """`exact_keys` where `fold_batch` of the texts is at hand."""
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
