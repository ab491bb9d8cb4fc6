import re
import xml.etree.ElementTree as ElementTree

import pytest

from apollo_ray.report import curation_plots, drawing
from apollo_ray.report.curation import Curation, Grid, Histogram, Limits

NOTHING = Grid((), (), {})
LANGS = ("en", "zh", "hi", "es", "fr", "ar")
BAR = drawing.COLOURS[0].lower()
LIMIT = curation_plots.LIMIT_COLOUR.lower()


def curation(lengths: dict[str, tuple[int, ...]] | None = None, *histograms: Histogram) -> Curation:
    return Curation("documents", "row", (), lengths or {}, histograms, NOTHING, NOTHING, None)


def histogram(
    limits: Limits = (None, None), rows: tuple[int, ...] = (1, 4, 16), langs: tuple[str, ...] = LANGS
) -> Histogram:
    return Histogram("letters_share", 0.0, 1.0, dict.fromkeys(langs, rows), dict.fromkeys(langs, limits))


def paths(svg: str, colour: str, clipped: bool = True) -> list[ElementTree.Element]:
    """Shapes of the data in a colour; those of the legend are not clipped."""
    found = ElementTree.fromstring(svg).iter("path")
    return [
        path for path in found if colour in path.get("style", "") and (path.get("clip-path") is not None) == clipped
    ]


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter("text")]


def box(path: ElementTree.Element) -> tuple[float, float, float, float]:
    """(left, right, top, bottom) in points; y grows downwards."""
    points = [(float(x), float(y)) for x, y in re.findall(r"[ML] (\S+) (\S+)", path.get("d", ""))]
    xs, ys = zip(*points, strict=True)
    return min(xs), max(xs), min(ys), max(ys)


def height(path: ElementTree.Element) -> float:
    *_, top, bottom = box(path)
    return bottom - top


def test_lengths_have_a_small_chart_a_language_and_a_bar_a_power_of_two() -> None:
    rows = dict.fromkeys(LANGS, (0,) * 6 + (5, 10, 0, 5) + (0,) * 10)
    svg = curation_plots.lengths(curation(rows), "k")
    assert len(paths(svg, BAR)) == len(LANGS) * 4  # bins 6 to 9, an empty one among them
    assert {f"{lang}: 20 rows" for lang in LANGS} <= set(texts(svg))
    assert {"64", "256", "1k", "% of the language's rows"} <= set(texts(svg))
    assert any(text.startswith("characters (log axis") for text in texts(svg))


def test_bars_of_lengths_are_shares_of_their_language() -> None:
    rows = {"en": (1, 3), "zh": (100, 300)}
    low_en, high_en, low_zh, high_zh = map(height, paths(curation_plots.lengths(curation(rows), "k"), BAR))
    assert high_en / low_en == pytest.approx(3, rel=0.01)
    assert (low_zh, high_zh) == pytest.approx((low_en, high_en), rel=0.01)


def test_measures_have_a_histogram_a_measure_and_language() -> None:
    svg = curation_plots.measures(curation(None, *[histogram()] * 4), "k")
    assert len(paths(svg, BAR)) == 4 * len(LANGS)
    assert not paths(svg, LIMIT)
    assert texts(svg).count("letters (share of characters)") == 4
    assert set(LANGS) <= set(texts(svg))
    assert "limit for prose" not in texts(svg)


def test_heights_are_square_roots_so_that_tails_are_seen() -> None:
    item = histogram(rows=(1, 100, 0), langs=("en",))
    (shape,) = paths(curation_plots.measures(curation(None, item), "k"), BAR)
    ys = sorted({float(y) for y in re.findall(r"[ML] \S+ (\S+)", shape.get("d", ""))})
    top, step, ground = ys
    assert (ground - step) / (ground - top) == pytest.approx(0.1, rel=0.02)


@pytest.mark.parametrize(
    ("limits", "places"),
    [
        ((0.25, None), [0.25]),
        ((None, 0.75), [0.75]),
        ((0.25, 0.75), [0.25, 0.75]),
        ((None, None), []),
        ((-1.0, 2.0), []),  # beyond the axis nothing is refused
        ((2.0, None), [1.0]),
        ((None, -1.0), [0.0]),
    ],
)
def test_limits_are_lines_at_their_place(limits: Limits, places: list[float]) -> None:
    svg = curation_plots.measures(curation(None, histogram(limits, langs=("en",))), "k")
    left, right, _, _ = box(paths(svg, BAR)[0])
    lines = [path for path in paths(svg, LIMIT) if "stroke: " + LIMIT in path.get("style", "") and height(path)]
    thin = [box(path)[0] for path in lines if box(path)[0] == box(path)[1]]
    assert [(x - left) / (right - left) for x in thin] == pytest.approx(places, abs=0.01)


def test_every_language_has_its_own_limit() -> None:
    item = Histogram("entropy", 0.0, 10.0, {"en": (1, 2), "zh": (2, 1)}, {"en": (2.0, None), "zh": (4.0, None)})
    svg = curation_plots.measures(curation(None, item), "k")
    left, right, _, _ = box(paths(svg, BAR)[0])
    thin = [box(path)[0] for path in paths(svg, LIMIT) if box(path)[0] == box(path)[1]]
    assert [(x - left) / (right - left) for x in thin] == pytest.approx([0.2, 0.4], abs=0.01)
    assert {"limit for prose", "refused", "entropy (bits per character)"} <= set(texts(svg))


def test_of_many_languages_those_with_the_most_rows_are_drawn() -> None:
    rows = {f"l{n:02d}": (n + 1,) for n in range(curation_plots.MAX_LANGUAGES + 3)}
    assert curation_plots.drawn(rows) == tuple(rows)[3:]
    svg = curation_plots.lengths(curation(rows), "k")
    assert "l03: 4 rows" in texts(svg)
    assert "l02: 3 rows" not in texts(svg)


def test_a_language_may_lack_a_measure() -> None:
    items = (histogram(langs=("en",)), histogram(langs=("en", "zh")))
    assert len(paths(curation_plots.measures(curation(None, *items), "k"), BAR)) == 3


@pytest.mark.parametrize("name", ["模型", "_hidden", "a" * 300, "\x00\x1b", "", "$x$", "<b>"])
def test_odd_names_are_text(name: str) -> None:
    item = Histogram(name, 0.0, 1.0, {name: (1,)}, {})
    for svg in (
        curation_plots.measures(curation(None, item), "k"),
        curation_plots.lengths(curation({name: (1,)}), "k"),
    ):
        assert max(map(len, texts(svg))) < drawing.MAX_LABEL + 20
        assert "<b>" not in svg


@pytest.mark.parametrize("name", ["lengths", "measures"])
def test_charts_are_steady_and_follow_the_page(name: str) -> None:
    data = curation({"en": (1, 2)}, histogram((0.5, None)))
    first, second, other = (getattr(curation_plots, name)(data, key) for key in ("k", "k", "m"))
    assert first == second
    ids = [set(re.findall(r' id="([^"]*)"', svg)) for svg in (first, other)]
    assert not ids[0] & ids[1]
    assert set(re.findall(r'(?:url\(|href=")#([^")]*)', first)) <= ids[0]
    assert ElementTree.fromstring(first).get("aria-label")
    assert "currentColor" in first
    assert drawing.INK not in first


def test_six_languages_and_nine_measures_stay_small() -> None:
    item = histogram((0.2, 0.8), tuple(range(1, 25)))
    assert len(curation_plots.measures(curation(None, *[item] * 9), "k")) < 200_000


@pytest.mark.parametrize(
    ("exponent", "tick"), [(0, "1"), (9, "512"), (10, "1k"), (16, "64k"), (20, "1M"), (63, "8192P")]
)
def test_ticks_are_powers_of_two(exponent: int, tick: str) -> None:
    assert curation_plots._power(exponent) == tick
