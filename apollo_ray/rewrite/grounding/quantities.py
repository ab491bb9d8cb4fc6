"""The quantities of a text: what they may be worth, in which unit, and whether another text bears them out.

"2 weeks" bears out "14 days", "500 mg" does not bear out "500 g". A figure may be read in more than one way ("1.000" is
1 or 1000): one reading that agrees is enough.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from apollo_ray.rewrite.grounding import numerals, units
from apollo_ray.rewrite.grounding.notation import fold, readings

_FIGURE = re.compile(
    r"\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?|\d+(?:(?:[.,٫٬'’\u202f\u00a0 ](?=\d{3}(?!\d)))\d{3})*(?:[.,٫·'’]\d+)?"
    r"|(?<![\w.])\.\d+"
)
_JOINED = re.compile(r"\s?(?:\(|-|–|—|~|～|/|x|×|±|to|a|à|y|et|and|से|إلى|至|到|au|por|par|and)\s?")
_ORDER = re.compile(r"^(?:st|nd|rd|th|º|ª|er|ère|ème|e|वें|वीं|वां|ᵉ)\b")
_HAN_LIST = re.compile(r"(?<=\d),(?=\d{1,2}(?!\d))")  # "0,1,6个月" are three
_SHORT_YEAR = re.compile(r"0\d年|\d\d年\s?\d{1,2}月|\d\d年(?:底|初|末|起|[上下]半年)")  # 09年, 10年3月
_AND_A_HALF = re.compile(r"\s?(?:et demie?|y medi[oa]|ونصف|半)(?![^\W\d_])")
_GLUED = re.compile(r"(?<![^\W\d_])j$|[a-zà-ÿ]{5}$")  # French: j45 is the 45th day; "weight was1kg"
_GLUED_UNIT = re.compile(r"(?:mg|kg|cm|mm|ml|mcg|μg)\b")
_TEN_PERCENT = "成"
_PART = re.compile(rf"({numerals.HAN.pattern}|\d+)分之({numerals.HAN.pattern}|\d+)")
_CLOSE = 1e-3
_CALENDAR = 0.015
_WEEKS = 0.09  # six weeks are a month and a half
_WEEK_S, _MONTH_S = 604800.0, 2629800.0
_DATES = 3  # the first and second of something need not be counted
_COUNTED = 5  # things of a list that a reader counts at a glance
LOOSE = {"times", "dose form", "fold"}  # "3 x 1", "three tablets a day": the figure counts
_BOTH = re.compile(
    r"(?:\b(?:the|los|las|les|ces|estos|estas|these|those|other|otros|otras|autres)|هذين|هاتين|इन|उन|这|那|前)\s*$"
)


@dataclass(frozen=True)
class Quantity:
    """`values`: possible readings, times the unit's size. `dimension` is None where no unit is known; `per`: the
    dimensions that it is divided by. `plain`: without the unit's size. `word`: not written in figures. `vague`: bears
    out others, and is a fact itself only where it dates something: "the ninth day"."""

    values: frozenset[float]
    plain: frozenset[float]
    dimension: str | None
    per: tuple[str, ...]
    text: str
    start: int
    word: bool = False
    vague: bool = False


@dataclass(frozen=True)
class _Number:
    values: frozenset[float]
    start: int
    end: int
    word: bool
    vague: bool = False


def quantities(text: str, lang: str) -> list[Quantity]:
    """All quantities of `text`, in order."""
    text = fold(text)
    if lang == "zh":
        text = _HAN_LIST.sub("、", text)
    numbers = _numbers(text, lang)
    found: list[Quantity] = []
    waiting: list[_Number] = []  # of a range or a product, whose unit stands behind the last
    behind = 0  # end of the last unit: "in the hundred" is one, and no number
    for place, number in enumerate(numbers):
        if number.start < behind:
            continue
        unit = units.pattern().match(text, _skip(text, number.end))
        if unit and not _is_unit(text, number, unit, lang):
            unit = None
        following = numbers[place + 1] if place + 1 < len(numbers) else None
        if (
            unit is None
            and following
            and not (number.word and max(number.values) < 1)
            and _JOINED.fullmatch(text, number.end, following.start)
        ):
            waiting.append(number)
            continue
        for one in [*waiting, number]:
            found.append(_quantity(text, one, unit))
        waiting = []
        if unit:
            half = _AND_A_HALF.match(text, unit.end())
            behind = max(behind, half.end() if half else unit.end())
    found += [_quantity(text, one, None) for one in waiting]
    return found + _duals(text, lang)


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " -‐‑\u00a0個个)）":
        if text[at] in "個个" and text[at : at + 2] in ("个月",):
            return at
        at += 1
    of = re.compile(r"(?:من )?ال").match(text, at)
    return of.end() if of else at


def _is_unit(text: str, number: _Number, unit: re.Match[str], lang: str) -> bool:
    """Single letters are units behind a figure only; "a", "y" and "s" of Spanish and French only without a space."""
    form = unit[1]
    if form in units.table():
        return True
    close = unit.start() == number.end
    return not number.word and (
        close or form in ("g", "l", "h", "m", "j", "ग्रा") or (form == "a" and text[unit.end() : unit.end() + 1] == ".")
    )


def _quantity(text: str, number: _Number, unit: re.Match[str] | None) -> Quantity:
    end = unit.end() if unit else number.end
    shown = text[number.start : end]
    if unit is not None and unit[1] == "年" and _SHORT_YEAR.match(text, number.start):
        number = replace(number, values=number.values | {2000 + v for v in number.values if v < 30 and not number.word})
    year = unit is not None and unit[1] in ("年", "वर्ष", "سنة", "عام") and any(1800 <= v <= 2100 for v in number.values)
    if unit is None or year:
        return Quantity(number.values, number.values, None, (), shown, number.start, number.word, number.vague)
    first = units.lookup(unit[1])
    assert first is not None
    per = []
    for part in units.parts(unit)[1:]:
        known = units.lookup(part)
        if known:
            per.append(f"{known[0]}:{known[1]:g}")
    if _AND_A_HALF.match(text, unit.end()):
        number = replace(number, values=frozenset(value + 0.5 for value in number.values))
    values = frozenset(value * first[1] for value in number.values)
    return Quantity(values, number.values, first[0], tuple(per), shown, number.start, number.word, number.vague)


def _numbers(text: str, lang: str) -> list[_Number]:
    found = []
    for match in _FIGURE.finditer(text):
        before = text[match.start() - 1 : match.start()]
        glued = _GLUED.search(text, 0, match.start()) or _GLUED_UNIT.match(text, match.end())
        if before.isascii() and before.isalpha() and not glued:
            continue  # covid-19 keeps its hyphen; fev1, t4, h1n1 are names
        values, end = readings(match[0].strip()), match.end()
        if power := numerals.SCALE.match(text, end):
            size = numerals.SCALES.get(power[1], 1.0)
            values, end = frozenset(value * size for value in values), power.end()
        if text[end : end + 1] == _TEN_PERCENT:
            values, end = frozenset(value * 10 for value in values), end + 1
        found.append(_Number(values, match.start(), end, False))
    words = _han_numbers(text) if lang == "zh" else _word_numbers(text, lang)
    taken = [(number.start, number.end) for number in found]
    found += [number for number in words if not any(number.start < end and start < number.end for start, end in taken)]
    return sorted(found, key=lambda number: number.start)


def _han_numbers(text: str) -> list[_Number]:
    banned = [(match.start(), match.end()) for match in numerals.HAN_NOT_NUMBERS.finditer(text) if match[0] != "百分之"]
    found: list[_Number] = []
    for match in _PART.finditer(text):
        whole, part = (float(one) if one.isdigit() and one.isascii() else numerals.han(one) for one in match.groups())
        if match[1] != "百" and whole:
            found.append(_Number(frozenset({part / whole}), *match.span(), True))
    banned += [(number.start, number.end) for number in found]
    for match in numerals.HAN.finditer(text):
        start, end = match.span()
        body = match[0]
        if text[max(0, start - 2) : start] == "百分" and body.startswith("之"):
            continue
        if any(start < stop and begin < end for begin, stop in banned) or body in ("千", "百", "万", "亿", "点"):
            continue
        if len(body) == 2 and set(body) <= set("一二两三四五六七八九"):  # two or three
            found += [
                _Number(frozenset({numerals.han(one)}), start + at, start + at + 1, True) for at, one in enumerate(body)
            ]
            continue
        value = 0.5 if body == "半" else numerals.han(body)
        if text[end : end + 1] == _TEN_PERCENT:
            value, end = value * 10, end + 1
        found.append(_Number(frozenset({value}), start, end, True))
    return found


@cache
def _word_pattern(lang: str) -> re.Pattern[str] | None:
    known = numerals.values(lang)
    if not known:
        return None
    one = "|".join(sorted((re.escape(fold(word).strip()) for word in known), key=len, reverse=True))
    joiner = "|".join(numerals.JOINERS.get(lang, ()))
    between = (
        r"(?:[\s-]+(?:(?:" + joiner + r")[\s-]+)?|\s+و)"
        if lang == "ar"
        else (r"(?:[\s-]+(?:(?:" + joiner + r")[\s-]+)?)" if joiner else r"[\s-]+")
    )
    prefix = "[وبفلك]?(?:ال)?" if lang == "ar" else ""
    end = r"(?![^\W\d_]|[\u0900-\u0963])"
    return re.compile(rf"(?<![^\W\d_])(?<![\u0900-\u0963]){prefix}((?:{one}){end}(?:{between}{prefix}(?:{one}){end})*)")


@cache
def _folded_values(lang: str) -> dict[str, float]:
    return {fold(word).strip(): value for word, value in numerals.values(lang).items()}


def _word_numbers(text: str, lang: str) -> list[_Number]:
    pattern = _word_pattern(lang)
    if pattern is None:
        return []
    known = _folded_values(lang)
    found = []
    for match in pattern.finditer(text):
        groups: list[tuple[list[float], int, int]] = []  # "one or two" in a row are two numbers, "forty-five" is one
        ordinal: set[int] = set()  # ends of groups
        for part in re.finditer(r"[^\s-]+", match[1]):
            word = part[0] if part[0] in known else re.sub("^[وبفلك]?(?:ال)?", "", part[0])
            if word not in known:
                continue
            start, end = match.start(1) + part.start(), match.start(1) + part.end()
            value = known[word]
            if groups and not _apart(groups[-1][0][-1], value, lang):
                groups[-1] = ([*groups[-1][0], value], groups[-1][1], end)
            else:
                groups.append(([value], start, end))
            if word in numerals.ordinals(lang):
                ordinal.add(len(groups))
        found += [
            _Number(numerals.compose(words, lang), start, end, True, place in ordinal)
            for place, (words, start, end) in enumerate(groups, 1)
        ]
    return found


def _apart(before: float, value: float, lang: str) -> bool:
    """Are two number words in a row two numbers? "Dix-huit" and "خمسة عشر" are one."""
    if value < 1 or before < 1:
        return False
    return before < 20 and value < 20 and not (lang == "fr" and before == 10) and not (lang == "ar" and value == 10)


def _duals(text: str, lang: str) -> list[Quantity]:
    """Arabic says two of a unit by its ending."""
    found = []
    for dimension, words in numerals.DUALS.get(lang, {}).items():
        for word, _, value in (entry.partition("=") for entry in words.split()):
            for match in re.finditer(rf"(?<![^\W\d_])[وبفلك]?(?:ال)?({fold(word)})(?![^\W\d_])", text):
                values = frozenset({float(value)})
                found.append(Quantity(values, frozenset({2.0}), dimension, (), match[1], match.start(1), True))
    return found


def bears_out(known: Sequence[Quantity], one: Quantity) -> bool:
    """Does any of the quantities say what `one` says?

    A bare figure ("day 14") bears out one with a unit where the passage has that figure with no other unit.
    """
    others = [other for other in known if same(other, one)]
    if one.dimension in (None, *LOOSE) or any(other.dimension for other in others):
        return bool(others)
    return bool(others) and not any(
        other.dimension not in (None, *LOOSE) and _meet(other.plain, one.plain) for other in known
    )


def is_fact(one: Quantity, text: str, known: Sequence[Quantity]) -> bool:
    """Can `one`, of the folded `text`, be held to the quantities of a passage?

    "One" is an article in most languages, "half" and "the two" mean what was named before, and "four drugs" may count
    what the passage lists: such a count is a fact where the passage counts something too.
    """
    if one.vague:
        hour = text[: one.start].endswith("الساعة ال")  # which may be told from noon or from midnight
        return max(one.plain) >= _DATES and (one.dimension == "time" or max(one.plain) > _COUNTED) and not hour
    if one.word and one.plain == {1.0} and one.dimension not in ("time", "dose form"):
        return False
    if one.text in numerals.MANY:
        return False
    if not one.word or one.dimension not in (None, "times"):
        return True
    if max(one.plain) < 1 or one.plain <= {1.0, 1.5, 2.5}:
        return False
    if 2.0 in one.plain and _BOTH.search(text[max(0, one.start - 8) : one.start]):
        return False
    return max(one.plain) > _COUNTED or any(
        o.dimension in (None, "times") and 1 < max(o.plain) <= 2 * _COUNTED for o in known
    )


def same(other: Quantity, one: Quantity) -> bool:
    """Do the two say the same amount, in whatever unit and notation?"""
    if {other.dimension, one.dimension} == {"beats", "times"}:  # 80 bpm, 80 times a minute
        return _meet(other.plain, one.plain)
    if other.dimension and one.dimension and not {other.dimension, one.dimension} <= LOOSE:
        if other.dimension != one.dimension:
            return False
        shared = min(len(other.per), len(one.per))
        if other.dimension == "time" and not _meet(other.plain, one.plain):
            halves = any(plain % 1 == 0.5 for plain in one.plain | other.plain)
            sizes = {_size(one), _size(other)}
            wide = halves or sizes == {_WEEK_S, _MONTH_S}  # half a month is 15 days; three months are 12 weeks
            return _meet(other.values, one.values, _WEEKS if wide else _CALENDAR)
        return other.per[:shared] == one.per[:shared] and _meet(other.values, one.values)
    return _meet(other.plain, one.plain)


def _size(one: Quantity) -> float:
    """Seconds of its unit."""
    return (
        next((value / plain for value in one.values for plain in one.plain if plain), 0.0)
        if len(one.values) == 1
        else 0.0
    )


def _meet(left: frozenset[float], right: frozenset[float], close: float = _CLOSE) -> bool:
    return any(abs(a - b) <= close * max(abs(a), abs(b)) for a in left for b in right)
