"""What the page says of a rewrite step: its yield, its drops, its cost and samples of what was written."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest

from apollo_ray.planning import PlannedStep
from apollo_ray.report import page, plots
from apollo_ray.report.collect import collect
from apollo_ray.report.reading import texts
from apollo_ray.report.rewriting import Rewriting, Sample
from apollo_ray.store import Counts, Store

Finish = Callable[..., PlannedStep]
HOSTILE = "<script>alert('x')</script>"
ARABIC = "الأنسولين يخفض السكر."


def call(calls: int, prompt_tokens: int, completion_tokens: int, **more: Any) -> dict[str, Any]:
    return {"calls": calls, "prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, **more}


def written(lang: str, unit: str, *turns: str, reason: str | None = None, **more: Any) -> dict[str, Any]:
    common = {"lang": lang, "reason": reason, "unit": unit, "passage": f"passage {unit}", "turns": [*turns]}
    return common | {"flags": [], "detail": None} | more


SUMMARY: dict[str, Any] = {
    "engine": "writer-7b",
    "prompts": "2026-03",
    "documents": 1302,
    "by_kind": {"paper": {"kept": 30, "not_grounded": 10}, "book": {"kept": 70, "refused": 3, "not_grounded": 7}},
    "by_language": {"ar": {"kept": 20, "not_grounded": 5}, "en": {"kept": 80, "not_grounded": 12, "refused": 3}},
    "cost": {
        "ar": {"dialogue": call(25, 9_000, 4_000, money=0.75)},
        "en": {
            "answer": call(92, 30_100, 20_200, money=1.5),
            "question": call(95, 40_300, 2_600, money=0.25),
        },
    },
    "samples": [
        written("en", "u3", reason="refused", detail="I cannot help"),
        written("en", "u2", "asked?", "20 mg", reason="not_grounded", flags=["20 mg", "daily"], detail="20 mg; daily"),
        written("en", "u1", "what?", "that", flags=["twice"]),
        written("ar", "u4", "one", "two", "three", ARABIC, passage=ARABIC),
    ],
}
COUNTS = Counts("passage", 120, 100, {"not_grounded": 17, "refused": 3})


class Tables(HTMLParser):
    """Cells of each table row."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.cell = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self.cell = True
        elif tag in ("br", "hr") and self.cell:
            self.rows[-1][-1] += "|"

    def handle_endtag(self, tag: str) -> None:
        self.cell = self.cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.cell:
            self.rows[-1][-1] += data.strip()


@pytest.fixture(autouse=True)
def no_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Charts have tests of their own, and take most of a page's time."""
    monkeypatch.setattr(plots, "funnel", lambda data, key: f'<svg id="{key}"></svg>')


def rendered(store: Store, finish: Finish, summary: dict[str, Any]) -> str:
    return page.render(collect(store, "starter", [finish("qa", "rewrite", COUNTS, summary)]))


def collected(store: Store, finish: Finish, summary: dict[str, Any]) -> Rewriting:
    (item,) = collect(store, "starter", [finish("qa", "rewrite", COUNTS, summary)]).rewritings
    return item


@pytest.fixture
def html(store: Store, finish: Finish) -> str:
    return rendered(store, finish, SUMMARY)


def section(html: str, name: str = "rewriting") -> str:
    return html[html.index(f'<section id="{name}">') :].split("</section>")[0]


@pytest.mark.parametrize(
    "row",
    [
        ["language", "passages", "kept", "kept of passages"],
        ["en", "95", "80", "84.2 %"],
        ["ar", "25", "20", "80.0 %"],
        ["all", "120", "100", "83.3 %"],
        ["kind of document", "passages", "kept", "kept of passages"],
        ["book", "80", "70", "87.5 %"],
        ["paper", "40", "30", "75.0 %"],
        ["reason", "en", "ar", "all"],
        ["not_grounded", "12", "5", "17"],
        ["refused", "3", "0", "3"],
        ["all", "15", "5", "20"],
        ["language", "calls", "prompt tokens", "completion tokens", "money", "money per kept pair"],
        ["en", "187", "70,400", "22,800", "1.7500", "0.021875"],
        ["ar", "25", "9,000", "4,000", "0.7500", "0.037500"],
        ["all", "212", "79,400", "26,800", "2.5000", "0.025000"],
        ["en", "question", "95", "40,300", "2,600", "0.2500"],
        ["en", "answer", "92", "30,100", "20,200", "1.5000"],
        ["all", "dialogue", "25", "9,000", "4,000", "0.7500"],
        ["all", "all", "212", "79,400", "26,800", "2.5000"],
    ],
)
def test_every_number_of_the_summary_is_in_its_row(html: str, row: list[str]) -> None:
    assert row in Tables(section(html)).rows


def test_engine_prompts_and_documents_are_named(html: str) -> None:
    said = section(html)
    assert 'Written by: <span dir="auto">writer-7b</span>.' in said
    assert 'Version of the prompt files: <span dir="auto">2026-03</span>.' in said
    assert "From 1,302 documents." in said


def test_samples_stand_side_by_side_and_kept_ones_first(html: str) -> None:
    rows = Tables(section(html)).rows
    first = rows.index(["passage", "question or turns", "answer", "flags and reason"])
    assert rows[first + 1 :] == [
        ["passage u1", "what?", "that", "kept|flag:twice|u1"],
        ["passage u2", "asked?", "20 mg", "not_grounded|flag:20 mg|flag:daily|u2"],  # the detail says no more
        ["passage u3", "-", "-", "refused|I cannot help|u3"],
        ["passage", "question or turns", "answer", "flags and reason"],
        [ARABIC, "one|two|three", ARABIC, "kept|u4"],
    ]


def test_samples_are_folded_by_language_in_their_own_direction(html: str) -> None:
    assert re.findall(r"<details>\s*<summary>(Samples[^<]*)", html) == ["Samples in en (3)", "Samples in ar (1)"]
    assert html.count(f'<td class="text" dir="auto">{ARABIC}</td>') == 2
    assert '<div dir="auto">two</div>' in html


def test_samples_are_no_examples_of_refused_rows(html: str) -> None:
    assert "Examples of refused" not in section(html, "funnel")


@pytest.mark.parametrize(
    ("turns", "asked", "answer"),
    [
        ((), (), ""),
        (("q",), ("q",), ""),
        (("q", "a"), ("q",), "a"),
        (("q", "a", "r", "b"), ("q", "a", "r"), "b"),
    ],
)
def test_the_last_turn_is_the_answer(turns: tuple[str, ...], asked: tuple[str, ...], answer: str) -> None:
    sample = Sample(None, "u", "passage", turns, (), "")
    assert (sample.asked, sample.answer) == (asked, answer)


@pytest.mark.parametrize(
    ("summary", "sentence"),
    [
        ({"cost": {}}, "Nothing was asked of an LLM."),
        ({"cost": {"en": {"question": call(0, 0, 0)}}}, "Nothing was asked of an LLM."),
        ({}, "Its manifest does not say what was asked of an LLM."),
    ],
)
def test_to_ask_nothing_and_not_to_say_are_told_apart(
    store: Store, finish: Finish, summary: dict[str, Any], sentence: str
) -> None:
    said = section(rendered(store, finish, summary))
    assert f"<p>{sentence}</p>" in said
    assert "calls" not in said


def test_without_prices_there_is_no_money(store: Store, finish: Finish) -> None:
    cost = {"en": {"question": call(95, 40_300, 2_600)}}
    said = section(rendered(store, finish, SUMMARY | {"cost": cost}))
    assert "No prices were set" in said
    assert ["language", "calls", "prompt tokens", "completion tokens"] in Tables(said).rows
    assert ["en", "95", "40,300", "2,600"] in Tables(said).rows


@pytest.mark.parametrize("odd", [None, "1", -1.0, float("nan"), True])
def test_a_sum_with_an_unknown_part_is_unknown(store: Store, finish: Finish, odd: Any) -> None:
    cost = SUMMARY["cost"] | {"ar": {"dialogue": call(25, 9_000, 4_000, money=odd)}}
    rows = Tables(section(rendered(store, finish, SUMMARY | {"cost": cost}))).rows
    assert ["ar", "25", "9,000", "4,000", "-", "-"] in rows
    assert ["en", "187", "70,400", "22,800", "1.7500", "0.021875"] in rows
    assert ["all", "212", "79,400", "26,800", "-", "-"] in rows


def test_money_over_no_pair_is_no_number(store: Store, finish: Finish) -> None:
    item = collected(store, finish, SUMMARY | {"by_language": {"ar": {"kept": 0, "refused": 5}}})
    assert [item.per_pair(spent, spent.lang) for spent in item.by_language] == [None, None]
    assert item.per_pair(item.in_all) is None


def test_languages_calls_and_reasons_have_a_fixed_order(store: Store, finish: Finish) -> None:
    item = collected(store, finish, SUMMARY)
    assert [row.name for row in item.languages] == ["en", "ar"]
    assert [(spent.lang, spent.kind) for spent in item.spent or ()] == [
        ("en", "question"),
        ("en", "answer"),
        ("ar", "dialogue"),
    ]
    assert item.dropped.rows == ("not_grounded", "refused")  # the most frequent first
    assert [lang for lang, _ in item.samples] == ["en", "ar"]


def test_long_tables_are_folded_and_short_ones_open(store: Store, finish: Finish) -> None:
    cost = {f"l{n:02d}": {"question": call(1, 2, 3)} for n in range(13)}
    short, long = (rendered(store, finish, SUMMARY | extra) for extra in ({}, {"cost": cost}))
    assert re.search(r"<details open>\s*<summary>By language and kind of call", short)
    assert re.search(r"<details>\s*<summary>By language and kind of call", long)


def test_every_place_of_text_is_escaped(store: Store, finish: Finish) -> None:
    summary = {
        "engine": HOSTILE,
        "prompts": HOSTILE,
        "by_kind": {HOSTILE: {"kept": 1, HOSTILE: 2}},
        "by_language": {HOSTILE: {"kept": 3, HOSTILE: 4}},
        "cost": {HOSTILE: {HOSTILE: call(5, 6, 7, money=8.0)}},
        "samples": [
            dict.fromkeys(("lang", "reason", "unit", "passage", "detail"), HOSTILE)
            | {"turns": [HOSTILE] * 4, "flags": ["flagged", HOSTILE]}
        ],
    }
    html = rendered(store, finish, summary)
    rows = Tables(section(html)).rows
    assert "<script" not in html
    assert [HOSTILE, HOSTILE, "5", "6", "7", "8.0000"] in rows
    last = f"{HOSTILE}|{HOSTILE}|flag:flagged|flag:{HOSTILE}|{HOSTILE}"
    assert rows[-1] == [HOSTILE, "|".join([HOSTILE] * 3), HOSTILE, last]


@pytest.mark.parametrize("name", SUMMARY)
def test_any_key_may_be_absent(store: Store, finish: Finish, name: str) -> None:
    rows = Tables(section(rendered(store, finish, {key: value for key, value in SUMMARY.items() if key != name}))).rows
    assert (["book", "80", "70", "87.5 %"] in rows) == (name != "by_kind")
    assert (["en", "95", "80", "84.2 %"] in rows) == (name != "by_language")
    assert (["all", "all", "212", "79,400", "26,800", "2.5000"] in rows) == (name != "cost")


def test_a_step_that_is_not_finished_is_named(store: Store, pending: Callable[[str, str], PlannedStep]) -> None:
    html = page.render(collect(store, "starter", [pending("qa", "rewrite")]))
    assert "Not finished: qa." in section(html)


def test_without_any_key_the_section_shrinks(store: Store, finish: Finish) -> None:
    said = section(rendered(store, finish, {}))
    assert "Written by: its manifest does not say." in said
    assert "<h4" not in said
    assert "<details" not in said
    assert not Tables(said).rows


ODD: list[Any] = [None, [], {}, "text", -1, 10**400, float("nan"), True, [None], {"en": None}, {"en": "text"}]
ODD += [{"en": {"x": value}} for value in (None, "7", -3, float("inf"), 2**70, [1], {"y": 1}, {"calls": "1"})]
ODD += [[{}], [{"turns": "text", "flags": {"a": 1}}], [{"turns": [None, 3, []], "flags": [None], "lang": 7}]]


@pytest.mark.parametrize("name", SUMMARY)
def test_odd_values_are_no_failure(store: Store, finish: Finish, name: str) -> None:
    for value in ODD:
        rows = Tables(section(rendered(store, finish, SUMMARY | {name: value}))).rows
        assert ["paper", "40", "30", "75.0 %"] in rows or name == "by_kind"


def test_half_a_surrogate_pair_in_a_sample_is_no_failure(store: Store, finish: Finish) -> None:
    step = finish("qa", "rewrite", COUNTS, SUMMARY | {"samples": [written("en", "u", "broken \ud83d here\x00")]})
    with open(page.write(store, "starter", [step], None), "rb") as file:
        assert b"broken ? here" in file.read()


def test_the_same_summary_gives_the_same_bytes(store: Store, finish: Finish) -> None:
    first, second = (rendered(store, finish, SUMMARY) for _ in range(2))
    assert first == second


def test_what_is_no_list_has_no_texts() -> None:
    assert [texts(value) for value in (None, "text", {"a": 1}, [], ["a", None, 3])] == [(), (), (), (), ("a", "", "3")]
