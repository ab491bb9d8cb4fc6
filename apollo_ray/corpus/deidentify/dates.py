"""Full calendar dates, and ages of 90 and over. A year alone, a month with its year and a duration are neither."""

import re
from collections.abc import Iterator

_MONTHS = (
    # English, Spanish, French
    r"jan(?:uary|vier)?|feb(?:ruary)?|mar(?:ch|zo|s)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember|"
    r"embre|iembre)?|oct(?:ober|obre|ubre)?|"
    r"nov(?:ember|embre|iembre)?|dec(?:ember)?|enero|ene|febrero|abril|abr|mayo|junio|julio|agosto|ago|"
    r"setiembre|diciembre|dic|"
    r"f[ée]v(?:rier)?|avr(?:il)?|mai|juin|juil(?:let)?|ao[ûu]t|d[ée]c(?:embre)?|"
    # Hindi
    r"जनवरी|फरवरी|फ़रवरी|मार्च|अप्रैल|मई|जून|जुलाई|अगस्त|सितंबर|सितम्बर|अक्टूबर|अक्तूबर|नवंबर|नवम्बर|दिसंबर|दिसम्बर|"
    # Arabic: Gregorian of Egypt and the Gulf, of the Levant, of the Maghreb; Hijri
    r"يناير|فبراير|مارس|أبريل|ابريل|إبريل|مايو|يونيو|يوليو|أغسطس|اغسطس|سبتمبر|أكتوبر|اكتوبر|نوفمبر|ديسمبر|"
    r"كانون الثاني|شباط|آذار|نيسان|أيار|حزيران|تموز|آب|أيلول|تشرين الأول|تشرين الثاني|كانون الأول|جانفي|فيفري|"
    r"أفريل|ماي|جوان|جويلية|أوت|"
    r"محرم|صفر|ربيع الأول|ربيع الآخر|ربيع الثاني|جمادى الأولى|جمادى الآخرة|جمادى الثانية|رجب|شعبان|رمضان|شوال|"
    r"ذو القعدة|ذو الحجة|"
    r"ذي القعدة|ذي الحجة"
)
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_MONTH = r"(?:0?[1-9]|1[0-2])"
_YEAR = r"(?:1[3-9]|20)\d\d"  # from 1300: Hijri years too
_SHORT_YEAR = rf"(?:{_YEAR}|\d\d)"

_DIGITS_FIRST = re.compile(
    r"(?:"
    rf"{_DAY}(?P<a>[/.\-]){_MONTH}(?P=a){_SHORT_YEAR}|{_MONTH}(?P<b>[/.\-]){_DAY}(?P=b){_SHORT_YEAR}"
    rf"|{_YEAR}(?P<c>[/.\-]){_MONTH}(?P=c){_DAY}"
    rf"|{_DAY}(?:st|nd|rd|th|er|º|°)?[ \-./]{{1,2}}(?:(?:de|of) )?(?:{_MONTHS})\.?[ ,\-./]{{1,2}}(?:(?:de|del|"
    rf"of) )?{_YEAR}"
    r")(?:[ ]?هـ?(?![\u0621-\u06d3]))?(?![\w/]|[.\-]\d)",
    re.IGNORECASE,
)
_MAY_BE_DATE = re.compile(
    r"[0-9](?<![\w/.\-].)(?=[0-9]{0,3}[/.\-][0-9]{1,2}[/.\-][0-9]|[0-9]?(?:st|nd|rd|th|er|º|"
    r"°)?[ \-./]{1,2}(?:(?:de|of) )?[^\s\d.,/\-]{2,12}\.?[ ,\-./]{1,2}"
    r"(?:[^\s\d.,/\-]{2,8}[ .]{1,2})?(?:(?:del?|of) )?[12])"
)
_MONTH_FIRST = re.compile(
    r"[JFMASOND](?<!\w.)(?:an|eb|ar|pr|ay|u[nl]|ug|ep|ct|ov|ec)[a-z]{0,6}"
    rf"\.? {_DAY}(?:st|nd|rd|th)?,? {_YEAR}(?!\w)"
)
_HAN_DIGITS = "〇零一二三四五六七八九十"
_MONTH_SIGN = re.compile(rf"月[ ]?(?:[0-9]|[{_HAN_DIGITS}])")
_CHINESE = re.compile(
    rf"(?:{_YEAR}年[ ]?{_MONTH}月[ ]?{_DAY}[日号]?|"
    rf"[{_HAN_DIGITS}]{{4}}年[{_HAN_DIGITS}]{{1,3}}月[{_HAN_DIGITS}]{{1,3}}[日号])"
    rf"(?:[ ]?[0-2]?\d[时点])?|(?<![\d年至\-]){_MONTH}月{_DAY}[日号]"
)

_BIBLIOGRAPHY = re.compile(
    r"(?:accessed|retrieved|published|updated|epub|cited|version|revised|consultado|publicado|publié|"
    r"mise? à jour|doi|访问日期|检索日期|发表)[ :,]*(?:on |le |el )?$",
    re.IGNORECASE,
)


def calendar_dates(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of full dates in any of the six languages' forms; `text` has ASCII digits."""
    end = 0
    for sign in _MAY_BE_DATE.finditer(text):
        match = _DIGITS_FIRST.match(text, sign.start())
        if match and not _is_reference(text, match):
            yield match.span()
    for match in _MONTH_FIRST.finditer(text):
        if not _is_reference(text, match):
            yield match.span()
    for sign in _MONTH_SIGN.finditer(text) if "月" in text else ():
        found = _CHINESE.search(text, max(end, sign.start() - 8), sign.end() + 8)
        if found:
            end = found.end()
            yield found.span()


def _is_reference(text: str, date: re.Match[str]) -> bool:
    """Whether the date is one of a publication: "accessed 12 May 2020", "2020-05-12;5(2)"."""
    return bool(_BIBLIOGRAPHY.search(text, max(0, date.start() - 24), date.start())) or (
        text[date.end() : date.end() + 1] == ";" and text[date.end() + 1 : date.end() + 2].isdigit()
    )


def is_yearless(date: str) -> bool:
    """Whether a date is a Chinese month and day alone (3月9日)."""
    return "月" in date and "年" not in date


def date_at(text: str, start: int) -> tuple[int, int] | None:
    """The full date that begins at `start`, if one does."""
    for pattern in (_DIGITS_FIRST, _MONTH_FIRST, _CHINESE):
        if match := pattern.match(text, start):
            return match.span()
    return None


_AGE = re.compile(
    r"(?P<n>9(?<![\d.,/\-–±~].)[0-9]|1(?<![\d.,/\-–±~].)[0-2][0-9])(?:"
    r"[ \-]?(?:years?|yrs?|yr|y)[ .\-]?(?:old|of age)|[ ]?y/?o\b|[ ]?(?:años|ans)\b|[ ]?岁|[ ]?(?:वर्ष|"
    r"साल)(?![\u0900-\u0963])"
    r"|[ ]?(?:سنة|عام[اً]*|سنوات)(?![\u0621-\u06d3])|(?=\W|$))"
)
_AGE_BEFORE = {
    "cued": re.compile(r"(?:\b(?:age|aged|edad|[âa]ge|âgée? de)\s?:? ?|年龄[:：]?\s?|(?:आयु|उम्र)\s?[:：]?\s?|"
        r"(?:العمر|عمره|عمرها|عمري|بعمر|عمر)\s?[:：]?\s?)$", re.I),
    "not one person": re.compile(
        r"(?:\b(?:about|around|approximately|almost|nearly|over|under|above|than|between|from|to|or|after|for|"
        r"and)|仅有|约|近|超过|大于|小于|至|"
        r"منذ|لمدة|أكثر من|فوق|قبل|خلال|حوالي|से|लगभग)\s?$",
        re.I,
    ),
    "not one person, es and fr": re.compile(
        r"\b(?:más de|mas de|mayor(?:es)? (?:de|a)|menor(?:es)? (?:de|a)|entre|hasta|hace|desde hace|durante|"
        r"presque|unos|casi|plus de|moins de|depuis|"
        r"pendant|il y a|en|environ|des|de los|los|las|les|y|et|a|à|à partir de)\s?$",
        re.I,
    ),
}  # fmt: skip
_AGE_AFTER_PLURAL = re.compile(
    r"\s?(?:以上|年龄|组|人群|老人们|以下|及以上|后|前|之后|之前|-|–|to \d|and over|or older|and older|y más|et "
    r"plus|o más|ou plus|ago|de (?:suivi|seguimiento|evolución|experiencia|historia)|"
    r"से अधिक|से ऊपर|से कम|तक|पहले|बाद|के लिए|فأكثر|فما فوق|مضت)"
)


def great_ages(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of the numbers 90-129 that are one person's age in years."""
    for match in _AGE.finditer(text):
        before = text[max(0, match.start() - 24) : match.start()]
        cued = _AGE_BEFORE["cued"].search(before)
        bare = match.end() == match.end("n")
        if bare and not (
            cued
            and re.match(r"\s*(?:[,;.\n(،；，।]|$|\s(?:y|ans|años|sex|sexo|sexe|gender)\b)", text[match.end() :], re.I)
        ):
            continue
        unit = text[match.end("n") : match.end()].strip(" -")
        several = "not one person, es and fr" if unit in {"ans", "años"} else "not one person"
        if not cued and _AGE_BEFORE[several].search(before):
            continue
        if not cued and unit in {"ans", "años"} and not re.search(r"(?:\bde |, |\()$", before):
            continue
        if (
            not cued
            and unit not in {"ans", "años"}
            and not re.match(r"[A-Za-z岁]", unit)
            and not re.search(r"[,،] ?$", before)
        ):
            continue
        if _AGE_AFTER_PLURAL.match(text, match.end()):
            continue
        yield match.span("n")
