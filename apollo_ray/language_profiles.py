"""The languages of a script, scored word by word: langdetect's n-gram profiles, function words and letters.

The profiles (55 languages, 1- to 3-grams of Wikipedia) are read from the installed langdetect. A text is a bag of words
here, so the scores of a word are worked out once and kept.
"""

import json
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from itertools import repeat

import numpy as np
import numpy.typing as npt
from langdetect.utils.ngram import NGram

from apollo_ray.codepoints import CodeTable, Ints, codes
from apollo_ray.language_marks import FUNCTION_WORDS, KIN, OWN_LETTERS, TYPICAL_LETTERS
from apollo_ray.records import LANGUAGES

_RANGES = """
latin 41-5a 61-7a aa ba c0-d6 d8-f6 f8-24f 1e00-1eff 2c60-2c7f a720-a7ff fb00-fb06 ff21-ff3a ff41-ff5a
arabic 620-65f 66e-6d3 6d5-6ef 6fa-6ff 750-77f 8a0-8ff fb50-fdff fe70-fefc
devanagari 900-963 970-97f a8e0-a8ff
cyrillic 400-52f 1c80-1c8f 2de0-2dff a640-a69f
han 2e80-2fdf 3005-3007 3021-3029 3100-312f 31a0-31bf 3400-4dbf 4e00-9fff f900-faff 20000-2fa1f
kana 3041-309f 30a1-30fa 30fc-30ff 31f0-31ff ff66-ff9d
hangul 1100-11ff 3130-318f a960-a97f ac00-d7ff ffa1-ffdc
el 370-3ff 1f00-1fff
he 591-5f4 fb1d-fb4f
bn 980-9fe
pa a01-a76
gu a81-aff
or b01-b77
ta b82-bfa
te c00-c7f
kn c80-cff
ml d00-d7f
si d81-df4
th e01-e4e
lo e81-edf
bo f00-fda
my 1000-109f a9e0-a9fe aa60-aa7f
ka 10a0-10ff 1c90-1cbf 2d00-2d2f
am 1200-139f 2d80-2dde
km 1780-17f9
hy 531-58f fb13-fb17
dv 780-7b1
syr 700-74f
mn 1800-18aa
chr 13a0-13ff
nqo 7c0-7ff
iu 1400-167f
"""

SCRIPTS = ("none", *(line.split()[0] for line in _RANGES.strip().splitlines()))
"""Scripts that several languages share, then the languages that have one of their own."""

_PLANES = 0x30000


def _spans(script: str) -> list[tuple[int, int]]:
    """First and last code point of each stretch that belongs to a script."""
    line = next(line for line in _RANGES.strip().splitlines() if line.startswith(script + " "))
    spans = (span.partition("-") for span in line.split()[1:])
    return [(int(first, 16), int(last or first, 16)) for first, _, last in spans]


@cache
def script_table() -> npt.NDArray[np.uint8]:
    """uint8[196608]: index into SCRIPTS of each code point; 0 for what is no letter."""
    table = np.zeros(_PLANES, np.uint8)
    for index, script in enumerate(SCRIPTS[1:], start=1):
        for first, last in _spans(script):
            table[first : last + 1] = index
    return table


PROFILED = {
    "latin": "af ca cs cy da de en es et fi fr hr hu id it lt lv nl no pl pt ro sk sl so sq sv sw tl tr vi",
    "arabic": "ar fa ur",
    "devanagari": "hi mr ne",
    "cyrillic": "bg mk ru uk",
}
"""Languages that langdetect has a profile of, by script."""

# Chosen on the even rows of what benchmarks/language.py reads; the odd ones, counted as a check, do as well.
SMOOTHING = 0.5 / 10_000  # langdetect's alpha over its base frequency
TEMPERATURE = 2.5  # each letter counts in three n-grams: with this mean score and recall agree within 1 %
FOREIGN = 3e-3  # share of the words that are names, terms or quotations: none costs its language more than this
OWN, WORD, TYPICAL = 4.0, 2.0, 0.5  # nats in favour: letters that none else has, function words, endings
OTHER_PRIOR, KIN_PRIOR = -0.75, -2.5  # nats against languages not asked for, and those without a profile

_CACHED_WORDS = 1 << 17  # 24 MB for the 44 languages in Latin letters
_WORDS_AT_ONCE = 1024

_END = "\v"  # closes a text among others
_GRAM_SHIFT = np.uint64(21)


class _Normal(dict[int, str]):
    """Code point -> what langdetect counts in its place; for str.translate."""

    def __missing__(self, code: int) -> str:
        self[code] = found = NGram.normalize(chr(code))
        return found


_NORMAL = _Normal({ord("\n"): "\n"})
UPPER = CodeTable(str.isupper, np.uint8)


def _key(gram: str) -> int:
    """1 to 3 characters as one number."""
    key = 0
    for character in gram:
        key = key << int(_GRAM_SHIFT) | ord(character)
    return key


class Profiles:
    """The languages of one script. `languages`: names of the columns, L of them."""

    def __init__(self, script: str) -> None:
        own, kin = PROFILED[script].split(), KIN[script]
        self.languages = [*own, *kin]
        frequencies: dict[str, npt.NDArray[np.float64]] = {}
        for column, language in enumerate(own):
            profile = json.loads((files("langdetect") / "profiles" / language).read_text("utf-8"))
            for gram, count in profile["freq"].items():
                if len(gram) <= 3 and gram != " ":
                    frequencies.setdefault(gram, np.zeros(len(own)))[column] = count / profile["n_words"][len(gram) - 1]
        keys = np.array([_key(gram) for gram in frequencies], np.uint64)
        order = np.argsort(keys)
        self._keys, self._row_of_key = keys[order], order + 1
        table = np.array(list(frequencies.values()))
        borrowed = [
            table[:, [own.index(host) for host in hosts or own]].mean(axis=1, keepdims=True) for hosts in kin.values()
        ]
        logs = np.log(np.hstack([table, *borrowed]) + SMOOTHING) / TEMPERATURE
        self._logs = np.vstack([np.zeros(logs.shape[1]), logs]).astype(np.float32)
        self._marks: dict[str, list[int]] = {}
        for language, words in FUNCTION_WORDS[script].items():
            for word in words.split():
                self._marks.setdefault(word, []).append(self.languages.index(language))
        self._patterns = [
            (self.languages.index(language), nats, re.compile(pattern.replace("[^", r"[^\n"), re.MULTILINE))
            for patterns, nats in ((OWN_LETTERS, OWN), (TYPICAL_LETTERS, TYPICAL))
            for language, pattern in patterns[script].items()
        ]
        self.prior = np.array(
            [0.0 if language in LANGUAGES else OTHER_PRIOR for language in own] + [KIN_PRIOR] * len(kin)
        )
        letters = "".join(f"{chr(first)}-{chr(last)}" for first, last in _spans(script))
        self._word = re.compile(rf"[{letters}\u0300-\u036f]+|[¿¡]|{_END}")
        self._forget()

    def _forget(self) -> None:
        self._rows: dict[str, int] = {_END: 0}
        self._scores = np.zeros((1024, len(self.languages)), np.float32)

    def totals(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """float64[len(texts), L]: log-likelihood in nats, up to a constant, of each text's words in each language.

        `prior` is not in it, so that the totals of two texts add up to those of both.
        """
        if len(self._rows) > _CACHED_WORDS:
            self._forget()
        words = self._word.findall("".join(text.replace(_END, " ") + _END for text in texts))
        found = self._numbers(words)
        new = np.flatnonzero(found < 0)
        if len(new):
            self._learn(list({words[at] for at in new.tolist()}))
            found[new] = self._numbers([words[at] for at in new.tolist()])
        ends = np.flatnonzero(found == 0)
        starts = np.concatenate([np.zeros(min(1, len(ends)), np.int64), ends[:-1] + 1])
        if not len(starts):
            return np.zeros((0, len(self.languages)))
        return np.add.reduceat(self._scores[found], starts, axis=0, dtype=np.float64)

    def _numbers(self, words: Sequence[str]) -> Ints:
        """int64[len(words)]: row of each word, -1 for a new one."""
        return np.fromiter(map(self._rows.get, words, repeat(-1)), np.int64, len(words))

    def _learn(self, words: Sequence[str]) -> None:
        """Works out the scores of new words; in float64, so that they do not depend on which came together."""
        while len(self._rows) + len(words) > len(self._scores):
            self._scores = np.concatenate([self._scores, np.zeros_like(self._scores)])
        for start in range(0, len(words), _WORDS_AT_ONCE):
            part = words[start : start + _WORDS_AT_ONCE]
            grams, starts = self._find(part)
            score = np.add.reduceat(self._logs[grams], starts, axis=0, dtype=np.float64)
            score = np.log(np.exp(score - score.max(axis=1, keepdims=True)) + FOREIGN)
            first = len(self._rows)
            rows = self._scores[first : first + len(score)]
            rows[:] = score
            self._mark(rows, part)
            self._rows |= zip(part, range(first, first + len(part)), strict=True)

    def _find(self, words: Sequence[str]) -> tuple[Ints, Ints]:
        """(rows of the n-grams of all words, chosen as langdetect does, where each word's begin).

        Each word's first row is 0, which is of no n-gram.
        """
        # Of a heading in capitals all letters are meant; of acronyms langdetect counts but the first.
        plain = [word.lower() if len(word) > 4 and word.isupper() else word for word in words]
        letters = codes("".join(f"\n {word} " for word in plain).translate(_NORMAL))
        one = letters.astype(np.uint64)
        two, three = one.copy(), one.copy()
        two[1:] |= one[:-1] << _GRAM_SHIFT
        three[2:] |= one[1:-1] << _GRAM_SHIFT | one[:-2] << (_GRAM_SHIFT + _GRAM_SHIFT)
        keys = np.stack([one, two, three], axis=1)
        upper = UPPER[letters] != 0
        keys[1:][upper[1:] & upper[:-1]] = 0
        places = np.searchsorted(self._keys, keys)
        np.minimum(places, len(self._keys) - 1, out=places)
        rows = np.where(self._keys[places] == keys, self._row_of_key[places], 0)
        breaks = letters == ord("\n")
        some = (rows != 0) | breaks[:, None] & np.array([True, False, False])
        kept = np.cumsum(some.sum(axis=1))
        return rows[some], kept[breaks] - 1

    def _mark(self, scores: npt.NDArray[np.float32], words: Sequence[str]) -> None:
        """Adds what function words and tell-tale letters say. A pattern runs over all words, one a line, at once."""
        # Of an acronym neither the letters nor the word are meant.
        lower = ["" if 1 < len(word) <= 4 and word.isupper() else word.lower() for word in words]
        for row, word in enumerate(lower):
            if word in self._marks:
                scores[row, self._marks[word]] += WORD
        joined = "\n".join(lower)
        starts = np.cumsum([0, *(len(word) + 1 for word in lower)])[:-1]
        for column, nats, pattern in self._patterns:
            places = [match.start() for match in pattern.finditer(joined)]
            scores[np.unique(np.searchsorted(starts, places, side="right") - 1), column] += nats


@cache
def profiles(script: str) -> Profiles:
    """The languages of a script of PROFILED, loaded once."""
    return Profiles(script)
