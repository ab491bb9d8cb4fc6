"""What the quantities of a passage come to in other words."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import replace

from apollo_ray.rewrite.grounding import units
from apollo_ray.rewrite.grounding.quantities import Quantity

_DAY_S = 86400.0
_AROUND = 12  # characters
_OUT_OF = re.compile(r"\s?(?:out of|in|of every|de cada|sur|में से|من كل|من أصل|من بين)\s?")
_AND = re.compile(r"\s?(?:and|y|et|और|و)?\s?")
_EVERY = re.compile(r"(?:every|cada|toutes les|हर|प्रत्येक|كل|每隔?)\s?$")
_NO_START = re.compile(r"[0-9a-zà-ÿ\u0900-\u097f]$")


def retold(known: Sequence[Quantity], source: str) -> list[Quantity]:
    """`known`, the quantities of the folded `source`, and what they come to in other words.

    Three of four are 75 %; what is done every 8 hours is done three times a day; less than a week, less than 7 days.
    """
    found = list(known)
    for one, following in itertools.pairwise(known):
        between = source[one.start + len(one.text) : following.start]
        if one.dimension == following.dimension == "time" and _AND.fullmatch(between):  # 4 years and 6 months
            sums = frozenset(a + b for a in one.values for b in following.values)
            found.append(replace(one, values=sums, plain=frozenset()))
        if _OUT_OF.fullmatch(between):
            shares = frozenset(100 * a / b for a in one.plain for b in following.plain if b and a <= b)
            found.append(replace(one, values=shares, plain=shares, dimension="share", per=()))
    for one in known:
        if one.dimension == "time" and _EVERY.search(source, max(0, one.start - 12), one.start):
            times = frozenset(_DAY_S / seconds for seconds in one.values if seconds)
            found.append(replace(one, values=times, plain=times, dimension="times", per=()))
        elif one.dimension == "times" and one.values:
            around = source[max(0, one.start - _AROUND) : one.start + len(one.text) + _AROUND]
            long = {form[1] for unit in units.pattern().finditer(around) if (form := units.table().get(unit[1])) and form[0] == "time"}
            for whole in {_DAY_S, *(size for size in long if size > _DAY_S)}:  # twice a year is every half year
                spans = frozenset(whole / times for times in one.values if times)
                hours = frozenset(span / 3600 for span in spans)
                found.append(replace(one, values=spans, plain=hours, dimension="time", per=()))
    for unit in units.pattern().finditer(source):  # "the week before", "weekly", "per day" tell of one
        form = units.table().get(unit[1])
        if form and form[0] == "time" and not _NO_START.search(source, 0, unit.start()):
            value = frozenset({form[1]})
            found.append(Quantity(value, frozenset({1.0}), "time", (), unit[0], unit.start(), True))
    return found
