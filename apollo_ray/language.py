"""Language tags: the script settles most languages, langdetect's n-gram profiles and function words the others.

langdetect itself samples n-grams, so that 2-5 % of short texts change their tag from run to run, and calls one in seven
short Chinese medical questions Korean. Here every n-gram of a text counts, once and in the same way always.
"""

import re
import threading
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from apollo_ray.codepoints import Ints, codes
from apollo_ray.language_marks import KIN
from apollo_ray.language_profiles import PROFILED, SCRIPTS, profiles, script_table

WINDOW, WINDOWS = 133, 5
"""Characters of a window, and how many, evenly spread, a text that is longer is looked at through. 400 characters tell
1,609 of 1,610 documents; five windows meet any stretch of a quarter of the text."""

DECLARED = 3.0
"""Nats in favour of the language that a source declares, odds of 20 to 1: short texts gain, wrong labels still show."""

BATCH = 512
Floats = npt.NDArray[np.float64]

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


def known_languages() -> set[str]:
    """Every `Tag.lang` that there can be, but "und"."""
    shared = {"none", "han", "kana", "hangul", *PROFILED}
    profiled = {lang for script, own in PROFILED.items() for lang in (*own.split(), *KIN[script])}
    return set(SCRIPTS) - shared | profiled | {"zh", "yue", "ja", "ko"}


def tag(text: str, declared: str | None = None) -> Tag:
    """The main language of a text of any length. `declared`: what its source says, a prior within the script."""
    return tags([text], [declared])[0]


def tags(texts: Sequence[str], declared: Sequence[str | None] | None = None) -> list[Tag]:
    """`tag` of every text; faster together than one by one."""
    declared = declared or [None] * len(texts)
    result: list[Tag] = []
    for start in range(0, len(texts), BATCH):
        samples = [normal(sample_of(text)) for text in texts[start : start + BATCH]]

        def totals(script: str, members: list[int], samples: list[str] = samples) -> Floats:
            return script_totals(script, [samples[index] for index in members])

        result += judge(samples, script_weights(samples), totals, declared[start : start + BATCH])
    return result


def windows(text: str) -> list[str]:
    """The text itself where it is short."""
    if len(text) <= WINDOWS * WINDOW:
        return [text]
    step = (len(text) - WINDOW) / (WINDOWS - 1)
    return [text[int(place * step) : int(place * step) + WINDOW] for place in range(WINDOWS)]


def sample_of(text: str) -> str:
    """What is looked at of a text."""
    return " ".join(windows(text))


def normal(sample: str) -> str:
    """`sample` without addresses, in NFKC."""
    if "http" in sample or "@" in sample:
        sample = _ADDRESS.sub(" ", sample)
    return unicodedata.normalize("NFKC", sample)


def script_weights(samples: Sequence[str]) -> Ints:
    """int64[len(samples), len(SCRIPTS)]: letters of each script, by weight."""
    table = script_table()
    scripts = table[np.minimum(codes("".join(samples)), len(table) - 1)].astype(np.int64)
    owners = np.repeat(np.arange(len(samples)) * len(SCRIPTS), [len(sample) for sample in samples])
    counts = np.bincount(owners + scripts, minlength=len(samples) * len(SCRIPTS))
    return counts.reshape(len(samples), len(SCRIPTS)) * _WEIGHTS


def script_totals(script: str, samples: Sequence[str]) -> Floats:
    """float64[len(samples), L]: log-likelihoods of the languages of one of PROFILED, without their priors."""
    with _lock:
        return profiles(script).totals(samples)


def judge(
    samples: Sequence[str],
    weights: Ints,
    totals_of: Callable[[str, list[int]], Floats],
    declared: Sequence[str | None],
) -> list[Tag]:
    """The tag of each sample, given its `script_weights`.

    `totals_of` takes a script and the numbers of some samples and gives their `script_totals`.
    """
    result = [UNDETERMINED] * len(samples)
    shared: dict[str, list[int]] = {}
    chosen, sure = _choose_scripts(weights)
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
        totals = totals_of(script, members) + known.prior
        columns = {language: column for column, language in enumerate(known.languages)}
        for row, index in enumerate(members):
            if (favoured := columns.get(declared[index] or "")) is not None:
                totals[row, favoured] += DECLARED
        posterior = np.exp(totals - totals.max(axis=1, keepdims=True))
        posterior *= sure[members, None] / posterior.sum(axis=1, keepdims=True)
        best = posterior.argmax(axis=1)
        second = np.maximum(np.partition(posterior, -2, axis=1)[:, -2], 1 - sure[members])
        scores = posterior[np.arange(len(members)), best]
        margins = np.maximum(0.0, scores - second)
        for index, column, score, margin in zip(members, best.tolist(), scores.tolist(), margins.tolist(), strict=True):
            result[index] = Tag(known.languages[column], score, margin)
    return result


def _choose_scripts(weights: Ints) -> tuple[list[str], Floats]:
    """The script of each row of `script_weights` and how sure that is: 0.5 where another would be chosen as well.

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
