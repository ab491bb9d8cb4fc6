"""What the quantities of a passage come to in other words."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import replace

from apollo_ray.rewrite.grounding import units
from apollo_ray.rewrite.grounding.quantities import Quantity

_DAY_S = 86400.0
_DECADE_S = 315576000.0  # mostly "the fifties", which have no figure of their own
_SAME = re.compile(
    r"(?:\b(?:that|this|same|ese|este|mismo|misma|cette?|même)|ذلك|نفس|هذا|هذه|تلك|उसी|इसी|उस|इस)\s(?:ال)?$"
)  # names what stands before
_YEAR_S = 31557600.0
_YEARS = (1900.0, 2100.0)
_NEAR = 40  # characters between two dates, an amount and how often it is given
_AROUND = 12  # characters
_AMBIGUOUS = {"second", "ثانية", "عام"}  # also: the next, another, general
_SHORT = 2  # characters of a form that is a word of other languages: "an", "as"
_OUT_OF = re.compile(r"\s?(?:out of|in|of every|de cada|sur|में से|من كل|من أصل|من بين)\s?")
_AND = re.compile(r"\s?(?:and|y|et|और|و)?\s?")
_EVERY = re.compile(r"(?:every|cada|toutes les|हर|प्रत्येक|كل|每隔?)\s?$")
_KILO = ("كيلو", "kilo", "kilos")  # of a way, or of a weight
_END = re.compile(r"[.;。；।؛]\s")
_ROMANS = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")
_ROMAN = re.compile(r"(?<![A-Za-z0-9])(?:" + "|".join(sorted(_ROMANS, key=len, reverse=True)) + r")(?![A-Za-z0-9])")
_WORD = re.compile(r"[^\W\d_]+")
_NO_START = re.compile(r"[a-zà-ÿ\u0900-\u097f]$")
_HAN = re.compile(r"[\u3400-\u9fff]")
_HAN_BEFORE = re.compile(r"[有每当次半几数同本这上下整隔全近头]个?$")  # a unit behind it is one, not the 天 of 今天


def retold(known: Sequence[Quantity], source: str) -> list[Quantity]:
    """`known`, the quantities of the folded `source`, and what they come to in other words.

    Three of four are 75 %; what is done every 8 hours is done three times a day; less than a week, less than 7 days.
    """
    found = list(known)
    for one, following in itertools.pairwise(known):
        end = one.start + len(one.text)
        if end > following.start:
            continue  # both of one range
        between = source[end : following.start]
        if one.dimension == following.dimension == "time" and _AND.fullmatch(between):  # 4 years and 6 months
            sums = frozenset(a + b for a in one.values for b in following.values)
            found.append(replace(one, values=sums, plain=frozenset()))
        if _OUT_OF.fullmatch(between):
            shares = frozenset(100 * a / b for a in one.plain for b in following.plain if b and a <= b)
            found.append(replace(one, values=shares, plain=shares, dimension="share", per=()))
        found += _derived(one, following, between, source)
    for one in known:
        if one.dimension is None and one.word and max(one.plain) < 1:  # a third, without a unit
            shares = frozenset(100 * part for part in one.plain)
            found.append(replace(one, values=shares, plain=shares, dimension="share", vague=True))
        if one.text.endswith(_KILO):
            found.append(replace(one, values=frozenset(1e3 * value for value in one.plain), dimension="length"))
        if one.dimension == "time" and _EVERY.search(source, max(0, one.start - 12), one.start):
            times = frozenset(_DAY_S / seconds for seconds in one.values if seconds)
            found.append(replace(one, values=times, plain=times, dimension="times", per=()))
        elif one.dimension == "times" and one.values:
            around = source[max(0, one.start - _AROUND) : one.start + len(one.text) + _AROUND]
            long = {
                form[1]
                for unit in units.pattern().finditer(around)
                if (form := units.table().get(unit[1])) and form[0] == "time"
            }
            for whole in {_DAY_S, *(size for size in long if size > _DAY_S)}:  # twice a year is every half year
                spans = frozenset(whole / times for times in one.values if times)
                hours = frozenset(span / 3600 for span in spans)
                found.append(replace(one, values=spans, plain=hours, dimension="time", per=()))
    return found + mentioned(source)


def _derived(one: Quantity, following: Quantity, between: str, source: str) -> list[Quantity]:
    """What two quantities in a row come to: years between two dates, a dose times its number a day."""
    if len(between) > _NEAR or _END.search(between):
        return []
    if one.dimension is following.dimension is None:
        pairs = [(a, b) for a in one.plain for b in following.plain]
        spans = frozenset((b - a) * _YEAR_S for a, b in pairs if _YEARS[0] <= a < b <= _YEARS[1])
        years = frozenset(span / _YEAR_S for span in spans)
        return [replace(one, values=spans, plain=years, dimension="time")] if spans else []
    if one.dimension != "mass":
        return []
    times = following.plain if following.dimension == "times" else frozenset()
    if following.dimension == "time" and _EVERY.search(source, max(0, following.start - 12), following.start):
        times = frozenset(_DAY_S / seconds for seconds in following.values if seconds)
    totals = frozenset(a * b for a in one.values for b in times)
    plains = frozenset(a * b for a in one.plain for b in times)
    return [replace(one, values=totals, plain=plains)] if times else []


def numbered(source: str) -> list[Quantity]:
    """Roman numerals: "grade II" bears out "grade 2"."""
    found = []
    for match in _ROMAN.finditer(source):
        value = frozenset({float(_ROMANS.index(match[0]) + 1)})
        found.append(Quantity(value, value, None, (), match[0], match.start(), True, True))
    return found


def mentioned(text: str) -> list[Quantity]:
    """One of each unit of time that the folded `text` names, numbered or not: "the week before", "per day"."""
    found = []
    for unit in units.pattern().finditer(text):
        within = bool(_NO_START.search(text, 0, unit.start()))  # the end of a word, as the s of "beats/min"
        if _HAN.match(unit[1]):
            within = not _HAN_BEFORE.search(text, max(0, unit.start() - 2), unit.start())
        for place, part in enumerate(units.parts(unit)):
            form = units.lookup(part)
            if form and form[0] == "time" and (place or not within):
                found.append(_one(form[1], part, unit.start()))
    for word in _WORD.finditer(text):
        if size := units.adverbs().get(word[0]):
            found.append(_one(size, word[0], word.start()))
    return found


def loose(text: str, numbered: Sequence[Quantity]) -> list[Quantity]:
    """Those of `mentioned`, but days, that no quantity of `numbered` holds: "several weeks", "a year later"."""
    return [
        one
        for one in mentioned(text)
        if len(one.text) > _SHORT
        and one.text not in _AMBIGUOUS
        and not any(other.start <= one.start <= other.start + len(other.text) for other in numbered)
        and one.values not in ({_DAY_S}, {_DECADE_S})
        and not _SAME.search(text, max(0, one.start - 12), one.start)
    ]


def _one(size: float, text: str, start: int) -> Quantity:
    return Quantity(frozenset({size}), frozenset({1.0}), "time", (), text, start, True)
