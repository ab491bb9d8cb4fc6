from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from apollo_ray.errors import UserError
from apollo_ray.planning import PlannedStep
from apollo_ray.report import page
from apollo_ray.report.collect import collect
from apollo_ray.store import Counts, Store

Finish = Callable[..., PlannedStep]
Pending = Callable[[str, str], PlannedStep]
VOID = {"meta", "br", "hr", "img", "link", "input"}
HOSTILE = "<script>alert('x')</script>"


class Page(HTMLParser):
    """Tags with their attributes, cells of each table row, and text by the section that it stands in."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.sections: dict[str, str] = {}
        self.open: list[str] = []
        self.section = ""
        self.feed(html)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "section":
            self.section = dict(attrs)["id"] or ""
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "section":
            self.section = ""

    def handle_data(self, data: str) -> None:
        self.sections[self.section] = self.sections.get(self.section, "") + data
        if "td" in self.open or ("th" in self.open and self.rows):
            self.rows[-1][-1] += data.strip()


Sample = tuple[Store, list[PlannedStep]]


@pytest.fixture(scope="module")
def html(sample: Sample) -> str:
    store, steps = sample
    later = replace(steps[0], name="later", stage="train", manifest=None)
    return page.render(collect(store, "starter", [*steps, later]))


def test_every_number_is_in_its_row(html: str) -> None:
    rows = Page(html).rows
    for expected in (
        ["rows", "all", "en", "ar"],  # funnel
        ["read", "1,234", "832", "402"],
        ["kept", "1,101", "800", "301"],
        ["kept of read", "89.2 %", "96.2 %", "74.9 %"],
        ["too_short", "101", "0", "101"],
        ["exact_duplicate", "32", "32", "0"],
        ["rows", "shelf"],
        ["exact_duplicate", "32"],
        ["documents", "rows", "800 / 832", "301 / 402", "1,101 / 1,234"],
        ["sequences", "654"],
        ["tokens", "334,455"],
        ["supervised tokens", "222,333"],
        ["padding of a full batch", "1.2 %"],
        ["pretraining examples", "1,902"],
        ["tokens in ar", "34,454"],
        ["expert", "456,789", "3", "334,455", "5.4321", "2.3456", "2", "2", "40"],
        ["en", "41.25", "52.50", "91.75", "33.00 *", "0.800 better", "77"],
        ["ar", "20.00 *", "-", "-", "24.00", "1.200 worse", "77"],
        ["hi", "12.00", "-", "-", "6.00", "-", "60 to 61"],
        ["en", "ensemble", "36", "60", "3", "5", "60.0 %", "47.4 % to 71.4 %", "-", "above"],
        ["ar", "base", "20", "59", "3", "5", "33.9 %", "23.1 % to 46.6 %", "-", "not told apart"],
        ["fr", "ensemble", "0", "8", "3", "8", "-", "- to -", "-", "-"],
        ["expert", "a/b"],
        ["expert", "0.1.0", "2.60.0"],
    ):
        assert expected in rows


def test_steps_are_traced_to_the_store(html: str, sample: Sample) -> None:
    store, steps = sample
    rows = Page(html).rows
    assert store.uri in html
    for step in steps:
        assert [step.name, step.fingerprint, f"{store.uri}/{step.name}/{step.fingerprint}"] in rows
    documents = next(row for row in rows if row[:2] == ["documents", "corpus"] and "finished" in row)
    assert documents[3:] == [
        "finished",
        "rows",
        "1,234",
        "1,101",
        "133",
        "1",
        "321",
        "2026-01-02T03:04:05.000+00:00",
        "72.5",
    ]


def test_what_is_not_finished_is_said(html: str) -> None:
    parsed = Page(html)
    assert "Not finished: later." in parsed.sections["loss"]
    assert next(row for row in parsed.rows if row[:2] == ["later", "train"])[3] == "not finished"


def test_a_run_without_finished_steps_says_so_in_every_section(store: Store, pending: Pending) -> None:
    stages = ("corpus", "mix", "train", "evaluate", "serve")
    parsed = Page(page.render(collect(store, "starter", [pending(f"my-{stage}", stage) for stage in stages])))
    for section, stage in (
        ("funnel", "corpus"),
        ("text", "corpus"),
        ("personal", "corpus"),
        ("leaks", "corpus"),
        ("mix", "mix"),
        ("loss", "train"),
        ("perplexity", "evaluate"),
        ("accuracy", "evaluate"),
        ("answers", "evaluate"),
    ):
        assert f"Not finished: my-{stage}." in parsed.sections[section]
    assert not any(tag == "svg" for tag, _ in parsed.tags)


def test_a_run_without_any_step_still_is_a_page(store: Store) -> None:
    assert "No mix step is in this report." in Page(page.render(collect(store, "starter", []))).sections["mix"]


def test_an_evaluation_that_asked_nothing_is_said(store: Store, finish: Finish) -> None:
    step = finish("scores", "evaluate", Counts("answer", 0, 0), {})
    sections = Page(page.render(collect(store, "starter", [step]))).sections
    assert "No held-out text was scored." in sections["perplexity"]
    assert "No choice questions were asked." in sections["accuracy"]
    assert "No questions were asked." in sections["answers"]


@pytest.mark.parametrize("stage", ["corpus", "rewrite", "mix", "train", "evaluate", "serve", "tokenizer"])
def test_a_step_with_an_empty_summary_is_no_failure(store: Store, finish: Finish, stage: str) -> None:
    html = page.render(collect(store, "starter", [finish("odd", stage, Counts("row", 7, 7), {})]))
    assert any(row[:2] == ["odd", stage] for row in Page(html).rows)


def test_sections_stand_in_order(html: str) -> None:
    ids = [attributes["id"] for tag, attributes in Page(html).tags if tag == "section"]
    assert ids == [
        "funnel",
        "text",
        "personal",
        "leaks",
        "rewriting",
        "mix",
        "loss",
        "perplexity",
        "accuracy",
        "answers",
        "experiments",
        "lineage",
        "model-card",
        "data-card",
        "warnings",
        "where",
    ]


def test_every_chart_is_there(html: str) -> None:
    parsed = Page(html)
    assert sum(tag == "svg" for tag, _ in parsed.tags) == 6  # two funnels, mix, losses, perplexity, accuracy
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_the_page_loads_nothing(html: str) -> None:
    for tag, attributes in Page(html).tags:
        assert tag not in ("script", "link", "img", "iframe", "object", "base")
        assert "src" not in attributes
        for name in ("href", "xlink:href", "action"):
            assert (attributes.get(name) or "#").startswith("#")
    assert "@import" not in html
    assert "http://" not in html
    assert "https://" not in html


def test_text_of_the_data_is_escaped(html: str) -> None:
    parsed = Page(html)
    assert HOSTILE in parsed.sections["answers"]
    assert all(tag != "script" for tag, _ in parsed.tags)


def test_every_place_of_text_is_escaped(store: Store, finish: Finish) -> None:
    row = {"model": HOSTILE, "benchmark": HOSTILE, "lang": HOSTILE}
    counts = {"correct": 1, "total": 2, "unparsed": 0, "accuracy": 0.5, "low": 0.1, "high": 0.9}
    funnel = {HOSTILE: {"kept": 1, HOSTILE: 1}}
    steps = [
        finish("a", "corpus", Counts(HOSTILE, 2, 1, {HOSTILE: 1}), {"by_language": funnel, "by_source": funnel}),
        finish("b", "rewrite", Counts("row", 0, 0), {"engine": HOSTILE, "documents": 0}),
        finish("c", "serve", Counts("row", 0, 0), {"models": {HOSTILE: {"id": HOSTILE}}, "warnings": [HOSTILE]}),
        finish("d", "mix", Counts("row", 0, 0), {"stream": {"shares": {HOSTILE: [1.0]}}, "by_class": {HOSTILE: 1}}),
        finish(
            "e",
            "evaluate",
            Counts("row", 0, 0),
            {
                "mode": HOSTILE,
                "perplexity": [row | {"perplexity": 2.0, "num_tokens": 1}],
                "accuracy": [row | counts | {"method": HOSTILE}],
                "macro_accuracy": [row | {"method": HOSTILE, "accuracy": 0.5}],
                "answers": [row | {"question": HOSTILE, "text": HOSTILE}],
            },
        ),
    ]
    html = page.render(collect(store, "starter", steps))
    assert "<script" not in html
    assert Page(html).sections["answers"].count(HOSTILE) == 6  # model, language, question, text, role, its model
    assert HOSTILE in Page(html).sections["warnings"]


def test_text_may_run_from_right_to_left(html: str) -> None:
    parsed = Page(html)
    start = html.index("ما هو داء السكري؟")
    assert 'dir="auto"' in html[html.rindex("<td", 0, start) : start]
    assert any(tag == "td" and attributes.get("dir") == "auto" for tag, attributes in parsed.tags)


def test_the_page_says_what_it_is_not(html: str) -> None:
    assert html.count("Not a medical device; for research.") == 3  # at the top, at the answers, at the end
    assert "chance with four options (25 %)" in html


def test_the_same_store_gives_the_same_bytes(store: Store, steps: list[PlannedStep]) -> None:
    first, second = (page.render(collect(store, "starter", steps)) for _ in range(2))
    assert first == second


def test_the_page_lies_in_the_store(store: Store, steps: list[PlannedStep]) -> None:
    address = page.write(store, "starter", steps, None)
    assert address == f"{store.uri}/reports/starter.html"
    assert Path(address).read_text(encoding="utf-8") == page.render(collect(store, "starter", steps))


def test_a_local_target_takes_its_place(store: Store, steps: list[PlannedStep], tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "report.html"
    assert page.write(store, "starter", steps, str(target)) == str(target)
    assert target.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert not (tmp_path / "store" / "reports").exists()


def test_a_target_that_cannot_be_written_is_named(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file/report\.html: the report cannot be written"):
        page.write(store, "starter", [], str(tmp_path / "file" / "report.html"))


def test_half_a_surrogate_pair_in_an_answer_is_no_failure(store: Store, finish: Finish) -> None:
    answers = [{"model": "ensemble", "lang": "en", "question": "q", "text": "broken \ud83d here"}]
    step = finish("scores", "evaluate", Counts("answer", 1, 1), {"answers": answers})
    assert b"broken ? here" in Path(page.write(store, "starter", [step], None)).read_bytes()
