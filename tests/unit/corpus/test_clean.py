import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apollo_ray.corpus.clean import clean_text

NASTY = [
    "<p>", "</p>", "<br/>", "<h2>", "</h2>", "<li>", "</li>", "<td>", "</td><td>", "<sup>9</sup>", "<ref>", "</ref>",
    "<!--", "-->", "<script>", "</script>", "&amp;", "&lt;", "&gt;", "&nbsp;", "&#60;", "p", "a < b", "BMI <18.5", "Ã©",
    "â€™", "x", "\n", " ", "   - ", "-", "- ", "---\n", "# ", "\u200c", "\u200d", "\u0640", "ه", "क", "\u094d", "é", "e\u0301",
    "\u00ad", "\u00ad\n", "．", "１", "[a](", "https://a.org)", "![", "](/x)", "Share\n", "Page 1 of 2\n", "患者：", "。", "痛",
    "<篇名>", "<目录>", "内容：", "\\x", "infor-\n", "word " * 8 + "\n", "the very same phrase, ", "\ud800", "\x00", "\ufb01",
    "an identical line of more than twenty letters\n",
]  # fmt: skip
TEXTS = st.text(max_size=80) | st.lists(st.sampled_from(NASTY) | st.text(max_size=3), max_size=40).map("".join)
JUNK = {"Cc", "Cs", "Co"}


@settings(max_examples=400)
@given(TEXTS, st.sampled_from([None, "book", "code"]))
def test_cleaning_twice_changes_nothing_more(text: str, kind: str | None) -> None:
    once = clean_text(text, kind)
    assert clean_text(once, kind) == once


@given(TEXTS)
def test_result_is_normal_and_free_of_junk(text: str) -> None:
    cleaned = clean_text(text)
    assert unicodedata.is_normalized("NFC", cleaned)
    assert not [c for c in cleaned if unicodedata.category(c) in JUNK and c != "\n"]
    assert not set(cleaned) & set("\u200b\u200e\u200f\u202a\u202e\u2066\ufeff\u00ad\u00a0\u3000\ufe0f\U000e0041")
    assert cleaned == cleaned.strip()


UNTOUCHED = [
    "If BMI <18.5 or HbA1c >9 %, refer.",
    "sodium <2 g and potassium >3 mmol/L",
    "PaO2/FiO2 < 300 & SpO2 > 92 %",
    "p<0.05 and a<b, for children <5 years> of age",
    "where x <b and c> d, take <time> as recorded",
    "R&D, AT&T; q=1&copy=2&sect=3",
    "5 µg ± 0.2, ≥ 38.5 °C (37 ℃), 3×10⁹/L, α-β, 10² and 10³, ½ tablet, CO₂, Ω",
    "क्‍षत्रिय और श्री‌मान",  # joiners that change how Hindi is written
    "می‌خواهم",  # a non-joiner inside a Persian word
    "وُلد سنة 1445هـ ويتناول بـ 20 ملغ",  # a tatweel that stands for the end of a word
    "体温＞38℃，呼吸＜30次／分；血压：120",
    "La santé : « déjà traitée » – l’hôpital d’À côté",
    "See [1](Table 2) and IL-6 [pg/ml](12), item[0](x)",
    "range 5 - 10 mg",
]


@pytest.mark.parametrize("text", UNTOUCHED)
def test_clinical_and_script_details_survive(text: str) -> None:
    assert clean_text(text) == text


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("<p>One.</p><p>Two &amp; three.</p>", "One.\n\nTwo & three."),
        ('see <a href="https://example.org/page">the page</a>&nbsp;now', "see the page now"),
        ("a<br/>b", "a\nb"),
        ('<label for="x">Age</label>', "Age"),
        ("<h2 class='t'>\n<b>Side</b> effects</h2>Nausea.", "## Side effects\n\nNausea."),
        ("<ol>\n<li class='x'><p>fever</p></li>\n<li><p>cough</p></li></ol>Rest.", "- fever\n- cough\n\nRest."),
        ("<ul><li>fever</li><li>cough</li></ul>", "- fever\n- cough"),
        ("<tr><td>Na</td><td>140</td></tr>", "Na | 140"),
        ("4 x 10<sup>9</sup>/L, 10<sup>-3</sup>, le 1<sup>er</sup> mai", "4 x 10⁹/L, 10⁻³, le 1er mai"),
        ("<script>alert(1)</script>text<!-- note -->", "text"),
        ('insulin<ref name="a">Smith 2013</ref> acts', "insulin acts"),
        ("<script>never closed, so text", "never closed, so text"),
        ("&amp;lt;p&amp;gt;deep&amp;lt;/p&amp;gt;", "deep"),
        ("&lt;18.5 &#8804; 25&nbsp;kg", "<18.5 ≤ 25 kg"),
        ("la presiÃ³n arterial", "la presión arterial"),
        ("Ø§Ù„Ø³ÙƒØ±ÙŠ", "السكري"),
        ("9 â€“ 18 and lâ€™hÃ´pital", "9 – 18 and l’hôpital"),
        ("zero\u200bwidth\ufeff and soft\u00adhyphen", "zerowidth and softhyphen"),
        ("a soft\u00ad\nhyphen", "a softhyphen"),
        ("e\u0301te\u0301", "été"),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("many\n\n\n\n\nlines   and\tspaces", "many\n\nlines and spaces"),
        ("\u202bالسكر\u202c\u200f ي", "السكر ي"),
        ("heart\u200crate and می‌خواهم\u200c", "heartrate and می‌خواهم"),
        ("السـُّـكَّـري", "السُّكَّري"),
        ("ﻣﺮﺿﻰ اﻟﺴﻜﺮي", "مرضى السكري"),
        ("first ـ second", "first - second"),
        ("ＨｂＡ１ｃ　６．５％，正常", "HbA1c 6.5％，正常"),
        ("eﬃcacy of ﬂuids", "efficacy of fluids"),
        ("𝑝 < 0.05, 𝛼", "p < 0.05, α"),
        ("glyphs \uf1c9\U000f1234 of a font", "glyphs \ufffd\ufffd of a font"),
        ("\uf0b3 5 \uf06dg \uf0b1 2", "≥ 5 μg ± 2"),
        ("it\x92s \x93fine\x94", "it’s “fine”"),
        ("│ Na │ 140 │", "| Na | 140 |"),
        ("[the guide](https://x.org/a_(b).html 'Title') and ![photo](img/a.png)", "the guide and"),
        ("[![logo](logo.png)](/home)text [mail](mailto:a@b.org)", "text mail"),
        ("Key points   - first sign    - second sign.      See below", "Key points\n- first sign\n- second sign.\n\nSee below"),
    ],
)  # fmt: skip
def test_dirt_goes(dirty: str, clean: str) -> None:
    assert clean_text(dirty) == clean


def test_code_keeps_its_indentation_and_brackets() -> None:
    code = "def f(x):\n    if x <b:\n        return '<p>'\n\n\n\n# ---\n"
    assert clean_text(code + "\u200b", "code") == code.strip("\n")
    assert clean_text(code) != code.strip("\n")


@pytest.mark.parametrize(
    "unit", ["<", "&amp;", "<script>", "<!--", "[a](", "\u200d", "\u0640ا", "Ã©", "\ud800", "ab ", "a\n"]
)
def test_long_hostile_texts_end(unit: str) -> None:
    cleaned = clean_text(unit * 5000)
    assert clean_text(cleaned) == cleaned


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))


@pytest.mark.parametrize("name", ["ntrex_news", "xquad_wiki", "tico19", "e3c_pamj", "openstax_anatomy", "tcm_classics"])
def test_real_texts_keep_their_letters(shared_data: Path, name: str) -> None:
    files = sorted((shared_data / "raw").glob(f"{name}_*.jsonl"))
    assert files
    for path in files:
        texts = [json.loads(line)["text"] for line in path.open(encoding="utf-8")][:40]
        cleaned = [clean_text(text) for text in texts]
        assert [clean_text(text) for text in cleaned] == cleaned
        floor = 0.9 if name == "tcm_classics" else 0.995  # classics lose the markers of their digitisers
        assert sum(map(_letters, cleaned)) >= floor * sum(map(_letters, texts)), path.name
