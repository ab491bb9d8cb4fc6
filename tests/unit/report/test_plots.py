import math
import re
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

import matplotlib
import pytest

from apollo_ray.report import drawing, plots
from apollo_ray.report.contents import Accuracies, Funnel, FunnelRow, Mix, Perplexities, Score, Training

HOSTILE = "<script>$x$</script>"
FUNNEL = Funnel(
    "corpus", "corpus", "row", (FunnelRow("en", 60, {"short": 30, "copy": 10}),), (), ("short", "copy"), None, None
)
MIX = Mix("mix", {"instruction": (0.25, 0.75), "pretraining": (0.75, 0.25)}, {})
TRAININGS = (Training("small", ((1, 3.0), (2, 2.0)), {}), Training("large", ((1, 2.5),), {}))
PERPLEXITIES = Perplexities(
    "scores", "qa", ("base", HOSTILE), ("en",), {("en", "base"): 8.0, ("en", HOSTILE): 90.0}, {}
)
ACCURACIES = Accuracies(
    "scores",
    "choice",
    "generation",
    ("base", "ensemble"),
    ("en",),
    {
        ("en", "base"): Score("base", "en", 5, 10, 0, 0, 0.5, 0.2, 0.8),
        ("en", "ensemble"): Score("ensemble", "en", 0, 10, 0, 10, math.nan, math.nan, math.nan),
    },
    {},
    None,
)
CHARTS: dict[str, Callable[[str], str]] = {
    "funnel": lambda key: plots.funnel(FUNNEL, key),
    "stream": lambda key: plots.stream(MIX, key),
    "losses": lambda key: plots.losses(TRAININGS, key),
    "held_out": lambda key: plots.held_out(
        Training(
            "expert", (), {"held_out": [{"step": s, "lang": g, "loss": 3.0 - s} for s in (0, 1) for g in ("en", "hi")]}
        ),
        key,
    ),
    "perplexity": lambda key: plots.perplexity(PERPLEXITIES, key),
    "accuracy": lambda key: plots.accuracy(ACCURACIES, key),
}


def texts(svg: str) -> list[str]:
    """Text elements of a chart; raises where it is not well-formed."""
    return [element.text or "" for element in ElementTree.fromstring(svg).iter("text")]


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_is_one_well_formed_element_that_loads_nothing(name: str) -> None:
    svg = CHARTS[name]("k")
    root = ElementTree.fromstring(svg)
    assert root.tag == "svg"
    assert root.get("aria-label")
    assert "http" not in svg
    assert all(link.startswith("#k-") for link in re.findall(r'href="([^"]*)"', svg))


@pytest.mark.parametrize("name", CHARTS)
def test_the_same_data_gives_the_same_bytes(name: str) -> None:
    assert CHARTS[name]("k") == CHARTS[name]("k")


@pytest.mark.parametrize("name", CHARTS)
def test_ids_of_two_charts_do_not_meet_and_all_references_lead_to_one(name: str) -> None:
    first, second = (CHARTS[name](key) for key in ("a", "b"))
    ids = [set(re.findall(r' id="([^"]*)"', svg)) for svg in (first, second)]
    assert ids[0]
    assert not ids[0] & ids[1]
    assert set(re.findall(r'(?:url\(|href=")#([^")]*)', first)) <= ids[0]


@pytest.mark.parametrize("name", CHARTS)
def test_ink_follows_the_page(name: str) -> None:
    svg = CHARTS[name]("k")
    assert "currentColor" in svg
    assert drawing.INK not in svg
    assert not re.search(r"fill: *(#ffffff|white)", svg)  # a white ground would blind on a dark page


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("funnel", ["rows", "dropped (% of rows read)", "language", "read", "kept", "short", "copy", "en"]),
        ("stream", ["place in the stream (% of examples)", "share of tokens (%)", "instruction", "pretraining"]),
        ("held_out", ["optimizer step", "held-out loss (nats per token)", "en", "hi"]),
        ("losses", ["optimizer step", "training loss (nats per token)", "small", "large"]),
        ("perplexity", ["language", "perplexity per token (log axis)", "base", "en"]),
        ("accuracy", ["right answers (%), with 95 % interval", "chance with four options", "base", "ensemble"]),
    ],
)
def test_axes_and_series_are_labelled(name: str, labels: list[str]) -> None:
    assert set(labels) <= set(texts(CHARTS[name]("k")))


def test_names_are_text_and_nothing_else() -> None:
    svg = plots.perplexity(PERPLEXITIES, "k")
    assert "<script" not in svg
    assert HOSTILE in texts(svg)  # with its dollars: no formula


@pytest.mark.parametrize("name", ["模型", "_hidden", "a" * 300, "line\nbreak", "\x00\x1b", ""])
def test_odd_names_are_drawn_without_a_warning(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        svg = plots.perplexity(Perplexities("s", name, (name,), (name,), {(name, name): 2.0}, {}), "k")
    assert len(max(texts(svg), key=len)) <= drawing.MAX_LABEL + 1


def test_a_funnel_without_drops_says_so() -> None:
    data = Funnel("corpus", "corpus", "row", (FunnelRow("en", 5, {}),), (), (), None, None)
    assert "nothing dropped" in texts(plots.funnel(data, "k"))


def test_a_funnel_of_nothing_is_drawn() -> None:
    data = Funnel("corpus", "corpus", "row", (FunnelRow("en", 0, {"short": 0}),), (), ("short",), None, None)
    assert "short" in texts(plots.funnel(data, "k"))


def test_rare_reasons_share_a_colour() -> None:
    reasons = tuple(f"reason{n}" for n in range(9))
    data = Funnel("corpus", "corpus", "row", (FunnelRow("en", 5, dict.fromkeys(reasons, 1)),), (), reasons, None, None)
    labels = texts(plots.funnel(data, "k"))
    assert {"reason0", "reason4", "4 other reasons"} <= set(labels)
    assert "reason5" not in labels


def test_long_curves_are_thinned_to_their_mean() -> None:
    curve = tuple((step, float(step)) for step in range(1, 10 * plots.MAX_POINTS + 1))
    points = plots.thinned(curve)
    assert len(points) == plots.MAX_POINTS
    assert points[0] == (5.5, 5.5)
    assert sum(loss for _, loss in points) / len(points) == pytest.approx(sum(loss for _, loss in curve) / len(curve))


def test_short_curves_stay_as_they_are() -> None:
    assert plots.thinned(((1, 3.0), (2, 2.0))) == [(1, 3.0), (2, 2.0)]
    assert plots.thinned(()) == []


def test_perplexity_bars_have_the_length_of_their_logarithm() -> None:
    data = Perplexities("s", "qa", ("base",), ("en", "ar"), {("en", "base"): 10.0, ("ar", "base"): 100.0}, {})
    tree = ElementTree.fromstring(plots.perplexity(data, "k"))
    colour = plots.MODEL_COLOURS["base"].lower()
    bars = [path for path in tree.iter("path") if colour in path.get("style", "") and path.get("clip-path")]
    axes = next(element for element in tree.iter("g") if element.get("id") == "k-patch_2")
    ground = max(heights(axes.findall("path")[0]))  # of perplexity 1; y grows downwards
    first, second = (ground - min(heights(bar)) for bar in bars)
    assert second / first == pytest.approx(2.0, rel=1e-3)


def heights(path: ElementTree.Element) -> list[float]:
    return [float(y) for y in re.findall(r"[ML] \S+ (\S+)", path.get("d", ""))]


def test_settings_of_the_user_change_nothing_and_are_left_alone() -> None:
    before = plots.stream(MIX, "k")
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        assert plots.stream(MIX, "k") == before
        assert matplotlib.rcParams["font.size"] == 30
