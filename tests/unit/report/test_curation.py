"""What the page says of a corpus: its text, its measures, personal data and overlaps with benchmarks."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest

from apollo_ray.decontaminate import CONSECUTIVE_64
from apollo_ray.planning import PlannedStep
from apollo_ray.report import curation_plots, page, plots
from apollo_ray.report.collect import collect
from apollo_ray.report.curation import PAPER_RULE, Grid
from apollo_ray.report.reading import bins, count, number
from apollo_ray.store import Counts, Store

Finish = Callable[..., PlannedStep]
HOSTILE = "<script>alert('x')</script>"
ARABIC = "الأنسولين يخفض السكر."
SUMMARY: dict[str, Any] = {
    "by_language": {"en": {"kept": 41, "too_short": 4}, "zh": {"kept": 17}},
    "by_source": {"shelf": {"kept": 58, "too_short": 4}},
    "by_language_and_source": [
        {"lang": "zh", "source": "crawl", "reason": "kept", "rows": 17},
        {"lang": "en", "source": "shelf", "reason": "kept", "rows": 30},
        {"lang": "en", "source": "shelf", "reason": "too_short", "rows": 4},
        {"lang": "en", "source": "crawl", "reason": "kept", "rows": 11},
    ],
    "characters": {"zh": {"web": 3701}, "en": {"book": 51_002, "paper": 6_003}},
    "words": {"zh": {"web": 3602}, "en": {"book": 8_011, "paper": 1_007}},
    "lengths": {"en": {"8": 11, "12": 30}, "zh": {"6": 17}},
    "measures": {
        "letters_share": {"en": {"0": 1, "2": 30, "3": 14}, "zh": {"3": 17}},
        "entropy": {"en": {"1": 45}, "zh": {"2": 17}},
    },
    "ranges": {"entropy": [0.0, 10.0, 4], "letters_share": [0.0, 1.0, 4]},
    "limits": {"letters_share": {"en": [0.75, None], "zh": [0.6125, 0.987]}},
    "personal": {"zh": {"NAME": 713}, "en": {"NAME": 901, "PHONE": 37}},
    "marked_mixed": {"zh": {"en": 19}},
    "samples": [
        {"reason": "too_short", "lang": lang, "id": f"id-{lang}", "source": "shelf", "detail": "9 < 200", "text": text}
        for lang, text in (("ar", ARABIC), ("en", HOSTILE))
    ],
    "leaks": {"exam": {"whole_question": 5, "consecutive_64": 23}},
}
SETTINGS = {
    "deidentify": True,
    "decontaminate": {"mode": "strict", "benchmarks": [{"name": "exam"}, {"name": "clean-exam"}]},
}
COUNTS = Counts("row", 62, 58, {"too_short": 4})


class Tables(HTMLParser):
    """Cells of each table row, the attributes of each cell, and all tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: list[str] = []
        self.cell = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self.cell = True

    def handle_endtag(self, tag: str) -> None:
        self.cell = self.cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.cell:
            self.rows[-1][-1] += data.strip()


@pytest.fixture(autouse=True)
def no_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Charts have tests of their own, and take most of a page's time."""
    for module, name in ((plots, "funnel"), (curation_plots, "lengths"), (curation_plots, "measures")):
        monkeypatch.setattr(module, name, lambda data, key: f'<svg id="{key}"></svg>')


def rendered(store: Store, finish: Finish, summary: dict[str, Any], settings: dict[str, Any] | None = None) -> str:
    return page.render(collect(store, "starter", [finish("documents", "corpus", COUNTS, summary, settings=settings)]))


@pytest.fixture
def html(store: Store, finish: Finish) -> str:
    return rendered(store, finish, SUMMARY, SETTINGS)


def section(html: str, name: str) -> str:
    return html[html.index(f'<section id="{name}">') :].split("</section>")[0]


@pytest.mark.parametrize(
    ("place", "row"),
    [
        ("funnel", ["rows", "all", "crawl", "shelf"]),  # of English
        ("funnel", ["read", "45", "11", "34"]),
        ("funnel", ["kept of read", "91.1 %", "100.0 %", "88.2 %"]),
        ("funnel", ["too_short", "4", "0", "4"]),
        ("funnel", ["rows", "crawl"]),  # of Chinese
        ("funnel", ["too_short", "ar", "shelfid-ar9 < 200", ARABIC]),
        ("text", ["en", "57,005", "9,018"]),
        ("text", ["zh", "3,701", "3,602"]),
        ("text", ["all", "60,706", "12,620"]),
        ("text", ["en", "paper", "6,003", "1,007"]),
        ("text", ["letters (share of characters)", "at least 0.75", "0.613 to 0.987"]),
        ("text", ["mainly in", "en", "all"]),
        ("text", ["zh", "19", "19"]),
        ("personal", ["replaced", "en", "zh", "all"]),
        ("personal", ["NAME", "901", "713", "1,614"]),
        ("personal", ["PHONE", "37", "0", "37"]),
        ("personal", ["all", "938", "713", "1,651"]),
        ("leaks", ["benchmark", "consecutive_64", "whole_question"]),  # and no sum of the two
        ("leaks", ["exam", "23", "5"]),
        ("leaks", ["clean-exam", "0", "0"]),
    ],
)
def test_every_number_of_the_summary_is_in_its_row(html: str, place: str, row: list[str]) -> None:
    assert row in Tables(section(html, place)).rows


def test_limits_are_named_only_where_there_are_some(store: Store, finish: Finish, html: str) -> None:
    assert not any(row[0].startswith("entropy") for row in Tables(html).rows if row)
    assert "The shaded stretch" in html
    without = rendered(store, finish, SUMMARY | {"limits": {}})
    assert "The shaded stretch" not in without
    assert "Limits for prose" not in without


def test_the_page_says_what_rules_do_not_find(html: str) -> None:
    assert "not all of it" in section(html, "personal")
    assert "before de-identification is shown as it was read" in section(html, "funnel")


def test_the_rule_of_the_paper_is_named_and_the_ledger_has_its_place(store: Store, finish: Finish, html: str) -> None:
    step = finish("documents", "corpus", COUNTS, SUMMARY, settings=SETTINGS)
    leaks = section(html, "leaks")
    assert PAPER_RULE == CONSECUTIVE_64
    assert f"<code>{PAPER_RULE}</code>" in leaks
    assert "counted apart" in leaks
    assert f"{store.uri}/documents/{step.fingerprint}/overlaps" in leaks
    assert 'Mode: <span dir="auto">strict</span>' in leaks


def test_to_find_nothing_and_not_to_look_are_told_apart(store: Store, finish: Finish) -> None:
    looked = finish("looked", "corpus", COUNTS, {"leaks": {}}, settings=SETTINGS)
    blind = finish("blind", "rewrite", COUNTS, {"leaks": {}}, settings={"decontaminate": None})
    report = collect(store, "starter", [looked, blind])
    assert [(item.step, item.overlaps.rows, item.ledger) for item in report.leaks] == [
        ("looked", ("clean-exam", "exam"), None)
    ]
    leaks = section(page.render(report), "leaks")
    assert "Nothing was found." in leaks
    assert "Not looked for in: blind." in leaks
    assert "/overlaps" not in leaks


def test_overlaps_of_a_rewrite_step_are_shown(store: Store, finish: Finish) -> None:
    step = finish("qa", "rewrite", COUNTS, {"leaks": {"exam": {"consecutive_24": 321}}})
    leaks = section(page.render(collect(store, "starter", [step])), "leaks")
    assert ["exam", "321"] in Tables(leaks).rows
    assert f"{store.uri}/qa/{step.fingerprint}/overlaps" in leaks


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (False, "de-identification was switched off."),
        (True, "nothing was replaced."),
        ({"model": None, "labels": {}}, "nothing was replaced."),
        (None, "its manifest does not say."),
    ],
)
def test_no_personal_data_found_is_not_the_same_as_none_sought(
    store: Store, finish: Finish, asked: Any, sentence: str
) -> None:
    html = rendered(store, finish, SUMMARY | {"personal": {}}, {"deidentify": asked})
    assert sentence in section(html, "personal")


def test_long_tables_are_folded_and_short_ones_open(store: Store, finish: Finish) -> None:
    kinds = {"en": {f"kind{n}": n + 1 for n in range(20)}}
    short, long = (rendered(store, finish, SUMMARY | extra) for extra in ({}, {"characters": kinds}))
    assert re.search(r"<details open>\s*<summary>By language and kind", short)
    assert re.search(r"<details>\s*<summary>By language and kind", long)
    assert re.search(r"<details>\s*<summary>Examples of refused rows \(2\)", short)


def test_samples_are_text_in_their_own_direction(html: str) -> None:
    assert f'<td class="text" dir="auto">{ARABIC}</td>' in html
    assert "<script" not in html
    assert any(HOSTILE in cell for row in Tables(html).rows for cell in row)


def test_every_place_of_text_is_escaped(store: Store, finish: Finish) -> None:
    summary = {
        "by_language_and_source": [{"lang": HOSTILE, "source": HOSTILE, "reason": HOSTILE, "rows": 2}],
        "characters": {HOSTILE: {HOSTILE: 3}},
        "lengths": {HOSTILE: {"3": 4}},
        "measures": {HOSTILE: {HOSTILE: {"1": 5}}},
        "ranges": {HOSTILE: [0, 1, 4]},
        "limits": {HOSTILE: {HOSTILE: [0.5, None]}},
        "personal": {HOSTILE: {HOSTILE: 6}},
        "marked_mixed": {HOSTILE: {HOSTILE: 7}},
        "samples": [dict.fromkeys(("reason", "lang", "id", "source", "detail", "text"), HOSTILE)],
        "leaks": {HOSTILE: {HOSTILE: 8}},
    }
    settings = {"decontaminate": {"mode": HOSTILE, "benchmarks": [{"name": HOSTILE}]}}
    html = rendered(store, finish, summary, settings)
    assert "<script" not in html
    assert [HOSTILE] * 2 + ["3", "0"] in Tables(html).rows
    assert [HOSTILE, "8"] in Tables(html).rows


@pytest.mark.parametrize("name", SUMMARY)
def test_any_key_may_be_absent(store: Store, finish: Finish, name: str) -> None:
    html = rendered(store, finish, {key: value for key, value in SUMMARY.items() if key != name}, SETTINGS)
    assert html.count("<svg") == {"by_language": 2, "lengths": 2, "measures": 2, "ranges": 2}.get(name, 3)


def test_without_any_key_the_sections_shrink(store: Store, finish: Finish) -> None:
    html = rendered(store, finish, {})
    assert "says nothing of the text" in section(html, "text")
    sections = section(html, "text") + section(html, "personal") + section(html, "leaks")
    assert "<svg" not in html
    assert "<details" not in sections
    assert not Tables(sections).rows


ODD: list[Any] = [None, [], {}, "text", -1, 10**400, float("nan"), True, [None], {"en": None}, {"en": "text"}]
ODD += [{"en": {"x": value}} for value in (None, "7", -3, float("inf"), 2**70, [1], {"y": 1})]
ODD += [
    {"letters_share": value} for value in ([1, 0, 3], [0, 1, 10**9], ["a", 1, 2], [0.0, 1.0], {"en": [1]}, {"en": 3})
]


@pytest.mark.parametrize("name", SUMMARY)
def test_odd_values_are_no_failure(store: Store, finish: Finish, name: str) -> None:
    for value in ODD:
        summary = SUMMARY | {name: value}
        html = rendered(store, finish, summary, SETTINGS)
        assert ["clean-exam", "0", "0"] in Tables(html).rows or name == "leaks"


@pytest.mark.parametrize(
    "odd",
    [
        {"lengths": {"en": {"8": 1, "-3": 2, "64": 3, "8.5": 4, "x": 5}, "zh": 7}},
        {"measures": {"entropy": {"en": {"99": 1, "0": 2}, "zh": None}, "letters_share": []}},
        {"ranges": {"entropy": [0, 10, 4], "letters_share": [1.0, 0.0, 4]}},
        {"limits": {"letters_share": {"en": [float("nan"), "x"], "zh": [9, -9]}, "entropy": {"en": [1]}}},
    ],
)
def test_odd_values_are_drawn(
    store: Store, finish: Finish, odd: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    html = rendered(store, finish, {key: value for key, value in SUMMARY.items() if "by_" not in key} | odd)
    assert html.count("<svg") == 2


def test_half_a_surrogate_pair_in_a_sample_is_no_failure(store: Store, finish: Finish) -> None:
    summary = SUMMARY | {"samples": [{"text": "broken \ud83d here\x00"}], "lengths": {"\ud83d": {"3": 1}}}
    step = finish("documents", "corpus", COUNTS, summary)
    with open(page.write(store, "starter", [step], None), "rb") as file:
        assert b"broken ? here" in file.read()


def test_a_chart_that_leaves_languages_out_says_so(store: Store, finish: Finish) -> None:
    lengths = {f"l{n:02d}": {"8": n + 1} for n in range(curation_plots.MAX_LANGUAGES + 2)}
    assert "Of 11 languages the 9 with the most rows are drawn." in rendered(store, finish, {"lengths": lengths})


def test_the_same_summary_gives_the_same_bytes(store: Store, finish: Finish) -> None:
    first, second = (rendered(store, finish, SUMMARY, SETTINGS) for _ in range(2))
    assert first == second


def test_languages_have_the_order_of_the_paper(store: Store, finish: Finish) -> None:
    report = collect(store, "starter", [finish("documents", "corpus", COUNTS, SUMMARY)])
    (item,) = report.curations
    assert [size.lang for size in item.languages] == ["en", "zh"]
    assert list(item.lengths) == ["en", "zh"]
    assert [lang for lang, _ in report.funnels[0].crossed] == ["en", "zh"]
    assert [row.lang for row in report.funnels[0].refused] == ["en", "ar"]


def test_a_grid_adds_up() -> None:
    grid = Grid(("a", "b"), ("x", "y"), {("a", "x"): 1, ("a", "y"): 20, ("b", "y"): 300})
    assert [grid.row_total(row) for row in grid.rows] == [21, 300]
    assert [grid.column_total(column) for column in grid.columns] == [1, 320]
    assert grid.total == 321


@pytest.mark.parametrize("value", [None, "3", True, float("nan"), float("inf"), 10**400, [3], {}])
def test_what_is_no_number_reads_as_none(value: Any) -> None:
    assert number(value) is None
    assert count(value) == 0


def test_counts_are_whole_and_not_negative() -> None:
    assert [count(value) for value in (5, 5.0, -5, 0)] == [5, 5, 0, 0]
    assert bins({"0": 1, "2": 7, "9": 5, "-1": 5, "x": 5}, 4) == (1, 0, 7, 0)
