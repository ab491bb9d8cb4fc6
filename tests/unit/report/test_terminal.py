import io
import re
from collections.abc import Callable

import pytest
from rich.console import Console

from apollo_ray.planning import PlannedStep
from apollo_ray.report import terminal
from apollo_ray.store import Counts, Store

Finish = Callable[..., PlannedStep]
Pending = Callable[[str, str], PlannedStep]


def printed(
    store: Store, steps: list[PlannedStep], width: int = 100, soft_wrap: bool = True, color: bool = False
) -> str:
    console = Console(file=io.StringIO(), width=width, soft_wrap=soft_wrap, force_terminal=color)
    terminal.show(console, store, "starter", steps)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def cells(text: str) -> list[list[str]]:
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]


def test_tables_have_the_numbers(store: Store, steps: list[PlannedStep]) -> None:
    rows = cells(printed(store, steps))
    documents = steps[0]
    assert ["documents", "1,234", "1,101", "133", "72.5", documents.fingerprint] in rows
    assert ["ensemble", "33.00 *", "6.00", "24.00"] in rows  # en, hi, ar
    assert ["base", "41.25", "12.00", "20.00 *"] in rows
    assert ["base", "25.0 % 15/60", "0.0 % 0/8", "33.9 % 20/59"] in rows  # en, fr, ar
    assert ["ensemble", "60.0 % 36/60", "-", "28.8 % 17/59"] in rows


def test_the_verdict_and_the_warnings_are_said(store: Store, steps: list[PlannedStep]) -> None:
    text = printed(store, steps)
    assert "worse in ar (1.20 times)" in text
    assert "warning ensemble: the vocabularies differ" in text
    assert "Not a medical device; for research." in text


def test_what_is_not_finished_is_said(store: Store, pending: Pending) -> None:
    rows = cells(printed(store, [pending("later", "train")]))
    assert ["later", "-", "-", "-", "-", "not finished"] in rows


def test_answers_are_shown_as_text(store: Store, steps: list[PlannedStep]) -> None:
    text = printed(store, steps)
    assert "<script>alert('x')</script>" in text
    assert "by the base alone" not in text


@pytest.mark.parametrize("color", [False, True])
def test_answers_cannot_steer_the_terminal(store: Store, finish: Finish, color: bool) -> None:
    answers = [{"model": "ensemble", "lang": "en", "question": "[red]bold[/red]", "text": "a\x1b[2Jb\x07c\x9bd"}]
    step = finish("scores", "evaluate", Counts("answer", 1, 1), {"answers": answers})
    text = printed(store, [step], color=color)
    assert "[red]bold[/red]" in text
    assert "\x1b[2J" not in text
    assert "\x07" not in text
    assert "\x9b" not in text


def test_joiners_of_hindi_survive(store: Store, finish: Finish) -> None:
    answers = [{"model": "ensemble", "lang": "hi", "question": "q", "text": "क्\u200dष"}]
    step = finish("scores", "evaluate", Counts("answer", 1, 1), {"answers": answers})
    assert "क्\u200dष" in printed(store, [step])


def test_long_answers_are_cut_and_wrapped(store: Store, finish: Finish) -> None:
    answers = [{"model": "ensemble", "lang": "en", "question": "q", "text": "word " * 400}]
    step = finish("scores", "evaluate", Counts("answer", 1, 1), {"answers": answers})
    text = printed(store, [step], width=60)
    assert "..." in text
    assert 40 < text.count("word") <= terminal.MAX_CHARACTERS // 5
    assert all(len(line) <= 60 for line in text.splitlines() if "word" in line)


def test_a_narrow_terminal_keeps_the_fingerprints(store: Store, steps: list[PlannedStep]) -> None:
    text = printed(store, steps, width=80)
    for step in steps:
        assert step.fingerprint in text


def test_a_narrow_terminal_breaks_numbers_rather_than_cutting_them(store: Store, steps: list[PlannedStep]) -> None:
    assert "\u2026" not in printed(store, steps[-1:], width=50)
