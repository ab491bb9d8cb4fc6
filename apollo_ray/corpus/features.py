"""What the quality measures look up: features of code points, and the function words of six languages."""

import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt

from apollo_ray.codepoints import (
    DIGIT,
    LETTER,
    PUNCTUATION,
    SYMBOL,
    Batch,
    Bools,
    CodeTable,
    Hashes,
    Ints,
    class_of,
    is_dense,
)
from apollo_ray.corpus.thresholds import FUNCTION_WORDS

_CODE_MARKS = set("{}<>=_\\|#&$@^~`")
_ENDS_BEFORE_SPACE = set(".!?")
_ENDS_ANYWHERE = set("。！？．｡।॥؟۔…")
_CLOSERS = set("\"'”’»）)」』】]*")
_BULLETS = set("-*•●·–▪◦‣○■□►➢✓")
SCRIPTS = ("latin", "greek", "cyrillic", "han", "arabic", "devanagari", "other")
_SCRIPT_OF_NAME = {
    "LATIN": "latin", "GREEK": "greek", "CYRILLIC": "cyrillic", "ARABIC": "arabic", "DEVANAGARI": "devanagari",
    "CJK": "han", "HIRAGANA": "han", "KATAKANA": "han", "MODIFIER": None, "COMBINING": None, "MICRO": None,
    "FEMININE": None, "MASCULINE": None, "IDEOGRAPHIC": "han", "BOPOMOFO": "han", "FULLWIDTH": None, "HALFWIDTH": None,
    "MATHEMATICAL": None, "DOUBLE": None, "SCRIPT": None, "BLACK": None, "OHM": None, "ANGSTROM": None,
}  # fmt: skip
FEATURES = (
    "visible", "letter", "digit", "punctuation", "symbol", "code_mark", "broken", "cased", "upper", *SCRIPTS,
    "dense", "end_before_space", "end_anywhere", "closer", "bullet", "lead", "trail",
)  # fmt: skip
MASKS = {"visible", "letter", "digit", "punctuation", "symbol", *FEATURES[-7:]}
_WINDOWS_1252 = {ord(bytes([byte]).decode("cp1252", "ignore") or "\x81") for byte in range(0x80, 0xA0)}
_SLOT_BITS = 17


class Features:
    """`groups` of code points that have the same FEATURES, numbered as they are met."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self.groups = CodeTable(self._group_of, np.uint8)

    @property
    def bits(self) -> npt.NDArray[np.uint32]:
        """uint32[groups]: bit i of a group tells whether it has FEATURES[i]."""
        return np.array(list(self._numbers), np.uint32)

    def _group_of(self, character: str) -> int:
        return self._numbers.setdefault(_feature_bits(character), len(self._numbers))


def _feature_bits(character: str) -> int:
    code, category = ord(character), unicodedata.category(character)
    kind = class_of(character)
    script = _script(character) if kind == LETTER else None
    broken = code == 0xFFFD or category in ("Co", "Cn", "Cs") or 0x80 <= code < 0xA0
    has = (
        category[0] not in "ZC" or broken, kind == LETTER, kind == DIGIT, kind == PUNCTUATION, kind == SYMBOL,
        character in _CODE_MARKS, broken, category in ("Lu", "Ll", "Lt"), category == "Lu",
        *(script == one for one in SCRIPTS), is_dense(character), character in _ENDS_BEFORE_SPACE,
        character in _ENDS_ANYWHERE, character in _CLOSERS, character in _BULLETS, 0xC2 <= code <= 0xF4,
        0x80 <= code < 0xC0 or code in _WINDOWS_1252,
    )  # fmt: skip
    return sum(1 << at for at, true in enumerate(has) if true)


def _lower(character: str) -> int:
    lowered = character.lower()
    return ord(lowered) if len(lowered) == 1 else ord(character)


GROUPS = Features()
LOWER = CodeTable(_lower, np.uint32)


def _script(letter: str) -> str | None:
    """One of SCRIPTS; None for marks and signs that go with any."""
    return _SCRIPT_OF_NAME.get(unicodedata.name(letter, "OTHER").replace("-", " ").split(" ")[0], "other")


@cache
def function_words() -> tuple[int, npt.NDArray[np.int16], Hashes, Bools]:
    """(shift, int16[2**17] place of the word whose hash has these bits, uint64[words] hashes, bool[words, languages]).

    The shift is such that no two words share their bits: one look-up in place of a binary search.
    """
    words = sorted({word for listed in FUNCTION_WORDS.values() for word in listed.split()})
    batch = Batch.of(words)
    hashes = batch.hashes(batch.starts, batch.ends)
    shift = next(shift for shift in range(48) if len(np.unique(slots(hashes, shift))) == len(words))
    places = np.zeros(1 << _SLOT_BITS, np.int16)
    places[slots(hashes, shift)] = np.arange(len(words))
    listed = np.array([[word in text.split() for text in FUNCTION_WORDS.values()] for word in words], np.bool_)
    return shift, places, hashes, listed


def slots(hashes: Hashes, shift: int) -> Ints:
    """int64: the bits by which a hash is looked up."""
    return ((hashes >> np.uint64(shift)) & np.uint64((1 << _SLOT_BITS) - 1)).astype(np.int64)
