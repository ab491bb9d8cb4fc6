"""Where sentences end, in six languages, by one pattern and short lists of abbreviations."""

import re
from functools import cache

# A full stop, question or exclamation mark of a script with spaces needs white space behind it (7.5 mg stays whole);
# those of Han do not, nor do the danda and the Arabic question mark and full stop.
_END = re.compile(
    r"[.!?…]+[\"”»’')\]]*(?=\s)"
    r"|[。！？；]+[”’」』）]*"
    r"|[؟।॥۔]+[\"”»’')\]]*"
    r"|\n+"
)
_ABBREVIATIONS = {
    "en": "dr mr mrs ms prof st vs etc e.g i.e fig figs approx no vol al inc jr sr u.s p.m a.m ca cf eq ref resp wt",
    "es": "dr dra drs sr sra srta prof p.ej ej etc vs núm pág fig ud uds av art ee.uu a.m p.m c d j s aprox máx mín",
    "fr": "m mm mme mlle dr pr prof etc cf ex p.ex fig n° art av env vs st ste éd vol",
    "hi": "डॉ श्री प्रो मि",
    "ar": "د م أ ص",
    "zh": "",
}
_INITIALS = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")
_OPENING = "([«\"“'¿¡"


@cache
def _abbreviations(lang: str) -> frozenset[str]:
    return frozenset(_ABBREVIATIONS.get(lang, "").split())


def sentences(text: str, lang: str) -> list[str]:
    """The sentences of `text` in order; joined they are `text` again. White space goes with the sentence before it."""
    found: list[str] = []
    start = 0
    for match in _END.finditer(text):
        if match[0][0] == "." and _goes_on(text, start, match, lang):
            continue
        end = match.end()
        while end < len(text) and text[end].isspace():
            end += 1
        if end > start:
            found.append(text[start:end])
            start = end
    if start < len(text):
        found.append(text[start:])
    return found


def _goes_on(text: str, start: int, match: re.Match[str], lang: str) -> bool:
    """Does the full stop belong to an abbreviation, an initial, or stand before a small letter?"""
    words = text[start : match.start()].split()
    word = words[-1].lower().strip(_OPENING) if words else ""
    if word in _abbreviations(lang) or (len(word) == 1 and word.isalpha()) or _INITIALS.fullmatch(word):
        return True
    return text[match.end() : match.end() + 40].lstrip()[:1].islower()
