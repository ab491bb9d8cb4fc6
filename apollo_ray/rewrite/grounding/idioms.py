"""Amounts told in set phrases ("every other day", "an hour and a half", "三分之一"), brought to figures and units."""

import re
import unicodedata
from collections.abc import Callable
from functools import cache

FRACTIONS = {
    "½": 1 / 2, "⅓": 1 / 3, "⅔": 2 / 3, "¼": 1 / 4, "¾": 3 / 4, "⅕": 1 / 5, "⅖": 2 / 5, "⅗": 3 / 5, "⅘": 4 / 5, "⅙": 1 / 6,
    "⅛": 1 / 8, "⅒": 1 / 10,
}  # fmt: skip
"""Of a whole; phrases that tell one are brought to its sign."""

_HAN_DIGITS = {han: str(value) for value, han in enumerate("一二三四五六七八九十", 1)} | {"两": "2"}
_ONE = {"سنت": "سنة", "شهر": "شهر", "ساعت": "ساعة", "أسبوع": "أسبوع", "يوم": "يوم", "عام": "عام"}
_HAN_HOURS = _HAN_DIGITS | {"十一": "11", "十二": "12"}
_HALF_HAN = rf"([{''.join(_HAN_DIGITS)}]|\d+)个半(?=[月小钟星礼世])"

# Pattern, what it becomes. In order; on text in lower case whose digits are ASCII.
_PHRASES: list[tuple[str, str | Callable[[re.Match[str]], str]]] = [
    # marks of ordinals behind a figure, and of exponents
    (r"(?<=\d)(?:\.?er[oa]?|ères?|ère|ème|eme|re|e|nde?|st|nd|rd|th|वें|वीं|वां|वाँ)(?![^\W\d_]|[\u0900-\u097f])", ""),
    (r"(?<=10)\s?[*x×^]?\s?e\+?0*(\d{1,2})(?!\d)|(?<=10)的(\d{1,2})次方", r"^\1\2"),
    (r"(?<=\d)次方", ""),
    # scans have the letter l for the figure 1
    (r"(?<![a-z\d])l(?=\s?(?:岁|个月|mg\b|kg\b|cm\b|mm\b))", "1"),
    # every second day
    (r"\bevery (?:other|second) (?=day|week|month|year)", "every 2 "),
    (r"\b(?:on )?alternat(?:e|ing) (?=days)", "every 2 "),
    (r"\ben días alternos|\ba? ?días alternos|\bun día sí y otro no|\bcada segundo día", "cada 2 días"),
    (r"\b(?:un |1 )(jour|mois|soir) sur (?:deux|2)\b", r"toutes les 2 \1s"),
    (r"\bun (día|mes) de cada dos\b", r"cada 2 \1s"),
    (r"隔(?:一)?([日天周])", r"每2\1"),
    (r"हर दूसरे दिन|(?:एक|1) दिन छोड़ ?कर|एकांतर दिन", "हर 2 दिन"),
    (r"(?:كل )?يوما? بعد يوم", "كل 2 يوم"),
    # and a half
    (r"\b(?:an?|one|1) (hour|day|week|month|year|decade) and a half\b", r"1.5 \1s"),
    (r"\b(?:one|1) and a half (hour|day|week|month|year)", r"1.5 \1"),
    (r"(?<![^\W\d_])(?:un[ae]? )?(hora|día|semana|mes|año|heure|jour|semaine|mois|an|année) (?:y medi[oa]|et demie?)\b", r"1.5 \1"),
    (r"(?<![\u0621-\u064a])(ساعة|سنة|عاما?|شهرا?|يوما?|أسبوعا?|مترا?|مليارا?|مليونا?) ونصف(?: ال[\u0621-\u064a]+)?", r"1.5 \1"),
    (_HALF_HAN, lambda match: f"{_HAN_DIGITS.get(match[1], match[1])}.5个"),
    (r"(?<![\u0621-\u064a])(سنت|شهر|ساعت|أسبوع|يوم|عام)(?:ان|ين) ونصف(?: ال[\u0621-\u064a]+)?", lambda match: f"2.5 {_ONE[match[1]]}"),
    (r"(?<![\u0900-\u097f])सवा (?=घंट|साल|वर्ष|मह|दिन|लीटर|किलो|लाख|करोड़|हज़ार|हजार|सौ)", "1.25 "),
    # parts of an hour, of a dozen, of a year
    (r"\b(?:a |one )?quarter of an hour\b|\b(?:un )?cuarto de hora\b|\b(?:un )?quart d'heure\b", "15 minutes"),
    (r"\bthree[ -]quarters of an hour\b|\btres cuartos de hora\b|\btrois quarts d'heure\b", "45 minutes"),
    (r"一刻钟", "15分钟"),
    (r"三刻钟", "45分钟"),
    (r"पौन(?:े)? (?:घंटे|घंटा)(?! )", "45 मिनट"),
    (r"\bhalf a dozen\b|\bmedia docena\b|\bdemi-douzaine\b", "6"),
    (r"\b(?:a )?fortnight(?:s|ly)?\b", "14 days"),
    (r"\b(?:una )?quincena\b(?! de (?!días))", "15 días"),
    (r"पखवाड़ा|पखवाड़े", "15 दिन"),
    (r"\b(?:cada|each|every|per|por|un) (?:trimestre|quarter)\b|\bchaque trimestre\b|\btrimestral(?:es|mente)?\b", "3 meses"),
    (r"\bchaque semestre\b|\bcada semestre\b|\bsemestral(?:es|mente)?\b", "6 meses"),
    (r"\bb\.?i\.?d\b\.?", " 2 times daily"),
    (r"\bt\.?i\.?d\b\.?", " 3 times daily"),
    (r"\bq\.?i\.?d\b\.?", " 4 times daily"),
    # fractions of a whole
    (r"每([一二两三四五六七八九十百千\d]+)[个名位例]?[^，。；\d]{0,6}?[中里]就?有[一1][个名例位人]", r"\1分之一"),
    (r"(?<=[\d十百千万])多(?=[百千万亿])", ""),
    (r"\b(?:two|2)[ -]thirds\b|\b(?:dos|2) terc(?:io|era parte)s\b|\b(?:deux|2) tiers\b|(?:दो|2) तिहाई|ثلث(?:ا|ي|ان|ين)(?![\u0621-\u064a])", "⅔"),
    (r"\b(?:three|3)[ -](?:quarters|fourths)\b|\b(?:tres|3) cuart(?:os|as partes)\b|\btrois quarts\b|(?:तीन|3) चौथाई|(?:ثلاثة|3) أرباع", "¾"),
    (r"\b(?:a|one) third\b|\bun tercio\b|\b(?:una|la) tercera parte\b|\b(?:un|le) tiers\b|(?:एक|1) तिहाई|(?<![\u0621-\u064a])ثلث(?= )", "⅓"),
    (r"\b(?:a|one) (?:quarter|fourth)\b|\b(?:un|la) cuarta? parte\b|\bun cuarto\b|\b(?:un|le) quart\b|(?:एक |1 )?चौथाई", "¼"),
    (r"\b(?:a|one) fifth\b|\b(?:una|la) quinta parte\b|\bun cinquième\b|(?:एक|1) पाँचवाँ हिस्सा|(?<![\u0621-\u064a])خ[ُ]?مس(?= ال)", "⅕"),
    (r"\b(?:two|2) fifths\b|\bdeux cinquièmes\b|\bdos quintas partes\b|خمسا ال", "⅖"),
    (r"\bthree fifths\b|\btrois cinquièmes\b|\btres quintas partes\b|ثلاثة أخماس", "⅗"),
    (r"\bfour fifths\b|\bquatre cinquièmes\b|\bcuatro quintas partes\b|أربعة أخماس", "⅘"),
    (r"\b(?:a|one) sixth\b|\b(?:una|la) sexta parte\b|\bun sixième\b|(?<![\u0621-\u064a])سدس", "⅙"),
    (r"\b(?:a|one) tenth\b|\b(?:una|la) décima parte\b|\bun dixième\b|(?<![\u0621-\u064a])عشر(?= ال)", "⅒"),
    (r"(?<![\d./])1/2(?=\s?(?:tab|comp|cp|caps|pill|hour|片|粒|गोली|قرص|حبة))", "½"),
    # what six languages call percent with the word for hundred in it
    (r"(?:ب|في )ال(?:مئة|مائة|ماية|مية)", "%"),
    # eleven and twelve in Arabic, told by gender and case
    (r"(?:ال|و)?(?:أحد|احد|إحدى|احدى|حادي|حادية) عشرة?(?![\u0621-\u064a])", " 11 "),
    (r"(?:ال|و)?(?:[اإ]ثن(?:ا|ي|تا|تي)|ثاني|ثانية) عشرة?(?![\u0621-\u064a])", " 12 "),
    # months in a row: 789月, 7.8.9个月
    (r"(?<!\d)(?:123|234|345|456|567|678|789)(?=个?月)", lambda match: "、".join(match[0])),
    (r"(?<![\d.])(\d)\.(\d)\.(\d)(?=个?月)", r"\1、\2、\3"),
    # decades of a century or of a life are no figures
    (r"\b(?:(?:in|during) )?(?:his|her|their|the|early|mid|late)[ -](?:early |mid-?|late )?\d{0,2}[1-9]?0['’]?s\b", " "),
    (r"\b(?:his|her|their) (?:early |mid-?|late )?(?:twen|thir|for|fif|six|seven|eigh|nine)ties\b", " "),
    (r"\b(?:los )?años (?:veinte|treinta|cuarenta|cincuenta|sesenta|setenta|ochenta|noventa)\b|\bannées (?:vingt|trente|quarante|cinquante|soixante)\b", " "),
    (r"\ben la (?:vein|trein|cuaren|cincuen|sesen|seten)tena\b|\b\d0[ -](?:something|odd)\b", " "),
    (r"第二天", "次日"),
    (r"\b(?:la|sa) (?:tren|quaran|cinquan|soixan)taine\b", " "),
    (r"[\u0900-\u097f]+ के दशक", " "),
    # hours of the afternoon
    (
        r"\b(\d{1,2})([.h]\d\d)?\s?(?:p\.?m\b\.?|h?\s?de la (?:tarde|noche)|(?:h(?:eures)?\s?)?(?:du soir|de l'après-midi)|مساء)|(?:下午|晚上|傍晚)(\d{1,2}|十?[一二两三四五六七八九十])(?=[点时:])",
        lambda match: f"{_hour(match[1] or match[3]) % 12 + 12}{(match[2] or '').replace('h', '.')}",
    ),
]  # fmt: skip


def _hour(figure: str) -> int:
    return int(_HAN_HOURS.get(figure, figure))


@cache
def _patterns() -> list[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]]:
    return [(re.compile(unicodedata.normalize("NFKC", phrase)), told) for phrase, told in _PHRASES]


def figures(text: str) -> str:
    """`text`, folded, with the phrases that this knows in figures."""
    for pattern, told in _patterns():
        text = pattern.sub(told, text)
    return text
