"""Names in Chinese, Hindi and Arabic, whose scripts have no capitals: titles and word lists mark them."""

import re
from collections.abc import Iterator

from apollo_ray.corpus.deidentify import lexicon

HAN = r"\u3400-\u9fff"
_HAN_NAME = re.compile(rf"[{HAN}]{{2,4}}(?:·[{HAN}]{{1,6}})*|[{HAN}]{{1,6}}(?:·[{HAN}]{{1,6}})+")
_DEVANAGARI = re.compile(r"[\u0900-\u0963\u0970-\u097f\u200c\u200d]+")
_ARABIC = re.compile(r"[\u0621-\u065f\u0670-\u06d3]+")
_SURNAME = rf"(?:{lexicon.CHINESE_DOUBLE_SURNAMES}|[{lexicon.CHINESE_SURNAMES}])"
_ZH_ROLES = (
    "患者|患儿|病人|死者|产妇|母亲|父亲|儿子|女儿|妻子|丈夫|家属|护士|户主|监护人|老人|配偶|医生|医师|联系人|助理"
)
_ZH_TITLES = "医生|医师|主任|教授|大夫|护士长?|院长|先生|女士|小姐|同志|老师|主治"
_HAN_TITLE = re.compile(_ZH_TITLES)
_BEFORE_TITLE = re.compile(
    rf"(?:(?<![{HAN}])(?P<titled>{_SURNAME}[{HAN}]{{0,2}})|(?:(?<=[是找请由和与经给谢见问叫向让了到的])|"
    rf"(?<=通知|联系|预约|感谢|告知|请教|询问|咨询|报告))(?P<short>{_SURNAME}))\Z"
)
_FORWARD = re.compile(
    rf"我叫(?P<self>[{HAN}]{{2,4}}?)(?=[，,。；;、！!\s]|$)"
    rf"|姓名(?P<named>{_SURNAME}[{HAN}]{{1,2}})(?=[，,。；;\s]|$)"
    rf"|(?:{_ZH_ROLES})(?:(?P<role>{_SURNAME}[{HAN}]{{1,2}})(?=[，,（(、；;](?:男|女|系|因|现)|[，,](?:\d|身份|"
    rf"住|电话)))"
    rf"|(?:护士|收件人|联系人|术者|主刀|助手|麻醉医师|母亲|父亲|家属|户主|儿子|女儿|妻子|丈夫|"
    rf"配偶)(?P<kin>{_SURNAME}[{HAN}]{{1,2}}?)"
    r"(?=记录|诉|代诉|要求|表示|陪同|签字|签名|述|说|称|所做|于|来院|测|执行|医生|医师|主任|[，,。；;（(\n]|$)"
)
_MASKED = re.compile(
    rf"(?:(?<![{HAN}])|(?<=患者|病人|死者|患儿|"
    rf"产妇)){_SURNAME}某{{1,2}}(?![种个些一地时处天日年项类次医院市校省县区公])"
)


def find(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of the names that the titles, roles and introductions of the three languages mark."""
    if re.search(f"[{HAN}]", text):
        yield from chinese(text)
    if re.search("[\u0900-\u097f]", text):
        yield from hindi(text)
    if re.search("[\u0600-\u06ff]", text):
        yield from arabic(text)


def after_header(text: str, start: int, weak: bool) -> tuple[int, int] | None:
    """The name that begins at `start`, behind a header's colon; of a weak header ("患者：") only a plain one."""
    first = text[start]
    if "\u0900" <= first <= "\u097f":
        span = _words(text, start, _DEVANAGARI, lexicon.HINDI_STOP, 4)
        return span if span and (not weak or text[slice(*span)].split()[-1] in lexicon.HINDI_NAME_WORDS) else None
    if first <= "\u06ff":
        span = _words(text, start, _ARABIC, lexicon.ARABIC_STOP, 4)
        return span if span and (not weak or text[slice(*span)].split()[0] in lexicon.ARABIC_NAME_WORDS) else None
    name = _HAN_NAME.match(text, start)
    if not name or re.match(f"[{HAN}]", text[name.end() : name.end() + 1]):
        return None
    return (
        name.span()
        if not weak or (_STARTS_SURNAME.match(name.group()) and _PERSON_FOLLOWS.match(text, name.end()))
        else None
    )


_STARTS_SURNAME = re.compile(_SURNAME)
_PERSON_FOLLOWS = re.compile(r"[，,\s（(]{0,2}(?:男|女|性别|年龄|\d{1,3}岁|住|电话|身份证)")


def chinese(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of names before a title, after a role or an introduction, and of masked ones (张某)."""
    for title in _HAN_TITLE.finditer(text):
        match = _BEFORE_TITLE.search(text, max(0, title.start() - 6), title.start())
        if match:
            kind = match.lastgroup or ""
            name = match[kind]
            if not (len(name) > 1 and _NO_GIVEN_NAME.intersection(name)) and not _is_word(name, text, match.end()):
                yield match.span(kind)
    for match in _FORWARD.finditer(text):
        kind = match.lastgroup or ""
        if not _is_word(match[kind], text, match.end(kind)):
            yield match.span(kind)
    if "某" in text:
        yield from (match.span() for match in _MASKED.finditer(text))


_NO_GIVEN_NAME = frozenset("医生主任护士家全专病科院治疗位名")


def _is_word(name: str, text: str, end: int) -> bool:
    return name[:2] in lexicon.NOT_CHINESE_NAMES or (name + text[end : end + 1])[:2] in lexicon.NOT_CHINESE_NAMES


_HI_STRONG = re.compile(r"(?<![\u0900-\u097f])(?:डॉ\.[ \u00a0]?|(?:डॉ|श्रीमती|श्री|कुमारी|सुश्री|प्रो\.|मेरा नाम)[ \u00a0])")
_HI_WEAK = re.compile(r"(?<![\u0900-\u097f])(?:डॉक्टर|नर्स|मरीज़?|रोगी|मैं|प्रोफेसर|का नाम)[ \u00a0]")
_AR_STRONG = re.compile(
    r"(?<![\u0621-\u06d3])و?ل?(?:د\.|(?:ال)?سيد[ةه]|السيد|الآنسة|البروفيسور|(?:الأستاذ )?(?:ال)?دكتور[ةه]?|"
    r"الأستاذ[ةه]?|اسمي|الحاج[ةه]?)[ \u00a0]"
)
_AR_WEAK = re.compile(
    r"(?<![\u0621-\u06d3])و?ل?(?:المريض[ةه]?|للمريض[ةه]?|الممرض[ةه]?|الطبيب[ةه]?|أنا|الاتصال على|مريض[ةه]?)[ \u00a0]"
)


def hindi(text: str) -> Iterator[tuple[int, int]]:
    for pattern, known in ((_HI_STRONG, False), (_HI_WEAK, True)):
        for match in pattern.finditer(text):
            span = _words(text, match.end(), _DEVANAGARI, lexicon.HINDI_STOP, 3)
            if span and (not known or any(w in lexicon.HINDI_NAME_WORDS for w in text[slice(*span)].split())):
                yield span


def arabic(text: str) -> Iterator[tuple[int, int]]:
    for pattern, known in ((_AR_STRONG, False), (_AR_WEAK, True)):
        for match in pattern.finditer(text):
            span = _words(text, match.end(), _ARABIC, lexicon.ARABIC_STOP, 2)
            if not span:
                continue
            words = text[slice(*span)].split()
            if words[0] in lexicon.ARABIC_NAME_WORDS or (
                not known and (words[0][:2] != "ال" or _closed(text, span[1]))
            ):
                yield span


def _closed(text: str, at: int) -> bool:
    return not text[at : at + 1] or text[at] in "،,.؛\n؟)"


_AR_LINKS = lexicon.words("بن بنت ابن أبو ابو آل عبد أم")


def _words(text: str, start: int, word: re.Pattern[str], stop: frozenset[str], most: int) -> tuple[int, int] | None:
    """Up to `most` words from `start` on, one space apart, before the first that is in `stop`."""
    at, end, count = start, start, 0
    while count < most and (match := word.match(text, at)):
        if match.group() in stop and not (count and match.group() in _AR_LINKS):
            break
        end = match.end()
        count += match.group() not in _AR_LINKS
        if text[end : end + 1] != " ":
            break
        at = end + 1
    return (start, end) if end - start >= 2 else None
