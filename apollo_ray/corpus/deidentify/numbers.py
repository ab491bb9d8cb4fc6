"""Numbers and addresses: what follows a cue, what proves itself by its check digits, and telephone numbers."""

import importlib
import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

from apollo_ray.corpus.deidentify import cues, identifiers, lexicon

DIGIT = re.compile(r"\d")

_LABEL = 48  # characters before a value in which its cue is looked for; the longest cue has 34
_TRAILING = re.compile(
    r"(?:[\s:：#=.\-–(]+|\b(?:is|are|n\.?o?|num|number|numero|es el|es|el|est le|est|au|at|on|to|from|du|del|le|"
    r"me|back)\b|है|पर|هو|هي|على|是|为)$"
)
_CLAUSE_START = "\n\r.,;|•·*-–(\t\0。；，、"


def cue_before(text: str, end: int, lang: str | None, colon: bool = False) -> cues.Cue | None:
    """The cue that text[:end] ends with. `colon`: a colon stands at `end`, so that strict cues count too."""
    if not _may_end_a_cue(text[max(0, end - 24) : end], lang):
        return None
    label = cues.fold(text[max(0, end - _LABEL) : end]).rstrip(" \t\u00a0\u3000#.")
    found = _lookup(label, lang, colon)
    if found or colon:
        return found
    had_colon = False
    for _ in range(6):
        shorter = _TRAILING.sub("", label).rstrip(" \t\u00a0\u3000")
        if shorter == label:
            return None
        had_colon = had_colon or ":" in label[len(shorter) :] or "：" in label[len(shorter) :]
        label = shorter
        if found := _lookup(label, lang, had_colon):
            return found
    return None


def _may_end_a_cue(before: str, lang: str | None) -> bool:
    """Whether the last word is one that cues or the words after them end with: no for 19 of 20 numbers in prose."""
    before = before.rstrip(" \t\u00a0\u3000:：#=.-–(°º")
    word = before[before.rfind(" ") + 1 :].lstrip("(\"'[«“\n,;|")
    if not word:
        return False
    if word[-1] >= "\u3400":
        return word[-1] in _last_words(lang)
    return _folded(word.rsplit("\n")[-1]) in _last_words(lang)


_folded = lru_cache(1 << 14)(cues.fold)
_CONNECTORS = lexicon.words("is are no n num number numero el es est le au at on to from du del me back है पर هو هي على")


@cache
def _last_words(lang: str | None) -> frozenset[str]:
    words = {cue.rsplit(" ", 1)[-1].rstrip("o.") for cue in cues.table(lang)[0]}
    words |= {cue.rsplit(" ", 1)[-1] for cue in cues.table(lang)[0]} | {cues.fold(word) for word in _CONNECTORS}
    return frozenset(words | {word[-1] for word in words if word and word[-1] >= "\u3400"} | set("是为"))


def _lookup(label: str, lang: str | None, colon: bool) -> cues.Cue | None:
    table, lengths = cues.table(lang)
    for length in lengths:
        cue = table.get(label[-length:]) if length <= len(label) else None
        if cue is None or (cue.colon and not colon):
            continue
        before = label[: len(label) - length]
        if before and before[-1].isalnum() and (before[-1] < "\u3400" or label[-length] < "\u3400"):
            continue
        if (
            cue.opening
            and before.rstrip(" ")
            and before.rstrip(" ")[-1] not in _CLAUSE_START
            and not before.endswith("  ")
        ):
            continue
        return cue
    return None


_VALUE = re.compile(
    r"[#\s]{0,2}(?P<v>[A-Za-z0-9]+(?:[\-/.·][A-Za-z0-9]+)*(?: \d[\w\-/]*(?:[\-/.]\d+)*)*)"
)  # "P1029384", "KMC/2021/55831", "78 43652098 40"
_ID_VALUE = re.compile(
    r"[#\s]{0,2}(?P<v>[A-Za-z]{0,2}[ \-]?\d[\dA-Za-z]*(?:[ .\-]\d[\dA-Za-z]*)*(?:-[\dA-Za-z])?|[A-Z]{4,5}\d[A-Z0-9]+)"
)
_PLATE = re.compile(
    r"\s?(?P<v>[\u4e00-\u9fff][A-Z][·•.]?[A-Z0-9]{5,6}|"
    r"(?=.{0,12}\d)[A-Za-z0-9\u0621-\u064a]{1,8}(?:[ \-][A-Za-z0-9\u0621-\u064a]{1,7}){0,3})"
)
_PHONE = re.compile(r"\s{0,2}(?P<v>[+(]{0,2}\d(?:[ ().\-/\u00a0]{0,2}\d){6,16})(?![A-Za-z\d])")
_CARD = re.compile(r"\s?(?P<v>\d(?:[ \-]?\d){12,18})(?!\d)")
_IBAN_CHECK = re.compile(r"[0-9]{2}(?<=[A-Z]{2}[0-9]{2})(?<!\w.{4}) ?[A-Z0-9]{4}")
_IBAN = re.compile(r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")
_HANDLE = re.compile(r"\s?(?P<v>@?[A-Za-z0-9_][\w.\-]{3,29})")
_FEWEST_DIGITS = {"RECORD": 3, "ID": 6, "PLATE": 2, "PHONE": 7, "CARD": 12, "HANDLE": 0}
_FORMS = {"RECORD": _VALUE, "ID": _ID_VALUE, "PLATE": _PLATE, "PHONE": _PHONE, "CARD": _CARD, "HANDLE": _HANDLE}
_SEPARATED_DATE = re.compile(r"^(?:\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}|\d{4}[-/.]\d{1,2}[-/.]\d{1,2})$")


def value_at(text: str, start: int, kind: str) -> tuple[int, int] | None:
    """The number of a cue's type that begins at `start` (spaces before it aside)."""
    match = _FORMS[kind].match(text, start)
    if not match or sum(map(str.isdigit, match["v"])) < _FEWEST_DIGITS[kind]:
        return None
    if kind in {"RECORD", "PHONE"} and _SEPARATED_DATE.match(match["v"].split(" ")[0]):
        return None
    if kind == "RECORD" and re.fullmatch(r"(?:19|20)\d\d", match["v"]):
        return None
    if kind == "PHONE" and sum(map(str.isdigit, match["v"])) > 15:
        return None
    end = match.end("v")
    while text[end - 1] in ".-/ ":
        end -= 1
    return match.start("v"), end


_NUMBER = re.compile(r"[+(0-9](?<![\d.].)(?:[ ().\-/\u00a0]{0,2}[0-9])+")
_LETTER_AFTER = re.compile(r"[0-9]{4}-?[A-Z](?![a-z])")
_LETTERED = re.compile(
    r"(?<!\w)(?:\d{8}-?[A-Z]|[XYZ]-?\d{7}-?[A-Z]|[A-Z]{3}P[A-Z]\d{4}[A-Z]|[A-Z]{4}\d{6}[HM][A-Z]{5}[A-Z0-9]\d|"
    r"\d{17}[Xx]|[12]\d{4}2[AB]\d{8})(?!\w)"
)
_LETTERS_BEFORE = re.compile(
    r"(?:(?<![\w\-])(?:[A-Za-z]{1,5}[\-/·]?){1,2}|(?<!\w)[A-Z]{2} [A-Z0-9]{1,3} [A-Z]{1,2} )\Z"
)
_IP = re.compile(r"(?<![\w.\-])\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\w\-]|\.\d)")
_VERSION = re.compile(r"(?:version|v|EC|versión|版本|section|sección|संस्करण|إصدار)[ .:]?$", re.IGNORECASE)
_NO_PHONE = re.compile(
    r"(?:doi|isbn|issn|pmid|pmc|nct|pp?\.|pages?|pág\w*|vol|cas|grant|figure|table|arxiv|n ?=|[$€£¥₹]|第|共|"
    r"约)[\s:.]*$|[:;/=<>≥≤±~×*^,]$",
    re.IGNORECASE,
)
_CONTACT = re.compile(
    r"(?:\bphone|\bcall(?:ed)?\b|\breached\b|contact(?:o|er)?\b|tel[ée]f|t[ée]l[ée]ph|\bm[oó]vil|celular|"
    r"portable|电话|手机|联系|संपर्क|फ़?ोन|मोबाइल|هاتف|جوال)[^.;\n0-9]{0,38}$",
    re.IGNORECASE,
)
_IDENTITY = re.compile(
    r"(?:identi|insur|assur|asegur|afilia|soci[ae]l|证件|पहचान|هوية)[^.;\n0-9]{0,38}$", re.IGNORECASE
)
_QUANTITY = re.compile(
    r"\s?(?:%|mg|g\b|kg|ml|µl|μl|mm|cm|IU|UI|U/|/|×|x10|人|例|万|亿|元|people|persons?|patients|cases|"
    r"participants|reads|copias|personas|"
    r"habitantes|casos|habitants|euros|dollars|लोग|شخص|مشارك)"
)

REGIONS = {
    "en": ("US", "GB", "IN"), "zh": ("CN", "TW"), "hi": ("IN",), "es": ("ES", "MX", "AR", "CO"),
    "fr": ("FR", "BE", "CA", "MA"), "ar": ("EG", "SA", "MA", "AE"),
}  # fmt: skip


def find(text: str, lang: str | None) -> Iterator[tuple[int, int, str]]:
    """(start, end, type) of what a cue, its check digits or its form betray; `text` has ASCII digits."""
    for match in _NUMBER.finditer(text):
        if span := _judge(text, match, lang):
            yield span
    for sign in _LETTER_AFTER.finditer(text):
        lettered = _LETTERED.search(text, max(0, sign.start() - 14), sign.end() + 8)
        if lettered and identifiers.national_id(lettered.group()):
            yield (*lettered.span(), "ID")
    for sign in _IBAN_CHECK.finditer(text):
        account = _IBAN.match(text, sign.start() - 2)
        if account and identifiers.bank_account(account.group()):
            yield (*account.span(), "IBAN")


def _judge(text: str, match: re.Match[str], lang: str | None) -> tuple[int, int, str] | None:
    found = match.group()
    digits = sum(map(str.isdigit, found))
    start = match.start()
    if text[start - 1 : start] < "\u0900" and (letters := _LETTERS_BEFORE.search(text, max(0, start - 12), start)):
        return _lettered(text, letters.start(), lang) if digits >= 2 else None
    if found.count(".") == 3 and (ip := _IP.match(text, start)):
        good = identifiers.ip_address(ip.group()) and not _VERSION.search(text, max(0, start - 12), start)
        return (*ip.span(), "IP") if good else None
    if digits >= 8:
        number = found.lstrip("(+")
        told = _IDENTITY.search(text, max(0, start - 40), start)
        if identifiers.plausible_id(number) if told else identifiers.national_id(number):
            return match.end() - len(number), match.end(), "ID"
    if digits < 7 and start and text[start - 1] not in " :：#.\u00a0\t号为是码(-" and text[start - 1] < "\u0900":
        return None
    if digits >= 2 or match.end() - start >= 2:
        cue = cue_before(text, start, lang)
        if cue and (cued := _cued(text, start, cue.type, digits)):
            return cued
    near = 7 <= digits <= 15 and _CONTACT.search(text, max(0, start - 40), start)
    if near and (span := value_at(text, start, "PHONE")) and not _NO_PHONE.search(text, max(0, start - 12), start):
        return (*span, "PHONE")
    if 7 <= digits <= 15 and _is_phone(text, match, lang):
        return start + (len(found) - len(found.lstrip())), match.end(), "PHONE"
    return None


def _lettered(text: str, start: int, lang: str | None) -> tuple[int, int, str] | None:
    """ "P1029384", "KMC/2021/55831", "LB07 KXC": a value that letters open, right after its cue."""
    cue = cue_before(text, start, lang)
    span = value_at(text, start, cue.type) if cue and cue.type in {"RECORD", "ID", "PLATE"} else None
    return (*span, cue.type) if cue and span else None


def _cued(text: str, start: int, kind: str, digits: int) -> tuple[int, int, str] | None:
    if kind == "CARD" and (span := value_at(text, start, "CARD")) and identifiers.payment_card(text[slice(*span)]):
        return (*span, "CARD")
    if kind == "ADDRESS":
        match = re.compile(r"\d{1,6}(?:[A-Z]\b|-[A-Z]\b|床)?(?![\d%]|\.\d|,\d)").match(text, start)
        return (*match.span(), "ADDRESS") if match and not _QUANTITY.match(text, match.end()) else None
    if kind in {"RECORD", "ID", "PHONE", "PLATE", "HANDLE"} and digits >= _FEWEST_DIGITS[kind]:
        span = value_at(text, start, kind)
        uncertain = kind == "RECORD" and digits < 5 and text[start - 2 : start].strip() not in (":", "：", "#")
        if span and not uncertain and not (kind != "PLATE" and _QUANTITY.match(text, span[1])):
            return (*span, kind)
    return None


def _is_phone(text: str, match: re.Match[str], lang: str | None) -> bool:
    """A number without a cue, in a form that figures seldom take and that a numbering plan of the language holds."""
    found = match.group().strip()
    if _NO_PHONE.search(text, max(0, match.start() - 12), match.start()) or _QUANTITY.match(text, match.end()):
        return False
    if found[0] == "+":
        return bool(_phones().is_valid_number(parsed)) if (parsed := _parse(found, None)) else False
    form = re.fullmatch(
        r"\(\d{2,4}\)[ ]?\d{3,4}[ \-]\d{4}|\d{3}[\-.]\d{3}[\-.]\d{4}|1-8\d\d-\d{3}-\d{4}|1800-\d{3}-\d{4}|"
        r"0\d(?: \d\d){4}|0\d{4} \d{6}|0\d{2,3}[ \-]\d{7,8}|020 \d{4} \d{4}|1[3-9]\d{9}|"
        r"0\d{9,10}|1[3-9]\d-?\d{4}-?\d{4}|1[3-9]\d \d{4} \d{4}",
        found,
    )
    if not form or re.match(r"[A-Za-z\d\-]", text[match.end() : match.end() + 1]):
        return False
    regions = REGIONS.get(lang or "", sum(REGIONS.values(), ()))
    return any((number := _parse(found, region)) and _phones().is_valid_number(number) for region in regions)


@cache
def _phones() -> Any:
    return importlib.import_module("phonenumbers")


def _parse(text: str, region: str | None) -> Any:
    try:
        return _phones().parse(text, region)
    except _phones().NumberParseException:
        return None
