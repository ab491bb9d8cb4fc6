"""What several stages ask of a text: its identity and its language.

Language tags are langdetect's, made repeatable, behind a gate on scripts that it confuses. langdetect samples: without
a seed 2-5 % of short texts change their tag from run to run. It also calls one in seven short Chinese medical questions
Korean, which the gate settles from the code points alone.
"""

import hashlib
import json
import re

from langdetect import DetectorFactory, LangDetectException, detect_langs

DetectorFactory.seed = 0

MAX_CHARACTERS = 2_000  # of a text that are looked at: the tag of 3 kB documents was right in all of six languages
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_KANA = re.compile(r"[\u3040-\u30ff]")
_HANGUL = re.compile(r"[\uac00-\ud7af]")
_LETTER = re.compile(r"[^\W\d_]")


def content_id(*parts: str | None) -> str:
    """16 hex digits that depend on the content alone, so that ids survive a re-ordering of files."""
    packed = json.dumps(parts, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(packed, digest_size=8).hexdigest()


def tag_language(text: str) -> tuple[str, float]:
    """(ISO 639-1 code, probability). ("und", 0.0) for text without letters."""
    sample = text[:MAX_CHARACTERS]
    letters = len(_LETTER.findall(sample))
    if not letters:
        return "und", 0.0
    han, kana, hangul = (len(script.findall(sample)) for script in (_HAN, _KANA, _HANGUL))
    if (han + kana + hangul) / letters > 0.3:
        if hangul > han + kana:
            return "ko", 1.0
        return ("ja", 1.0) if kana > 0.1 * (han + kana) else ("zh", 1.0)
    try:
        best = detect_langs(sample)[0]
    except LangDetectException:
        return "und", 0.0
    return best.lang.split("-")[0], float(best.prob)
