"""Names of drugs, told by their endings: those of the international nonproprietary names (WHO, "The use of stems in the
selection of INNs") as six languages write them, and a few old names without a stem.
"""

from collections.abc import Iterator
from difflib import SequenceMatcher
from functools import cache

import regex

from apollo_ray.rewrite.grounding.words import plain, stem

_LATIN = (
    r"cill?in[aeo]?|mycin[ae]?|micina|floxacin[aeo]?|[aeiou](?:zole?|zol)|ciclovir|[a-z]{3}vir|[a-z]{2}mab|tinib[eo]?|"
    r"[a-z]{2}pril|sartan[e]?|statin[ae]?|[a-z]olol|dipin[aeo]|formin[ae]?|gliptin[ae]?|gliflozin[ae]?|xaban[oe]?|"
    r"parin[ae]?|cortison[ae]?|solon[ae]?|metason[ae]?|nison[ae]?|caine|caina|zepam|zolam|barbital[e]?|oxetin[ae]?|"
    r"triptan[oe]?|setron[oe]?|cyclin[ae]?|ciclina|chloroquin[ae]?|cloroquina|quinin[ae]?|tidin[ae]?|fenac[o]?|"
    r"profen[oe]?|profene|coxib|platin[oe]?|platine|taxel|rubicin[ae]?|trexate|trexato|phyllin[ae]?|filina|"
    r"[a-z]terol|semid[ae]?|thiazid[ae]?|tiazida|ronolacton[ae]?|dronat[eo]?|dronique|vudin[ae]?|mectin[ae]?|"
    r"tropium|curonium|fentanil[oe]?|fentanyl|codein[ae]?|morphin[ae]?|morfina|aspirin[ae]?|paracetamol|acetaminophen|"
    r"warfarin[ae]?|insulin[ae]?|metamizol|digoxin[ae]?|interferon|azathioprin[ae]?|azatioprina|clopidogrel"
)
_ENDINGS = {
    "en": _LATIN,
    "es": _LATIN,
    "fr": _LATIN,
    "hi": (
        "सिलिन|माइसिन|फ्लोक्सासिन|[ऀ-ॿ]{2}(?:ज़ोल|जोल)|[ऀ-ॿ]{3}विर|मैब|टिनिब|प्रिल|सार्टन|स्टेटिन|लोलोल|फॉर्मिन|क्लोरोक्विन|कॉर्टिसोन|"
        "मेथासोन|हेपरिन|इंसुलिन|इन्सुलिन|पैरासिटामोल|एस्पिरिन|आइबुप्रोफेन|इबुप्रोफेन|मेथोट्रेक्सेट|इंटरफेरॉन"
    ),
    "ar": (
        "سيلين|مايسين|ميسين|فلوكساسين|[ء-ي]{2}ازول|[ء-ي]{3}فير|[ء-ي]{2}ماب|تينيب|[ء-ي]{2}بريل|سارتان|ستاتين|ولول|فورمين|كلوروكين|"
        "كلوروكوين|كورتيزون|ميثازون|هيبارين|انسولين|باراسيتامول|اسبرين|ايبوبروفين|ميثوتريكسات|انترفيرون"
    ),
}
_HAN = regex.compile(
    "[\u4e00-\u9fff](?:西林|霉素|沙星|洛尔|他汀|普利|沙坦|地平|拉唑|硝唑|康唑|替丁|单抗|替尼|[夫韦]定|洛韦|司韦|米韦|那韦|匹韦|司琼|唑仑|西泮|"
    "巴比妥|卡因|米松|尼松|的松|双胍|列净|列汀|肝素|岛素|司匹林|布洛芬|洛芬|氨基酚|吗啡|芬太尼|奎宁|氯喹|环素|紫杉醇|他滨|甲氨蝶呤|干扰素)"
)
_HAN_BEFORE, _HAN_WHOLE = "议用服予给的与和或是对加", ("氯喹", "奎宁", "吗啡", "肝素", "干扰素")
"""Characters before a drug's name that the pattern takes for its first, and names that are whole without one."""


_ALIKE = 0.8
"""Of two spellings of one name (frusemide and furosemide: 0.84); of two names of one class mostly less."""
_ALIASES = (
    "aspirin acetylsalicylic acetilsalicilico acetylsalicylique aas asa",
    "paracetamol acetaminophen acetaminofen",
    "methotrexate metotrexato mtx",
    "阿司匹林 乙酰水杨酸",
    "对乙酰氨基酚 扑热息痛",
)


_NO_DRUGS = (
    "cholesterol colesterol sterol histidine histidina servir vivir hervir marocaine americaine mexicaine republicaine "
    "africaine dominicaine توفير سفير شفير زفير"
)
"""What ends like a drug and is none; words of any beginning."""


@cache
def _pattern(lang: str) -> regex.Pattern[str]:
    word, article = r"[\p{L}\p{M}]", "(?:[وفبلك]?ال)?" if lang == "ar" else ""
    return regex.compile(rf"(?<!{word}){article}{word}*(?:{plain(_ENDINGS[lang])})(?!{word})")


def drugs(answer: str, passage: str, lang: str) -> Iterator[tuple[str, bool]]:
    """(name, whether the passage has it, in this or another spelling) of each drug that the answer names."""
    answer, passage = plain(answer), plain(passage)
    if lang == "zh":
        for match in _HAN.finditer(answer):
            name = match[0] if len(match[0]) < 5 else match[0][1:]
            told = name in passage or _alias(name, passage)
            yield match[0], told or (name[0] in _HAN_BEFORE and name[1:] in _HAN_WHOLE and name[1:] in passage)
    elif lang in _ENDINGS:
        known = {word for text in (passage, passage.replace("-", "")) for word in regex.findall(r"[\p{L}\p{M}]+", text)}
        stems = {stem(word, lang) for word in known}
        for match in _pattern(lang).finditer(answer):
            name = match[0]
            if name.endswith(tuple(_NO_DRUGS.split())):
                continue
            yield name, stem(name, lang) in stems or _alias(name, passage) or any(_alike(name, word) for word in known)


def _alias(name: str, passage: str) -> bool:
    return any(name[:6] in line and any(word in passage for word in line.split()) for line in _ALIASES)


def _alike(name: str, word: str) -> bool:
    return word[:1] == name[:1] and SequenceMatcher(None, name, word, autojunk=False).ratio() >= _ALIKE
