import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.corpus.clean import clean_text
from apollo_ray.corpus.markup import looks_like_page, page_text

PAGE = """<!DOCTYPE html><html><head><title>Asthma in adults — Example Clinic</title><style>p{}</style></head><body>
<header><h1>Example Clinic</h1></header>
<nav><ul><li><a href="/">Home</a></li></ul></nav>
<div id="cookie-banner"><p>We use cookies.</p></div>
<main><article><header><h1>Asthma in <em>adults</em></h1></header>
<p>Asthma   is a disease
of the airways. Treat if FEV<sub>1</sub> &lt;80 %.</p><p>Eosinophils over 3 x 10<sup>9</sup>/L<sup>[12]</sup> are rare.</p>
<h2>Symptoms</h2><ul><li><p>cough</p></li><li>wheeze<ul><li>at night</li></ul></li><li></li></ul>
<table><tr><th>Drug</th><th>Dose</th></tr><tr><td>Salbutamol</td><td><b>100</b> µg</td></tr></table>
<p hidden>secret</p><div style="display:none">secret</div><span class="sr-only">secret</span>
<form><label>Was this useful?</label></form><svg><text>secret</text></svg>
<p>See <a href="/a">the guideline</a>, <a href="/b">the leaflet</a> and <a href="/c">the inhaler film</a>
before you start any treatment at home.</p>
<pre>line 1
  line 2</pre>
<div><a href="/1">Flu</a> <a href="/2">Gout</a> <a href="/3">Lupus</a> <a href="/4">Rickets</a></div>
</article></main><footer>© 2020</footer><script>var a = "<p>no</p>";</script></body></html>"""

CNXML = """<document xmlns="http://cnx.rice.edu/cnxml"><title>Bone Cells</title>
<metadata xmlns:md="http://cnx.rice.edu/mdml"><md:content-id>m1</md:content-id><md:title>Bone Cells</md:title></metadata>
<content><para id="p1">Bone holds <term id="t">four</term> kinds of cells.</para>
<section id="s1"><title>Osteoblasts</title><para id="p2">They form bone at 37 &#176;C if pH &lt; 8.</para>
<section id="s2"><title>Origin</title><list id="l"><item>stem cells</item><item>marrow</item></list></section></section>
<note id="n"><title>Everyday Connection</title><para>Walk daily.</para></note></content>
<glossary><definition id="d"><term>osteon</term> <meaning id="m">unit of compact bone</meaning></definition></glossary>
</document>"""


def test_html_page() -> None:
    assert page_text(PAGE) == (
        "Asthma in adults",
        "# Asthma in adults\n\n"
        "Asthma is a disease of the airways. Treat if FEV1 <80 %.\n\nEosinophils over 3 x 10⁹/L are rare.\n\n"
        "## Symptoms\n\n- cough\n- wheeze\n- at night\n\n"
        "Drug | Dose\nSalbutamol | 100 µg\n\n"
        "See the guideline, the leaflet and the inhaler film before you start any treatment at home.\n\n"
        "line 1\nline 2",
    )


def test_cnxml_document() -> None:
    assert page_text(CNXML) == (
        "Bone Cells",
        "# Bone Cells\n\nBone holds four kinds of cells.\n\n"
        "## Osteoblasts\n\nThey form bone at 37 °C if pH < 8.\n\n### Origin\n\n- stem cells\n- marrow\n\n"
        "Everyday Connection\n\nWalk daily.\n\n- osteon: unit of compact bone",
    )


def test_jats_article_leaves_out_its_metadata() -> None:
    title, text = page_text(
        "<?xml version='1.0'?><article><front><article-meta><article-id>7</article-id><title-group><article-title>Gout"
        "</article-title></title-group><contrib-group><name>Doe</name></contrib-group><abstract><p>Short.</p></abstract>"
        "</article-meta></front><body><sec><title>Methods</title><p>We <italic>asked</italic>.</p></sec></body>"
        "<back><ref-list><ref>Old.</ref></ref-list></back></article>"
    )
    assert title == "Gout"
    assert text == "# Gout\n\nShort.\n\n## Methods\n\nWe asked."


def test_a_title_without_a_heading_and_a_page_without_either() -> None:
    assert page_text("<html><title>Flu | Clinic</title><body><p>Rest.</p></body></html>") == ("Flu | Clinic", "Rest.")
    assert page_text("<p>Rest.</p>") == (None, "Rest.")
    assert page_text("") == (None, "")


def test_columns_of_a_layout_table_are_paragraphs() -> None:
    long = "Rest and drink. " * 40
    assert page_text(f"<table><tr><td>{long}</td><td>Call us.</td></tr></table>")[1] == f"{long.strip()}\n\nCall us."


@pytest.mark.parametrize(
    "text",
    [
        PAGE,
        CNXML,
        "  <!-- saved -->\n<html><body>x</body></html>",
        "<?xml version='1.0'?><a>b</a>",
        "<div><p>Rest.</p><p>Drink.</p></div>",
    ],
)
def test_pages_are_seen(text: str) -> None:
    assert looks_like_page(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<18.5 is underweight",
        "If BMI <18.5, eat. <b>Now</b></b>",
        "Use <html> for pages",
        '<div class="tip">\n\n# Advice\n\n' + "Wash your hands often and well. " * 60 + "\n\n</div>",
        "<篇名>盐\n内容：味咸。",
        "<p>Only a paragraph.",
    ],
)
def test_texts_with_some_markup_are_no_pages(text: str) -> None:
    assert not looks_like_page(text)


FRAGMENTS = ["<p>", "</p>", "<div>", "<table>", "<td>", "<tr>", "<ul>", "<li>", "<a href=x>", "</a>", "<h1>", "</h1>", "<sup>",
             "<pre>", "<title>", "<?xml?>", "<doc>", "</doc>", "<meaning>", "<item>", "<!--", "&lt;", "\ud800", "\x00", "x", " "]  # fmt: skip


@given(st.text(max_size=60) | st.lists(st.sampled_from(FRAGMENTS), max_size=40).map("".join))
def test_any_text_is_taken(source: str) -> None:
    title, text = page_text(source)
    looks_like_page(source)
    assert title is None or isinstance(title, str)
    cleaned = clean_text(text)
    assert clean_text(cleaned) == cleaned


@pytest.mark.parametrize("unit", ["<div>", "<ul><li>", "<b>", "<a><p>", "<q><item>", "<td>", "<!--", "<"])
def test_deep_and_broken_pages_end(unit: str) -> None:
    assert "rest" in page_text("<p>rest</p>" + unit * 20_000)[1]


def test_entities_of_a_document_type_are_not_expanded() -> None:
    bomb = "<!DOCTYPE x [<!ENTITY a 'boom'><!ENTITY b '&a;&a;&a;&a;'>]><x>&b;&b;</x>"
    assert "boomboom" not in page_text(bomb)[1]


@pytest.mark.parametrize("name", ["mesconseilscovid_html_fr", "creativecommons_html_en", "openstax_cnxml_en"])
def test_real_pages(shared_data: Path, name: str) -> None:
    rows = [json.loads(line) for line in (shared_data / "web" / f"{name}.jsonl").open(encoding="utf-8")][:8]
    for row in rows:
        title, text = page_text(row["html"])
        assert looks_like_page(row["html"])
        assert title
        assert len(text) > 300
        assert not [mark for mark in ("</", "{", "fs-id") if mark in text]
        cleaned = clean_text(text)
        assert clean_text(cleaned) == cleaned
