"""The rules: text in, spans of personal data out.

Cheap gates stand first: a text without digits, '@', colons or titles costs a few scans of its characters. A cue is
looked up from the characters before a colon or a number; no cue words are searched for throughout the text.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from apollo_ray.corpus.deidentify import dates, names, numbers, scripts, streets

TYPES = (
    "NAME", "ADDRESS", "DATE", "AGE", "PHONE", "EMAIL", "URL", "RECORD", "ID", "IP", "PLATE", "IBAN", "CARD", "HANDLE"
)  # fmt: skip


@dataclass(frozen=True)
class Span:
    """text[start:end] is personal data of a type of TYPES."""

    start: int
    end: int
    type: str


PLACEHOLDER = re.compile(rf"\[(?:{'|'.join(TYPES)})(?:_\d+)?\]")

_FOREIGN_DIGIT = re.compile("[०-९٠-٩۰-۹０-９]")
_TO_ASCII = str.maketrans({ord(zero) + i: str(i) for zero in "०٠۰０" for i in range(10)})
_COLON = re.compile(r"[:：]")
_EMAIL = re.compile(r"(?<![\w.+\-])[\w.+\-]{1,64}@[\w\-]{1,63}(?:\.[\w\-]{1,63}){1,6}")
_HANDLE = re.compile(r"(?<![\w@/.])@[A-Za-z_][\w.]{1,29}")
_SOCIAL = re.compile(
    r"(?:twitter|instagram|facebook|tiktok|telegram|threads|mastodon|handle|follow|sígueme|suivez|微博|"
    r"انستغرام|إنستغرام|تويتر|تابعوني|فيسبوك|इंस्टाग्राम|ट्विटर|फेसबुक)[^@\n]{0,30}$",
    re.IGNORECASE,
)
_URL = re.compile(r"(?:https?://|www\.)[^\s<>\"'，。；、（）)\]।،\0]+", re.IGNORECASE)
_PERSONAL_URL = re.compile(
    r"[?&;](?:uid|pid|token|session\w*|user\w*|patient\w*|paciente|record\w*|mrn|nhc|auth\w*|key|e?mail|account|"
    r"name|dob|dossier)="
    r"|/(?:patients?|paciente|report|records?|dossier|users?|account|profile)\?\w*id=|/(?:patients?|pacientes?|"
    r"users?|u|profiles?|people|records?|dossiers?|accounts?|members?|usuarios?)/[\w.\-]+"
    r"|/~\w|//[^/@\s]+@|(?:facebook|twitter|x|instagram|tiktok|threads|weibo)\.com/@?[\w.]+|"
    r"linkedin\.com/in/[\w\-]+|t\.me/\w+",
    re.IGNORECASE,
)
# A bare "Name:" is a person's in a record only: "Name: Aspirin" stands in leaflets.
_AMONG_HEADERS = re.compile(
    r"(?:\b(?:age|edad|[âa]ge|sexo?|sexe|gender|dob|mrn|address|phone|apellidos?|nhc|pr[ée]nom|né(?:e|\(e\))? "
    r"le|ipp|domicilio|"
    r"chief complaint|diagnos\w+|born|fecha de nac\w+)|年龄|性别|आयु|उम्र|लिंग|العمر|الجنس|المريض|الرقم|الرقم "
    r"القومي|رقم الهوية)"
    r"\s?(?:[:：]|\d)",
    re.IGNORECASE,
)
_RANK = {"ADDRESS": 0, "NAME": 1, "PHONE": 2, "DATE": 2, "AGE": 2}


def find(text: str, lang: str | None = None, clinical: bool | None = None) -> list[Span]:
    """Spans of personal data in `text`, sorted and apart from one another; of overlapping finds the longest stays.

    `lang` chooses the cue words (with the English ones); None or an unknown code means those of all six languages.
    `clinical` says whether full calendar dates without a cue are personal: None lets the headers, patients and
    encounters near each date decide. Rules find what is written in the usual forms: a name without a title, header
    or role is not found, and no claim of completeness is made. Never raises.
    """
    plain = _blank_placeholders(text)
    found = list(_found(plain, lang, clinical))
    spans = _resolve(found)
    known = {plain[s.start : s.end] for s in spans if s.type == "NAME"}
    if known:
        spans = _resolve(spans + [Span(*span, "NAME") for span in names.again(plain, known)])
    return spans


def _blank_placeholders(text: str) -> str:
    """Same length: ASCII digits for the other scripts' ones, NULs for placeholders, which no rule's value contains."""
    if not text.isascii() and _FOREIGN_DIGIT.search(text):
        text = text.translate(_TO_ASCII)
    return PLACEHOLDER.sub(lambda match: "\0" * len(match.group()), text) if "[" in text else text


def _found(text: str, lang: str | None, clinical: bool | None) -> Iterator[Span]:
    headers = list(_headers(text, lang))
    yield from headers
    named = list(names.latin(text, lang))
    if not text.isascii():
        named += scripts.find(text)
    yield from (Span(*span, "NAME") for span in named)
    if "@" in text:
        yield from _addresses_at(text)
    if "://" in text or "www." in text or "WWW." in text:
        yield from (Span(*m.span(), "URL") for m in _URL.finditer(text) if _PERSONAL_URL.search(m.group()))
    if numbers.DIGIT.search(text):
        figures = list(numbers.find(text, lang))
        yield from (Span(start, end, kind) for start, end, kind in figures)
        ages = list(dates.great_ages(text))
        yield from (Span(*span, "AGE") for span in ages)
        people = [start for start, _ in named]
        marks = [s.start for s in headers if s.type in _RECORD_TYPES]
        marks += [start for start, _, kind in figures if kind in _RECORD_TYPES] + [start for start, _ in ages]
        near = _Neighbourhood(text, sorted(marks), sorted(people))
        last = -_NEAR
        for start, end in dates.calendar_dates(text):
            personal = near.is_clinical(start) if clinical is None else clinical
            if personal and dates.is_yearless(text[start:end]):  # common in Chinese news too: after a full date only
                personal = start - last < 60 or near.is_record(start)
            cue = None if personal else numbers.cue_before(text, start, lang)
            if personal or (cue and cue.type == "DATE"):
                last = end
                yield Span(start, end, "DATE")
        yield from (Span(*span, "ADDRESS") for span in streets.find(text))


def _headers(text: str, lang: str | None) -> Iterator[Span]:
    """Values behind a colon that a cue precedes."""
    for match in _COLON.finditer(text):
        cue = numbers.cue_before(text, match.start(), lang, colon=True)
        if not cue:
            continue
        start = match.end()
        while text[start : start + 1] in (" ", "\t", "\u00a0", "\u3000"):
            start += 1
        if cue.type in {"NAME", "NAME_WEAK"}:
            weak = cue.type == "NAME_WEAK"
            span = names.after_header(text, start, weak)
            bare = cue.opening and not weak
            if span and not (bare and not _AMONG_HEADERS.search(text, max(0, match.start() - 200), span[1] + 200)):
                yield Span(*span, "NAME")
        elif cue.type == "ADDRESS":
            if span := streets.address_line(text, start):
                yield Span(*span, "ADDRESS")
        elif cue.type == "DATE":
            if span := dates.date_at(text, start):
                yield Span(*span, "DATE")
        elif cue.type != "IP" and (span := numbers.value_at(text, start, cue.type)):
            yield Span(*span, cue.type)


def _addresses_at(text: str) -> Iterator[Span]:
    for match in _EMAIL.finditer(text):
        end = match.end() - (match.group()[-1] in "-_")
        yield Span(match.start(), end, "EMAIL")
    for match in _HANDLE.finditer(text):
        if _SOCIAL.search(text, max(0, match.start() - 60), match.start()):
            yield Span(match.start(), match.start() + len(match.group().rstrip(".")), "HANDLE")


_ENCOUNTER = re.compile(
    # one patient
    r"(?P<one>\b(?:the|this|our|my) patient\b|\bpatient (?:is|was|has|had|presented)\b|\b(?:el|la|esta|este) "
    r"paciente\b|\b(?:le|la|cette|ce) patiente?\b|"
    r"\d{1,3}[\- ]years?[\- ]old (?:\w+ ){0,2}(?:man|woman|male|female|gentleman|lady|boy|girl|patient)|"
    r"paciente de \d+ a|(?:varón|mujer) de \d+ a|"
    r"(?:patiente?|homme|femme|garçon|fille) (?:âgée? )?de \d+ ans|患者|病人|मरीज|रोगी|المريض)"
    # an encounter
    r"|(?P<event>\b(?:admitted|discharged|attended|referr|clinic\b|seen (?:on|in|by)|was seen|operat|implanted|"
    r"biopsy|specimen|diagnosed|consult|"
    r"surgery|follow[- ]up|vaccin|born\b)|ingres|\balta\b|intervenid|\boper[óé]|dicté|acude|consulta|nacid[oa] "
    r"el|hospitalis|consultation|opérée?|\bvue? (?:en|le)\b|"
    r"posé le|[Ss]igné|née? le|admis|scanner|biopsi|入院|出院|就诊|手术|急诊|产检|查房|भर्ती|छुट्टी|परामर्श|दुर्घटना|"
    r"ऑपरेशन|जन्म|المستشفى|العيادة|العملية|حادث|"
    r"الفحص|زرع|الخزعة|للمريض|المستشفى|مواليد|trasladad|accident|collision|electronically|\bCT\b|\bMRI\b|"
    r"électronique|signed electronically|revisó la|[Hh]ospitalisée)"
    # a clinician or a titled person
    r"|(?P<title>\b(?:Dr|Dra|Mr|Mrs|Ms|Miss|Mme|Mlle|Sr|Sra|Pr)\b\.? [A-ZÀ-Þ\0]|\b(?:M|D)\. [A-ZÀ-Þ\0]|"
    r"\b(?:Monsieur|Madame|[Dd]octeur|[Dd]octor|[Dd]octora|[Pp]rofesor|Don|Doña) [A-ZÀ-Þ\0]|, MD\b|"
    r"医生|医师|教授|डॉ|श्री|सुश्री|कुमारी|السيد|الدكتور|الآنسة|د\. )",
)
_RECORD_TYPES = frozenset(("NAME", "ADDRESS", "DATE", "AGE", "RECORD", "ID", "PLATE"))
_NEAR, _HEADER_REACH = 400, 10_000


class _Neighbourhood:
    """What stands around a date, asked once per 200 characters."""

    def __init__(self, text: str, marks: list[int], people: list[int]) -> None:
        self.text, self.marks, self.people = text, marks, people
        self.known: dict[int, bool] = {}

    def is_clinical(self, at: int) -> bool:
        """A record header within 10,000 characters, or two of: one patient, an encounter, a named person within 400."""
        block = at // 200
        if block not in self.known:
            self.known[block] = self.is_record(at) or len(self._kinds(200 * block)) >= 2
        return self.known[block]

    def is_record(self, at: int) -> bool:
        return _within(self.marks, at, _HEADER_REACH)

    def _kinds(self, at: int) -> set[str | None]:
        first, last = max(0, at - _NEAR), at + 200 + _NEAR
        kinds = {match.lastgroup for match in _ENCOUNTER.finditer(self.text, first, last)}
        return kinds | ({"title"} if _within(self.people, at + 100, _NEAR + 100) else set())


def _within(places: list[int], at: int, reach: int) -> bool:
    """Whether one of the sorted `places` is less than `reach` from `at`."""
    index = bisect_left(places, at - reach + 1)
    return index < len(places) and places[index] < at + reach


def union(text: str, exact: Iterable[Span], guessed: Iterable[Span]) -> list[Span]:
    """The spans of the rules and those of an engine that touch neither them nor a placeholder."""
    taken = [Span(*match.span(), "") for match in PLACEHOLDER.finditer(text)]
    inside = [span for span in guessed if 0 <= span.start < span.end <= len(text)]
    kept = _resolve([span for span in inside if _is_value(text[span.start : span.end])], taken)
    return _resolve(kept, list(exact))


def _is_value(text: str) -> bool:
    return "\0" not in text and any(map(str.isalnum, text))


def _resolve(spans: Iterable[Span], first: Iterable[Span] = ()) -> list[Span]:
    """The longest of overlapping spans, of equal ones the more specific type; those of `first` before all."""
    chosen = sorted(first, key=_start)
    for span in sorted(spans, key=lambda s: (s.start - s.end, -_RANK.get(s.type, 3), s.start, s.type)):
        at = bisect_left(chosen, span.start, key=_start)
        after_previous = at == 0 or chosen[at - 1].end <= span.start
        if span.end > span.start and after_previous and (at == len(chosen) or span.end <= chosen[at].start):
            chosen.insert(at, span)
    return [span for span in chosen if span.type]


def _start(span: Span) -> int:
    return span.start
