"""Names of persons: after a title, an introduction or a role, and again wherever a found name is mentioned anew."""

import re
from collections.abc import Iterable, Iterator
from functools import cache

from apollo_ray.corpus.deidentify import lexicon, scripts

_UPPER = "A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĖĘĚĞĢĪİĶĹĻĽŁŃŅŇŌŐŒŔŘŚŞŠŢŤŪŮŰŲŹŻŽ"
_TOKEN = (
    rf"(?:(?:[OD]['’]|Mc|Mac|El-|Al-|al-)?[{_UPPER}][^\W\d_ºª]+(?:[-'’][{_UPPER}]?[^\W\d_]+)*|"
    rf"[{_UPPER}]\.(?:-?[{_UPPER}]\.)*)"
)
_PARTICLES = (
    r"(?:(?:de|del|la|las|los|van|der|den|von|bin|ben|bint|ibn|al|el|da|dos|di|du|des|le|y|e|i|ter|st\.?) ){0,3}"
)
_LATIN_NAME = re.compile(rf"{_TOKEN}(?: {{1,2}}{_PARTICLES}{_TOKEN}){{0,4}}")
_ANY_TITLE = re.compile(
    r"(?:(?:"
    + "|".join(lexicon.TITLES.values())
    + r")\.? |डॉ\.? ?|डॉक्टर |श्री(?:मती)? |प्रो\. ?|د\. ?|(?:ال)?دكتور[ةه]? )+"
)
_LOOSE_NAME = re.compile(r"[^\W\d_][\w'’.\-]*(?:,? [^\W\d_][\w'’.\-]*){0,5}")
_SPACE = re.compile(r"[ \t\u00a0]*")
_CREDENTIAL = re.compile(rf"({_TOKEN}(?: {_TOKEN}){{1,3}}), (?:MD|M\.D\.|DO|RN|NP|FRCP|FRCS|MBBS|PA-C)\b")

_ROLE_LATIN = re.compile(
    r"[PpMmFfHhWw](?<!\w.)(?:(?<=[Pp])(?:atiente?|aciente)|(?<=[Mm])other|(?<=[Ff])ather|(?<=[Hh])usband|"
    r"(?<=[Ww])ife),? "
    rf"({_TOKEN} {_PARTICLES}{_TOKEN}(?: {_TOKEN})?)"
    r"(?=,? (?:was|is|has|had|presented|aged|age|reports?|reported|a \d|an \d|de \d+ años|fue|es|acude|refiere|"
    r"est|a été|âgée?|né)"
    r"|, \d|, (?:nacid|varón|mujer|born|née?))"
)


@cache
def _titled(lang: str | None) -> re.Pattern[str]:
    """Titles and introductions of a Latin-script language and English; of en, es and fr for any other."""
    chosen = ("en",) + ((lang,) if lang in ("es", "fr") else () if lang == "en" else ("es", "fr"))
    titles = _by_first(alternative for one in chosen for alternative in lexicon.TITLES[one].split("|"))
    phrases = _by_first(alternative for one in chosen for alternative in lexicon.INTRODUCTIONS[one].split("|"))
    # The scanner skips to a pattern's set of first characters only where no look-behind stands before them.
    return re.compile(
        rf"[A-ZdeijmnspÀ-Þ](?<![\w.\-].)(?:(?:{titles})\.?[ \u00a0]{{1,2}}|(?:{phrases}):? )(?=[{_UPPER}])"
    )


def _by_first(alternatives: Iterable[str]) -> str:
    """Alternatives whose first character (or class of characters) has been consumed already, grouped by it."""
    rests: dict[str, set[str]] = {}
    for alternative in alternatives:
        first = alternative[: alternative.index("]") + 1] if alternative[0] == "[" else alternative[0]
        rests.setdefault(first, set()).add(alternative[len(first) :])
    return "|".join(f"(?<={first})(?:{'|'.join(sorted(rest, reverse=True))})" for first, rest in sorted(rests.items()))


def trimmed(text: str, start: int, end: int) -> int:
    """End of the name in text[start:end], cut before the first word that is none; `start` where nothing is left."""
    at, last = start, start
    for word in text[start:end].split(" "):
        bare = word.rstrip(".,").casefold()
        bare = re.split("['’]", bare)[0] or bare
        if bare in lexicon.NOT_A_NAME and not (len(bare) == 2 and last > start) and bare not in _PARTICLE_WORDS:
            break
        if word and bare not in _PARTICLE_WORDS:
            last = at + len(word)
        at += len(word) + 1
    while last > start and text[last - 1] in ",-'’":
        last -= 1
    if last > start and text[last - 1] == "." and not re.search(r"(?:^|[ .\-])[^\W\d_]\.$", text[start:last]):
        last -= 1
    return last


_PARTICLE_WORDS = lexicon.words("de del la las los van der den von bin ben bint ibn al el da dos di du des le y e")


def latin(text: str, lang: str | None) -> Iterator[tuple[int, int]]:
    """(start, end) of names after Latin titles, introductions and roles, and before credentials."""
    for match in _titled(lang).finditer(text):
        span = _latin_at(text, match.end())
        if not span:
            continue
        title = match.group().strip(" .\u00a0")
        if "." in match.group() and (len(title) > 5 or title in {"Miss", "Nurse", "Don", "don"}):
            continue  # "Yes, Doctor. It hurts": a sentence ends
        if title in {"D", "M"} and not _clear_abbreviation(text, match, span):
            continue
        yield span
    yield from (span for span in _by_context(text) if trimmed(text, *span) == span[1])
    for match in _ROLE_LATIN.finditer(text):
        if trimmed(text, *match.span(1)) == match.end(1):
            yield match.span(1)
    if ", MD" in text or "M.D." in text or ", RN" in text or ", FRC" in text or ", DO" in text or ", NP" in text:
        for match in _CREDENTIAL.finditer(text):
            yield match.span(1)


_SELF = re.compile(
    rf"[IiSsJj](?<!\w.)(?:(?<=I)(?: am|['’]m)|(?<=[Ss])oy|(?<=[Jj])e suis) ({_TOKEN}(?: "
    rf"{_PARTICLES}{_TOKEN}){{1,2}})(?=[,.;!]| (?:and|y|et|tengo)\b)"
)
_PERSON_AFTER = re.compile(
    r", (?:aged \d|\d{1,3} (?:ans|años)\b|var[óo]n de|mujer de|née? le|nacid[oa] el|born (?:on )?\d)"
)
_NAME_BEFORE = re.compile(rf"(?<![\w.])({_TOKEN} {_PARTICLES}{_TOKEN}(?: {_TOKEN})?)\Z")


def _by_context(text: str) -> Iterator[tuple[int, int]]:
    """ "I'm Rachel Moss, 29" and "Harold Finch, aged 95": full names only."""
    for match in _SELF.finditer(text):
        yield match.span(1)
    for after in _PERSON_AFTER.finditer(text):
        if name := _NAME_BEFORE.search(text, max(0, after.start() - 50), after.start()):
            yield name.span(1)


def _clear_abbreviation(text: str, match: re.Match[str], span: tuple[int, int]) -> bool:
    """ "D. Salvador Núñez" and "M. Traoré", but neither "vitamina D Los" nor "M Protein"."""
    dotted = text[match.start() + 1 : match.start() + 2] == "."
    vitamin = re.search(
        r"(?:vitamin[ae]?|hépatite|hepatitis)s? $", text[max(0, match.start() - 12) : match.start()], re.I
    )
    return dotted and not vitamin and (match.group()[0] == "M" or " " in text[slice(*span)])


def _latin_at(text: str, start: int) -> tuple[int, int] | None:
    titled = _ANY_TITLE.match(text, start)
    start = titled.end() if titled else start
    found = _LATIN_NAME.match(text, start)
    if not found:
        return None
    end = trimmed(text, start, found.end())
    return (start, end) if end - start >= 2 and (end - start >= 4 or not text[start:end].isupper()) else None


def after_header(text: str, start: int, weak: bool) -> tuple[int, int] | None:
    """The name that begins at `start`, behind a header's colon; a weak header ("Patient:") must be followed by a
    capitalised name of several words that fills its clause."""
    start = _SPACE.match(text, start).end()  # type: ignore[union-attr]  # matches the empty string too
    titled = _ANY_TITLE.match(text, start)
    start = titled.end() if titled else start
    first = text[start : start + 1]
    if first >= "\u0600":
        return scripts.after_header(text, start, weak)
    found = (_LATIN_NAME if weak else _LOOSE_NAME).match(text, start)
    if not found:
        return None
    strict = _LATIN_NAME.match(text, start)
    end = strict.end() if strict else found.end()
    if strict and text[end : end + 2] == ", " and not weak and (given := _LATIN_NAME.match(text, end + 2)):
        end = given.end()  # "Sanz Miralles, Gonzalo"
    end = trimmed(text, start, end)
    if weak and (" " not in text[start:end] or text[end : end + 1] not in ("", ",", ".", ";", "\n", "(", " ")):
        return None
    if weak and text[end : end + 1] == " ":
        return None
    return (start, end) if end > start and (strict or len(text[start:end].split()) <= 4) else None


def again(text: str, names: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Later mentions of found names: the whole name, and the surname by itself where it is no common word."""
    forms = {form for name in names for form in mentions(name)}
    han = sorted((f for f in forms if "\u3400" <= f[0] <= "\u9fff"), key=len, reverse=True)
    other = sorted(forms.difference(han), key=len, reverse=True)
    for chosen, left, right in ((han, "", ""), (other, r"(?<![\w\-])", r"(?![\w\u0900-\u0903\u093a-\u094f])")):
        if not chosen:
            continue
        by_first: dict[str, list[str]] = {}  # nested by first character: a directory has thousands of names
        for form in chosen:
            by_first.setdefault(form[0], []).append(re.escape(form[1:]))
        nested = "|".join(f"{re.escape(first)}(?:{'|'.join(rest)})" for first, rest in by_first.items())
        for match in re.finditer(f"{left}(?:{nested}){right}", text):
            before = text[max(0, match.start() - 30) : match.start()]
            if not _MEDICAL_USE.match(text, match.end()) and not _MEDICAL_USE_BEFORE.search(before):
                yield match.span()


_MEDICAL_USE = re.compile(
    r"(?:['’]s)?[ -](?:disease|syndrome|sign|test|scale|score|criteria|lymphoma|classification|procedure|index|"
    r"catheter|tumou?r|palsy|"
    r"fracture|operation|method|et al)\b"
)
_MEDICAL_USE_BEFORE = re.compile(
    r"(?:enfermedad|síndrome|signo|maladie|syndrome|signe|test|índice|indice|escala|score|mal|tumor|tumeur) "
    r"(?:de |d['’]|del )?$",
    re.I,
)


def mentions(name: str) -> set[str]:
    """The forms by which a person of this name is found again."""
    words = name.split()
    if not words:
        return set()
    if "\u3400" <= name[0] <= "\u9fff":
        return {name} if len(name) >= 2 else set()
    forms = {name} if len(words) > 1 else set()
    last = words[-1]
    folded = last.casefold()
    long_enough = len(last) >= (4 if folded.isascii() or last[0] >= "\u0600" else 3)
    common = (
        folded in lexicon.EPONYMS or folded in lexicon.COMMON_SURNAMES_THAT_ARE_WORDS or folded in lexicon.NOT_A_NAME
    )
    if long_enough and not common and not last.isupper() and (last[0].isupper() or not last[0].isascii()):
        plain = "\u0600" <= last[0] <= "\u06ff" and not last.startswith("ال") and len(words) == 1
        if not plain and last not in {"देवी", "बाई", "लाल", "राम"}:
            forms.add(last)
    return forms
