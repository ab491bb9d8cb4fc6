"""Amounts that an answer tells less exactly than the passage: "about 60 %" for 59.6 %, "one in six" for 16.7 %."""

import itertools
import re
import unicodedata
from collections.abc import Sequence

from apollo_ray.rewrite.grounding.quantities import Quantity

_BEFORE = 24  # characters of the answer in which a word says that an amount is not exact
_BEHIND = 14
_ROUGHLY, _WITHIN = 0.1, 1.4  # "about"; "less than", "more than"
_ABOUT = re.compile(
    unicodedata.normalize(
        "NFKC",
        r"\b(?:about|around|nearly|almost|approximately|roughly|some|over|under|close to|more than|less than|fewer than|just|up to|"
        r"at least|at most|unos|unas|aproximadamente|cerca del?|casi|alrededor del?|más del?|menos del?|en torno al?|poco|"
        r"environ|près de|quelque|plus de|moins de|autour de|presque|à peu près|une)\b[^.;]{0,8}$"
        r"|[约近超逾](?:[为有过等])?$|大约|大概|接近|超过|不到|将近|लगभग|करीब|क़रीब|तकरीबन|तक़रीबन|"
        r"نحو|حوالي|قرابة|زهاء|يقرب من|أكثر من|يزيد|أقل من|يقارب|ما يناهز|تقريبا",
    )
)
_MORE, _MORE_THAN = re.compile(r"\s?[个]?[多余]"), 1.5  # 四十多 is 41 to 49
_ROUND_WORDS = re.compile(r"(?:aine|centenar|decena|veintena|treintena|dozen|docena|दर्जन)$")
_ROUGH_BEHIND = re.compile(
    unicodedata.normalize(
        "NFKC", r"^\s?(?:个|人|例|名)?(?:左右|上下|以上)|से (?:ज़्यादा|ज्यादा|अधिक|कम|ऊपर)|के (?:करीब|क़रीब|आसपास)|تقريبا"
    )
)
_LESS = re.compile(
    unicodedata.normalize(
        "NFKC",
        r"(?:\b(?:less than|fewer than|under|within|menos del?|moins d[e'u]?)|不到|未满|少于|أقل من)[^.;]{0,8}$|^ ?से कम",
    )
)
_OVER = re.compile(
    unicodedata.normalize(
        "NFKC",
        r"(?:\b(?:more than|over|above|at least|más del?|plus d[e'u]?)|超过|多于|至少|أكثر من|يزيد)[^.;]{0,8}$|^ ?से (?:ज़्यादा|ज्यादा|अधिक|ऊपर)",
    )
)
_TOTAL = re.compile(
    r"\b(?:in all|total|altogether|together|overall|en tout|en total|en conjunto|juntos|ensemble)\b|共|总|合计|कुल|मिलाकर|إجمال|مجموع|كله"
)
_RATIO = re.compile(
    r"\s?(?:\w+\s)?(?:in|of|out of|in every|of every|de cada|sur|من كل|من أصل|من بين|में से|人中有?|人里有?)\s?(?:every |each )?"
)  # one in six, 一 of 六人中


def summed(one: Quantity, text: str, known: Sequence[Quantity]) -> bool:
    """Is `one` said to be a total, and the sum of two quantities that follow each other in the passage?"""
    end = one.start + len(one.text)
    if not _TOTAL.search(text, max(0, one.start - _BEFORE), end + _BEFORE):
        return False
    pairs = ((a, b) for a, b in itertools.pairwise(known) if a.dimension == b.dimension == one.dimension)
    return any(abs(x + y - z) < 1e-6 for a, b in pairs for x in a.values for y in b.values for z in one.values)


def rounded(one: Quantity, text: str, known: Sequence[Quantity]) -> bool:
    """Is `one`, of the folded `text`, said to be about what the passage tells with more digits?"""
    end = one.start + len(one.text)
    more = bool(_MORE.match(text, end))
    before, behind = text[max(0, one.start - _BEFORE) : one.start], text[end : end + _BEHIND]
    less, over = (bool(word.search(before) or word.search(behind)) for word in (_LESS, _OVER))
    if not (
        more or less or over or _ROUND_WORDS.search(one.text) or _ABOUT.search(before) or _ROUGH_BEHIND.search(behind)
    ):
        return False
    for other in known:
        if other.vague or not (
            one.dimension is None or (other.dimension == one.dimension and _agree(one.per, other.per))
        ):
            continue
        amounts = (one.values, other.values) if one.dimension else (one.plain, other.plain)
        for a, b in itertools.product(*amounts):
            near = a <= b <= a * _MORE_THAN if more else abs(a - b) <= _ROUGHLY * max(a, b)
            near = near or (less and a / _WITHIN <= b <= a) or (over and a <= b <= a * _WITHIN)
            if near and _digits(one) < _digits(other):
                return True
    return False


def _agree(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Are the units that two are divided by the same, as far as both are told?"""
    return all(a == b for a, b in zip(one, other, strict=False))


def _digits(one: Quantity) -> int:
    """How many digits its figure needs."""
    return min(len(f"{plain:.6g}".partition("e")[0].replace(".", "").strip("0")) for plain in one.plain)


def ratios(answered: Sequence[Quantity], text: str, known: Sequence[Quantity]) -> set[int]:
    """Starts of the quantities of the answer that tell a share of the passage together: "4 out of 10" for 40 %."""
    shares = [value for other in known if other.dimension == "share" for value in other.plain]
    found: set[int] = set()
    for one, following in itertools.pairwise(answered):
        end = one.start + len(one.text)
        if end <= following.start and _RATIO.fullmatch(text, end, following.start):
            for a, b in itertools.product(one.plain, following.plain):
                part, whole = sorted((a, b))
                if whole and any(abs(100 * part / whole - share) <= max(1.0, _ROUGHLY * share) for share in shares):
                    found |= {one.start, following.start}
    return found
