"""Figures and marks as six languages write them, brought to one form."""

import re
import unicodedata
from functools import lru_cache

from apollo_ray.rewrite.grounding import idioms


@lru_cache(256)
def fold(text: str) -> str:
    """Digits in ASCII, lower case, without the vowel marks of Arabic, set phrases that tell amounts in figures."""
    text = re.sub(r"</?su[bp]>", "", text)
    text = re.sub(r"(?<=\d)\.?[ªº](?=\s[^\W\d_]{3})(?!\s(?:[Cc]els|[Cc]ent|[Ff]ahr|axil))", "", text)  # 3ª semana
    for sign, value in idioms.FRACTIONS.items():
        if sign in text:
            text = re.sub(rf"(?<=\d)\s?{sign}", f"{value:.3g}"[1:], text).replace(sign, f" {sign} ")  # 3½
    text = unicodedata.normalize(
        "NFKC",
        text.replace("´", "'")
        .replace("µ", "μ")
        .replace("，", "、")
        .replace("²", "2")
        .replace("³", "3")
        .replace("º", "°"),
    ).casefold()
    text = re.sub("[\u064b-\u0652\u0640\u200b-\u200f]", "", text)
    text = re.sub(r" (\d+)\u2044(\d+) ", lambda match: _SIGNS.get((match[1], match[2]), match[0]), text)
    text = re.sub(r"(?<=\d)°(\d)(?=\s?c)", r".\1 °", text)  # 39°1C
    text = re.sub(r"/\s?m\s?(?=[23]\b)", "/m", text)
    text = re.sub(r"(?<=\bq)\s?(?=\d{1,2}\s?h\b)", " ", text)  # q8h
    text = re.sub(r"(?<=\d)(mg|g|ml|cm|mm)?\s?[x×*]\s?(?=\d)", r" \1 x ", text)  # 1x0.625 mg, 2gx3
    text = re.sub(r"(?<=\d)\s?h\s?(\d\d)(?:\s?min\w*)?(?!\d)", r" h \1 minutes", text)  # 1h30
    text = re.sub(r"(?<=\b\d):(?=\d\d\b)|(?<=\b\d\d):(?=\d\d\b)", ".", text)  # times of day
    text = re.sub(r"(?<=\d)،(?=\d{3}(?!\d))", ",", text)
    text = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)
    return re.sub(r"\bhalf an? ", "half ", idioms.figures(text).replace("and a half", "half"))


_SIGNS = {tuple(unicodedata.normalize("NFKC", sign).split("\u2044")): sign for sign in idioms.FRACTIONS}


def readings(figure: str) -> frozenset[float]:
    """What a figure may be worth, whatever the language's marks: "1.000", "1 000", "0,125", "1,00,000"."""
    figure = re.sub(r"['’](?=\d{1,2}$)", ".", figure)  # 38'5
    figure = re.sub(r"['’\s\u202f\u00a0٬]", "", figure).replace("٫", ".").replace("·", ".")
    found = set()
    marks = [mark for mark in figure if mark in ".,"]
    if len(marks) <= 1:
        found.add(float(figure.replace(",", ".")))
    if marks:
        last = max(figure.rfind("."), figure.rfind(","))
        if len(set(marks)) == 2:
            found.add(float(re.sub("[.,]", "", figure[:last]) + "." + figure[last + 1 :]))
        elif len(figure) - last - 1 == 3 or len(marks) > 1:
            found.add(float(re.sub("[.,]", "", figure)))
    return frozenset(found or {float(re.sub("[.,]", "", figure))})
