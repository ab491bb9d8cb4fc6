"""Numbers written in words, in six languages."""

import re
import unicodedata
from functools import cache

from apollo_ray.rewrite.grounding.idioms import FRACTIONS

_EN = (
    "zero=0 one=1 two=2 three=3 four=4 five=5 six=6 seven=7 eight=8 nine=9 ten=10 eleven=11 twelve=12 thirteen=13 "
    "fourteen=14 fifteen=15 sixteen=16 seventeen=17 eighteen=18 nineteen=19 twenty=20 thirty=30 forty=40 fifty=50 "
    "sixty=60 seventy=70 eighty=80 ninety=90 hundred=100 thousand=1000 million=1e6 billion=1e9 dozen=12 half=0.5 "
    "twice=2 thrice=3 once=1 double=2 triple=3 twofold=2 threefold=3 fourfold=4 fivefold=5 sixfold=6 sevenfold=7 eightfold=8 ninefold=9 tenfold=10"
)
_ES = (
    "cero=0 uno=1 un=1 una=1 dos=2 tres=3 cuatro=4 cinco=5 seis=6 siete=7 ocho=8 nueve=9 diez=10 once=11 doce=12 trece=13 "
    "catorce=14 quince=15 dieciséis=16 diecisiete=17 dieciocho=18 diecinueve=19 veinte=20 veintiuno=21 veintiún=21 veintiuna=21 "
    "veintidós=22 veintitrés=23 veinticuatro=24 veinticinco=25 veintiséis=26 veintisiete=27 veintiocho=28 "
    "veintinueve=29 treinta=30 cuarenta=40 cincuenta=50 sesenta=60 setenta=70 ochenta=80 noventa=90 cien=100 "
    "ciento=100 cientos=100 doscientos=200 doscientas=200 trescientos=300 cuatrocientos=400 quinientos=500 seiscientos=600 setecientos=700 ochocientos=800 novecientos=900 mil=1000 millón=1e6 millones=1e6 docena=12 decena=10 veintena=20 treintena=30 centenar=100 centena=100 millar=1000 trescientas=300 cuatrocientas=400 quinientas=500 seiscientas=600 setecientas=700 ochocientas=800 novecientas=900 media=0.5 medio=0.5 doble=2 triple=3"
)
_FR = (
    "zéro=0 un=1 une=1 deux=2 trois=3 quatre=4 cinq=5 six=6 sept=7 huit=8 neuf=9 dix=10 onze=11 douze=12 treize=13 "
    "quatorze=14 quinze=15 seize=16 vingt=20 vingts=20 trente=30 quarante=40 cinquante=50 soixante=60 cent=100 "
    "cents=100 mille=1000 million=1e6 millions=1e6 milliard=1e9 milliards=1e9 demi=0.5 demie=0.5 dizaine=10 quinzaine=15 vingtaine=20 douzaine=12 trentaine=30 quarantaine=40 cinquantaine=50 soixantaine=60 centaine=100 millier=1000 milliers=1000 septante=70 nonante=90 double=2 triple=3"
)
_HI_1_TO_99 = (
    "एक दो तीन चार पाँच छह सात आठ नौ दस ग्यारह बारह तेरह चौदह पंद्रह सोलह सत्रह अठारह उन्नीस बीस इक्कीस बाईस तेईस चौबीस पच्चीस "
    "छब्बीस सत्ताईस अट्ठाईस उनतीस तीस इकतीस बत्तीस तैंतीस चौंतीस पैंतीस छत्तीस सैंतीस अड़तीस उनतालीस चालीस इकतालीस बयालीस तैंतालीस "
    "चौवालीस पैंतालीस छियालीस सैंतालीस अड़तालीस उनचास पचास इक्यावन बावन तिरपन चौवन पचपन छप्पन सत्तावन अट्ठावन उनसठ साठ इकसठ बासठ "
    "तिरसठ चौंसठ पैंसठ छियासठ सड़सठ अड़सठ उनहत्तर सत्तर इकहत्तर बहत्तर तिहत्तर चौहत्तर पचहत्तर छिहत्तर सतहत्तर अठहत्तर उन्यासी अस्सी इक्यासी "
    "बयासी तिरासी चौरासी पचासी छियासी सत्तासी अट्ठासी नवासी नब्बे इक्यानवे बानवे तिरानवे चौरानवे पचानवे छियानवे सत्तानवे अट्ठानवे निन्यानवे"
)
_HI = (
    "शून्य=0 पांच=5 छः=6 छ:=6 पन्द्रह=15 सौ=100 हज़ार=1000 हजार=1000 लाख=1e5 करोड़=1e7 अरब=1e9 मिलियन=1e6 बिलियन=1e9 "
    "साढ़े=0.5 सवा=0.25 पौने=-0.25 आधा=0.5 आधे=0.5 आधी=0.5 डेढ़=1.5 ढाई=2.5 दर्जन=12 दोगुना=2 दुगुना=2 तिगुना=3 "
) + " ".join(f"{word}={value}" for value, word in enumerate(_HI_1_TO_99.split(), 1))
_AR = (
    "صفر=0 واحد=1 واحدة=1 اثنان=2 اثنين=2 إثنان=2 اثنتان=2 اثنتين=2 ثلاث=3 ثلاثة=3 أربع=4 أربعة=4 خمس=5 خمسة=5 ست=6 ستة=6 سبع=7 "
    "سبعة=7 ثمان=8 ثمانية=8 ثماني=8 تسع=9 تسعة=9 عشر=10 عشرة=10 عشرون=20 عشرين=20 ثلاثون=30 ثلاثين=30 أربعون=40 أربعين=40 "
    "خمسون=50 خمسين=50 ستون=60 ستين=60 سبعون=70 سبعين=70 ثمانون=80 ثمانين=80 تسعون=90 تسعين=90 مئة=100 مائة=100 مئتين=200 "
    "مئتان=200 مائتين=200 مائتان=200 ثلاثمئة=300 ثلاثمائة=300 أربعمائة=400 خمسمئة=500 خمسمائة=500 أربعمئة=400 ستمئة=600 ستمائة=600 سبعمئة=700 سبعمائة=700 ثمانمئة=800 ثمانمائة=800 ثمانيمائة=800 تسعمئة=900 تسعمائة=900 مئتي=200 مائتي=200 ألفي=2000 مليوني=2e6 مليونين=2e6 مليونان=2e6 ملياري=2e9 مليارين=2e9 مليوناً=1e6 ثلاثه=3 اربع=4 اربعة=4 خمسه=5 سته=6 سبعه=7 ثمانيه=8 تسعه=9 الف=1000 ألف=1000 آلاف=1000 ألفا=1000 ألفين=2000 "
    "ألفان=2000 مليون=1e6 مليونا=1e6 ملايين=1e6 مليار=1e9 مليارات=1e9 بليون=1e9 نصف=0.5 ربع=0.25 ثلث=0.333 ثلثي=0.667 ضعف=2 ضعفي=2 ضعفا=2"
)
_ORDINALS = {
    "en": "first=1 third=3 fourth=4 fifth=5 sixth=6 seventh=7 eighth=8 ninth=9 tenth=10 eleventh=11 twelfth=12 thirteenth=13 fourteenth=14 "
    "fifteenth=15 sixteenth=16 seventeenth=17 eighteenth=18 nineteenth=19 twentieth=20 thirtieth=30 fortieth=40 fiftieth=50 hundredth=100",
    "es": "primer=1 primero=1 primera=1 segunda=2 tercer=3 tercero=3 tercera=3 cuarto=4 cuarta=4 quinto=5 quinta=5 sexto=6 sexta=6 séptimo=7 séptima=7 "
    "octavo=8 octava=8 noveno=9 novena=9 décimo=10 décima=10 undécimo=11 undécima=11 duodécimo=12 duodécima=12 vigésimo=20 vigésima=20 trigésimo=30 trigésima=30",
    "fr": "premier=1 première=1 deuxième=2 troisième=3 quatrième=4 cinquième=5 sixième=6 septième=7 huitième=8 neuvième=9 dixième=10 onzième=11 "
    "douzième=12 treizième=13 quatorzième=14 quinzième=15 seizième=16 vingtième=20 trentième=30 quarantième=40 unième=1 centième=100",
    "hi": "पहला=1 पहली=1 दूसरा=2 दूसरी=2 दूसरे=2 तीसरा=3 तीसरी=3 तीसरे=3 चौथा=4 चौथी=4 चौथे=4 छठा=6 छठी=6 छठे=6 "
    + " ".join(f"{word}{mark}={value}" for value, word in [*enumerate(_HI_1_TO_99.split(), 1), (5, "पांच")] for mark in ("वें", "वीं", "वाँ", "वां") if value > 4),
    "ar": "أول=1 أولى=1 ثالث=3 ثالثة=3 رابع=4 رابعة=4 خامس=5 خامسة=5 سادس=6 سادسة=6 سابع=7 سابعة=7 ثامن=8 ثامنة=8 تاسع=9 تاسعة=9 عاشر=10 عاشرة=10 "
    "ثاني=2 حادي=1 حادية=1",
}  # fmt: skip
"""Those that are words of units too ("second", "segundo", "ثانية") are left out."""
WORDS = {"en": _EN, "es": _ES, "fr": _FR, "hi": _HI, "ar": _AR}
JOINERS = {"en": ("and",), "es": ("y",), "fr": ("et",), "ar": ("و",)}

_HAN_DIGITS = {**{c: i for i, c in enumerate("零一二三四五六七八九")}, "〇": 0, "两": 2, "俩": 2, "廿": 20}
_HAN_UNITS = {"十": 10, "百": 100, "千": 1000}
_HAN_LARGE = {"万": 10_000, "亿": 100_000_000}
HAN = re.compile(
    r"[½⅓⅔¼¾⅕⅖⅗⅘⅙⅛⅒]|半(?=个?[月天日年小周分])|[零〇一二两三四五六七八九十百千万亿廿]+(?:点[零〇一二三四五六七八九]+)?"
)


@cache
def values(lang: str) -> dict[str, float]:
    """Word -> value, folded to lower case."""
    entries = f"{WORDS.get(lang, '')} {_ORDINALS.get(lang, '')}".split()
    return {word: float(value) for word, _, value in (entry.partition("=") for entry in entries)} | FRACTIONS


@cache
def ordinals(lang: str) -> frozenset[str]:
    """In lower case, in the form of NFKC."""
    entries = unicodedata.normalize("NFKC", _ORDINALS.get(lang, "")).casefold().split()
    return frozenset(entry.partition("=")[0] for entry in entries)


def compose(numbers: list[float], lang: str) -> frozenset[float]:
    """What number words in a row may be worth: [3, 100, 40, 5] is 345, [2, 1000] 2000."""
    if numbers[-1] == 0.5 and len(numbers) > 1 and numbers[-2] >= 1000:
        return frozenset(value + 0.5 * numbers[-2] for value in compose(numbers[:-1], lang))  # un millón y medio
    if numbers == [1, 0.5]:
        return frozenset({0.5, 1.5})  # un demi-litre, une et demie
    if numbers == [1000.0] and lang == "ar":
        return frozenset({1000.0, 2000.0})  # the accusative of one thousand is the nominative of two
    if lang != "ar" and len(numbers) == 2 and numbers[0] == 1 and numbers[1] >= 10:
        return frozenset({numbers[1]})  # une quarantaine, one dozen; Arabic has the one of 21 first
    total = current = 0.0
    for number in numbers:
        if number >= 1000:
            total += (current or 1) * number
            current = 0.0
        elif number == 100 or (number == 20 and 0 < current < 10 and current == 4):  # quatre-vingts
            current = (current or 1) * number
        else:
            current += number
    return frozenset({total + current})


def han(text: str) -> float:
    """The value of a Chinese numeral, digit by digit where it has no unit ("二〇二〇")."""
    if text in FRACTIONS:
        return FRACTIONS[text]
    whole, _, fraction = text.partition("点")
    value = _han_whole(whole)
    for place, digit in enumerate(fraction, 1):
        value += _HAN_DIGITS[digit] / 10**place
    return value


def _han_whole(text: str) -> float:
    if not any(mark in _HAN_UNITS or mark in _HAN_LARGE for mark in text):
        return float("".join(str(_HAN_DIGITS[mark]) for mark in text) or 0)
    total = section = digit = 0.0
    for mark in text:
        if mark in _HAN_UNITS:
            section += (digit or 1) * _HAN_UNITS[mark]
            digit = 0.0
        elif mark in _HAN_LARGE:
            total += (section + digit or 1) * _HAN_LARGE[mark]
            section = digit = 0.0
        else:
            digit = float(_HAN_DIGITS[mark])
    return total + section + digit


SCALES = {
    "万": 1e4, "亿": 1e8, "千": 1e3, "百": 1e2, "lakh": 1e5, "million": 1e6, "millions": 1e6, "billion": 1e9, "thousand": 1e3, "millones": 1e6,
    "mil": 1e3, "milliard": 1e9, "milliards": 1e9, "लाख": 1e5, "हज़ार": 1e3, "हजार": 1e3, "करोड़": 1e7, "मिलियन": 1e6, "अरब": 1e9,
    "مليون": 1e6, "مليونا": 1e6, "ملايين": 1e6, "مليار": 1e9, "مليارا": 1e9, "مليارات": 1e9, "بليون": 1e9, "ألف": 1e3, "آلاف": 1e3,
}  # fmt: skip
"""What a figure is multiplied by where this stands behind it."""
SCALE = re.compile(r"\s?(" + "|".join(sorted(map(re.escape, SCALES), key=len, reverse=True)) + r")(?![a-z])")

HAN_NOT_NUMBERS = re.compile(
    r"一(?:些|般|样|起|直|定|旦|致|方|部分|步|下|边|切|时|共|面|点|种|个(?!月|小时|星期)|旁|同)|第一|万一|进一步|统一|唯一|之一|十分|百(?:姓|合)|千万|三(?:尖瓣|叉|角)|十二指肠|四肢|五官|两者|二者|双方|百分之"
)
"""Words that hold the character of a number and count nothing."""

MANY = {"millones", "millions", "milliards", "آلاف", "ملايين", "مليارات"}
"""Tell no number by themselves."""

DUALS = {
    "ar": {
        "time": "يومين=172800 يومان=172800 أسبوعين=1209600 أسبوعان=1209600 شهرين=5259600 شهران=5259600 سنتين=63115200 سنتان=63115200 عامين=63115200 عامان=63115200 عقدين=631152000 عقدان=631152000 قرنين=6311520000 ساعتين=7200 ساعتان=7200 دقيقتين=120 دقيقتان=120",
        "length": "مترين=2 متران=2 كيلومترين=2000 كيلومتران=2000 سنتيمترين=0.02 مليمترين=0.002 ملليمترين=0.002",
        "mass": "غرامين=2 جرامين=2 كيلوغرامين=2000 ملليغرامين=0.002 مليغرامين=0.002",
        "times": "مرتين=2 مرتان=2",
    },
}
"""Words that mean two of a unit by their ending: dimension -> word=seconds (or times)."""
