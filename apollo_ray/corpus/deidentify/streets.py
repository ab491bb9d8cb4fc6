"""Postal addresses: street lines by their form, and what stands behind an address cue."""

import re
from collections.abc import Iterator

_WORD = r"[A-ZÀ-ÞŒ][\w'’.]*"
_LOWER = r"(?:de|del|la|las|los|el|y|du|des|le|les|l['’]|d['’]|en|sur|of|the)"
_GB_POSTCODE = r"[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}"
_ENGLISH_STREET = re.compile(
    r"[0-9](?<![\w.,\-].)[0-9]{0,4}[A-Za-z]? (?:[A-Z][\w'’]*\.? ){1,4}(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|"
    r"Drive|Boulevard|Blvd|Court|Terrace|"
    r"Square|Close|Crescent|View|Highway|Hwy|Parkway|Row|Gardens|Way|Place|Nagar|Marg|Layout)\b\.?"
    rf"(?:,? (?:Apt|Apartment|Unit|Suite|Ste|Flat)\.? ?#?\w+)?(?:,? (?:[A-Z][a-z]+ ?){{1,3}})?(?:,? "
    rf"(?:[A-Z]{{2}} \d{{5}}(?:-\d{{4}})?|{_GB_POSTCODE}|\d{{6}}))?"
)
_SPANISH_STREET = re.compile(
    r"[CAPRUTc](?<!\w.)(?:(?<=C)(?:/|arretera|tra\.?|amino)|(?<=[Cc])alle|(?<=A)(?:vda\.?|venida|v\.)|"
    r"(?<=P)(?:laza|za\.?|aseo|º)|(?<=R)onda|"
    r"(?<=T)ravesía|(?<=U)rb(?:anización|\.))\s?"
    rf"(?:{_LOWER} ){{0,3}}{_WORD}(?:[ \-](?:{_LOWER} ){{0,3}}{_WORD}){{0,5}},? ?(?:n[.º°] ?)?(?:\d{{1,4}}\b|"
    rf"[Ss]/[Nn])(?:[,\- ]{{1,3}}\d{{1,2}}\s?[ºª°]\s?(?:\w{{1,9}}\b)?)?"
    rf"(?:[ ,.\-]{{1,3}}(?:E-)?\d{{5}}\b)?(?: {_WORD}(?: (?:{_LOWER} ){{0,2}}{_WORD}){{0,2}})?"
)
_FRENCH_STREET = re.compile(
    r"[0-9](?<![\w.,\-].)[0-9]{0,3}(?: ?(?:bis|ter|[A-D]))?,? (?:rue|avenue|av\.|boulevard|bd|chemin|place|"
    r"allée|impasse|route|quai|cours|square|passage|faubourg) "
    rf"(?:{_LOWER} ?){{0,3}}{_WORD}(?:[ \-](?:{_LOWER} ?){{0,3}}{_WORD}){{0,4}}(?:,? \d{{5}} "
    rf"{_WORD}(?:[ \-](?:{_LOWER}[ \-]){{0,2}}{_WORD}){{0,3}})?"
)
_CHINESE_STREET = re.compile(
    r"(?=[\u4e00-\u9fff])(?:[\u4e00-\u9fff]{2,7}?(?:省|市|自治区|区|县))+[\u4e00-\u9fff\d]{1,18}?(?:路|街|道|巷|"
    r"弄|村|镇|胡同)[\u4e00-\u9fff]{0,4}[甲乙丙]?\d{1,5}(?:号|弄)"
    r"(?:院|楼)?(?:\d{1,4}(?:号楼|号|栋|幢|单元|室|楼|层))*"
)
_ARABIC_STREET = re.compile(
    r"(?<![\u0621-\u06d3])(?:شارع|حي|طريق) [\u0621-\u06d3]+(?: [\u0621-\u06d3]+){0,2}[،,]? (?:مبنى|بناية|عمارة|"
    r"رقم|منزل|شقة) ?\d+(?:[،,] [\u0621-\u06d3]+)?"
)
_HINDI_STREET = re.compile(r"(?:मकान|फ्लैट|प्लॉट)(?: नं\.?| नंबर)? ?\d+[^\n।;]{0,60}?(?=[।;\n]|$)")


def find(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of street addresses with a house number, in the usual form of the six languages."""
    patterns = [_ENGLISH_STREET, _SPANISH_STREET, _FRENCH_STREET]
    if not text.isascii():
        patterns += [
            p
            for p, sign in (
                (_CHINESE_STREET, "号"),
                (_ARABIC_STREET, "شارع"),
                (_ARABIC_STREET, "حي"),
                (_HINDI_STREET, "मकान"),
            )
            if sign in text
        ]
    for pattern in patterns:
        for match in pattern.finditer(text):
            yield match.start(), match.start() + len(match.group().rstrip(" ,."))


_ABBREVIATION = re.compile(
    r"(?:\b(?:Avda|Av|Pl|Pza|Sta|Sto|St|Dr|Dra|Rd|Ctra|Urb|No|Apt|Ste|Gral|nº|Bda|Pol|Ind|Esc|C|D)|नं|[ºª]|\b[A-Z])$"
)
_LINE_END = re.compile(
    r"[\n\r;；。।|\0]|[.,，、] ?$| {3}|\.(?=\s)|[，、](?=[\u4e00-\u9fff]{2,8}[:：])|,(?= [^\W\d]{2,12}:)"
)


def address_line(text: str, start: int) -> tuple[int, int] | None:
    """What stands behind an address cue, to the end of its line or sentence: at most 120 characters."""
    at, limit = start, min(len(text), start + 120)
    while True:
        stop = _LINE_END.search(text, at, limit)
        end = stop.start() if stop else limit
        if not stop or stop.group() != "." or not _ABBREVIATION.search(text, max(start, end - 6), end):
            break
        at = stop.end()
    next_label = re.search(
        r"[，,](?=户主|电话|联系|邮编|身份证|姓名|手机)|\s(?=[A-ZÀ-Þ][\w\-]{2,15}:)|[,，、] "
        r"?(?=[^:：,，、]{2,20}[:：])|[ \u3000](?=[\u4e00-\u9fff]{2,5}[:：])",
        text[start:end],
    )
    if next_label:
        end = start + next_label.start()
    while end > start and text[end - 1] in " .,，、\t\u00a0":
        end -= 1
    value = text[start:end]
    personal = value and not value.startswith(("http", "www", "[")) and len(value.split()) <= 20
    return (start, end) if personal and any(c.isdigit() or c.isupper() or c > "\u0900" for c in value) else None
