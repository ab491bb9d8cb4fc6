import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.corpus.clean import clean_text

MESSY = st.text(
    alphabet=st.one_of(
        st.characters(),
        st.sampled_from(list("<>&;/!-\n\r\t \u00a0\u200b\u200c\u200d\ufeffÃ©â€™Â")),
    ),
    max_size=80,
)
FRAGMENTS = st.lists(
    st.sampled_from(
        [
            "<p>",
            "</p>",
            "<br/>",
            "&amp;",
            "&lt;",
            "p",
            "&gt;",
            "<script>",
            "</script>",
            "a < b",
            "BMI <18.5",
            "Ã©",
            "x",
            "\n",
            " ",
        ]
    ),
    max_size=12,
).map("".join)


@given(MESSY | FRAGMENTS)
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    once = clean_text(text)
    assert clean_text(once) == once


@given(MESSY)
def test_result_is_normal_and_has_no_control_characters(text: str) -> None:
    cleaned = clean_text(text)
    assert unicodedata.is_normalized("NFC", cleaned)
    assert not {c for c in cleaned if unicodedata.category(c) == "Cc"} - {"\n"}
    assert cleaned == cleaned.strip()


@pytest.mark.parametrize(
    "text",
    [
        "If BMI <18.5 or HbA1c >9 %, refer.",
        "sodium <2 g and potassium >3 mmol/L",
        "PaO2/FiO2 < 300 & SpO2 > 92 %",
        "क्‍षत्रिय और श्री‌मान",  # joiners that change how Hindi is written
        "می‌خواهم",  # a non-joiner inside a Persian word
        "体温＞38℃，呼吸＜30次／分",
    ],
)
def test_clinical_and_script_details_survive(text: str) -> None:
    assert clean_text(text) == text


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("<p>One.</p><p>Two &amp; three.</p>", "One.\n\nTwo & three."),
        ('see <a href="https://example.org/page">the page</a>&nbsp;now', "see the page now"),
        ("a<br/>b", "a\nb"),
        ("la presiÃ³n arterial", "la presión arterial"),
        ("<script>alert(1)</script>text<!-- note -->", "text"),
        ("&amp;lt;p&amp;gt;deep&amp;lt;/p&amp;gt;", "deep"),
        ("zero\u200bwidth\ufeff and soft\u00adhyphen", "zerowidth and softhyphen"),
        ("e\u0301te\u0301", "été"),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("many\n\n\n\n\nlines   and\tspaces", "many\n\nlines and spaces"),
    ],
)
def test_dirt_goes(dirty: str, clean: str) -> None:
    assert clean_text(dirty) == clean
