"""Pages in a real browser: what a test may say of one, at the width of a desk and of a telephone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/bin/chromium")
DESK, PHONE = 1200, 390  # px

SMALL = """() => {
  const small = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.getClientRects().length) continue;
    let size = parseFloat(getComputedStyle(element).fontSize);
    if (element.ownerSVGElement) size *= Math.hypot(element.getScreenCTM().a, element.getScreenCTM().b);
    if (size < 13.95) small.push([size, walker.currentNode.data.trim().slice(0, 40)]);
  }
  return small;
}"""
"""Visible text under 14 px, letters of charts as large as they are on the screen."""


def chromium() -> Iterator[Any]:
    if not CHROMIUM.exists():
        pytest.skip(f"no {CHROMIUM}: Debian's package chromium has it")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=str(CHROMIUM))
        yield browser
        browser.close()


def problems(browser: Any, file: Path, width: int, charts: int) -> list[str]:
    """What is wrong with a report that a browser opens: charts that are not drawn, complaints, requests, scrolling
    sideways, letters under 14 px, links that lead nowhere."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    found: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: found.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: found.append(f"error: {error}"))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true })")
    found += [f"asks for {url}" for url in asked[1:]]
    drawn = page.locator("figure svg").evaluate_all(
        "all => all.map(one => [one.clientWidth, one.clientHeight, one.querySelectorAll('path, use').length])"
    )
    if len(drawn) != charts:
        found.append(f"{len(drawn)} charts, expected {charts}")
    found += [f"chart not drawn: {one}" for one in drawn if one[0] < 300 or one[1] < 60 or one[2] < 5]
    if (scroll := page.evaluate("document.documentElement.scrollWidth")) > width:
        found.append(f"scrolls sideways: {scroll} px of {width}")
    found += [f"small letters: {one}" for one in page.evaluate(SMALL)]
    targets = page.locator("nav a").evaluate_all("all => all.map(one => one.getAttribute('href'))")
    found += [f"leads nowhere: {target}" for target in targets if page.locator(target).count() != 1]
    page.close()
    return found
