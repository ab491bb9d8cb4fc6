"""The page of a finished run with every section and every kind of chart, in a real browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apollo_ray.report import page
from apollo_ray.store import Counts, Store

from ...browser import DESK, PHONE, chromium, problems
from .conftest import finished_run, finisher
from .test_curation import COUNTS, SETTINGS
from .test_curation import SUMMARY as CURATED
from .test_experiments import SUMMARY as COMPARED
from .test_rewriting import SUMMARY as REWRITTEN

CHARTS = 12
"""The hand-made run's six, and of the steps below: a funnel each, lengths, measures and two differences of arms."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from chromium()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    store = Store(str(folder / "store"))
    finish = finisher(store)
    steps = [
        *finished_run(finish),
        finish("curated", "corpus", COUNTS, CURATED, settings=SETTINGS),
        finish("asked", "rewrite", Counts("passage", 120, 100, {"refused": 20}), REWRITTEN),
        finish("table", "compare", Counts("arm", 2, 2), COMPARED),
    ]
    return Path(page.write(store, "every section", steps, str(folder / "page.html")))


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_the_page_is_whole_and_readable(browser: Any, file: Path, width: int) -> None:
    assert problems(browser, file, width, CHARTS) == []


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        ("<script>1</script>", "console: "),
        ('<div style="width: 2000px">wide</div>', "scrolls sideways: 20"),
        ('<p style="font-size: 9px">tiny</p>', "small letters: [9, 'tiny']"),
        ('<img src="https://example.org/x.png">', "console: "),  # the page's own policy stops it
        ("<figure><svg></svg></figure>", "chart not drawn: "),
    ],
)
def test_what_a_page_must_not_have_is_seen(browser: Any, file: Path, tmp_path: Path, harm: str, problem: str) -> None:
    harmed = tmp_path / "harmed.html"
    harmed.write_text(file.read_text().replace("<main>", f"<main>{harm}"))
    assert any(found.startswith(problem) for found in problems(browser, harmed, PHONE, CHARTS))
