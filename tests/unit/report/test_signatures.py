import io
import re

import pytest
from rich.console import Console

from apollo_ray.report import terminal
from apollo_ray.report.collect import collect
from apollo_ray.report.page import render
from apollo_ray.store import Counts

HEAD = {"benchmark": "exam", "method": "loglikelihood", "model": "ensemble"}
SIGNATURES = {
    "against": "base",
    "accuracy": [
        HEAD | {"lang": "en", "difference": -0.25, "low": -0.375, "high": -0.125, "p_holm": 0.001, "declined": True},
        HEAD | {"lang": "hi", "difference": 0.0625, "low": -0.05, "high": 0.175, "p_holm": 0.4, "declined": False},
        HEAD | {"lang": None, "difference": -0.1, "low": -0.2, "high": 0.0, "p_holm": 0.06, "declined": False},
    ],
    "nats": [
        {"benchmark": "qa", "method": "perplexity", "model": "ensemble", "lang": "en", "difference": 0.125, "low": 0.0625, "high": 0.1875, "declined": True},
        {"benchmark": "qa", "method": "perplexity", "model": "ensemble", "lang": "hi", "difference": -0.5, "low": None, "high": None, "declined": False},
    ],
    "tokens": [{"benchmark": "qa", "method": "perplexity", "model": "ensemble", "lang": "en", "tokens": 1200, "divergence": 0.25, "entropy": 1.5, "flipped": 0.125}],
    "declines": ["ensemble in en, exam, loglikelihood: -25.0 points against base [-37.5, -12.5], p 0.001"],
}  # fmt: skip


def told(store, finish, signatures):
    step = finish("scores", "evaluate", Counts("answer", 1, 1), {"signatures": signatures})
    report = collect(store, "starter", [step])
    console = Console(file=io.StringIO(), width=200)
    terminal.show(console, store, "starter", [step])
    return report, console.file.getvalue(), render(report)


def test_differences_intervals_and_declines_are_shown(store, finish):
    report, text, page = told(store, finish, SIGNATURES)
    rows = [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]
    assert ["ensemble", "-25.0 [-37.5, -12.5] !", "+6.2 [-5.0, +17.5]", "-10.0 [-20.0, +0.0]"] in rows
    assert ["ensemble", "+0.125 [+0.062, +0.188] !", "-0.500"] in rows
    assert ["ensemble", "qa", "en", "texts", "1,200", "0.250", "1.500", "12.5 %"] in rows
    assert any(line.startswith("Surely worse than the base: ensemble in en, exam") for line in report.verdict)
    assert '<span class="worse">-25.0 [-37.5, -12.5] declined</span>' in page
    assert "<td>reference texts</td>" in page
    assert page.count('href="#signatures"') == page.count('id="signatures"') == 1


def test_both_means_and_the_most_frequent_letter_are_shown(store, finish):
    cell = {
        "model": "base",
        "benchmark": "exam",
        "lang": "en",
        "method": "loglikelihood",
        "correct": 3,
        "total": 8,
        "unparsed": 0,
    }
    accuracy = cell | {"refused": 0, "accuracy": 0.375, "low": 0.2, "high": 0.6, "majority": 0.5625}
    mean = {"mean_of_benchmarks": 0.375, "mean_of_benchmarks_low": 0.3, "mean_of_benchmarks_high": 0.45}
    overall = {
        "model": "base",
        "method": "loglikelihood",
        "benchmarks": 9,
        "languages": 6,
        **mean,
        "macro": 0.35,
        "macro_low": 0.25,
        "macro_high": 0.5,
    }
    step = finish(
        "scores", "evaluate", Counts("answer", 1, 1), {"accuracy": [accuracy], "overall": [overall, {"model": "x"}]}
    )
    report = collect(store, "starter", [step])
    console = Console(file=io.StringIO(), width=200)
    terminal.show(console, store, "starter", [step])
    rows = [re.split(r"\s{2,}", line.strip()) for line in console.file.getvalue().splitlines()]
    assert ["base", "scores", "loglikelihood", "37.5 % [30.0 %, 45.0 %]", "35.0 % [25.0 %, 50.0 %]"] in rows
    page = render(report)
    assert "37.5 % (30.0 % to 45.0 %)" in page
    assert "35.0 % (25.0 % to 50.0 %)" in page
    assert "56.2 %" in page


@pytest.mark.parametrize(
    "signatures",
    [
        None,
        3,
        {},
        {"accuracy": 7, "nats": [1], "tokens": None},
        {"accuracy": [], "nats": [], "tokens": [], "declines": []},
    ],
)
def test_without_a_base_nothing_is_held_against_it(store, finish, signatures):
    report, text, page = told(store, finish, signatures)
    assert report.signatures == ()
    assert "against base" not in text
    assert 'id="signatures"' not in page
    assert not any("Surely worse" in line or "surely worse" in line for line in report.verdict)


def test_whatever_stands_in_a_manifest_the_page_comes_out(store, finish):
    strange = {
        "accuracy": [{"difference": 0.5, "lang": 3, "model": "<b>", "declined": "yes"}],
        "tokens": [{}],
        "declines": 3,
    }
    _, _, page = told(store, finish, strange)
    assert "&lt;b&gt;" in page
    assert "<b>" not in page.replace("<body>", "")
