"""Charts of a corpus by language: lengths, and the measures that quality rules put limits on."""

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, StrMethodFormatter

from apollo_ray.report.curation import Curation, Histogram, Limits
from apollo_ray.report.drawing import COLOURS, INK, WIDTH, label, style, svg

MAX_LANGUAGES = 9
"""In one chart; of more, those with the most rows."""
COLUMNS = 3  # of small charts beside each other
LIMIT_COLOUR = "#D55E00"
SHADE = 0.14
RIDGE = 0.86  # height of the fullest bin, where languages stand 1 apart

TITLES = {
    "letters_share": "letters (share of characters)",
    "digits_share": "digits (share of characters)",
    "punctuation_share": "punctuation (share of characters)",
    "function_words_share": "function words (share of words)",
    "sentence_ends_per_token": "sentence ends (per token)",
    "loose_lines_share": "loose lines (share of characters)",
    "repeated_5grams_share": "repeated 5-grams (share)",
    "distinct_tokens_share": "distinct tokens (share)",
    "entropy": "entropy (bits per character)",
}
"""Axis labels with units; a measure that is not here is shown by its name."""


def title(measure: str) -> str:
    return TITLES.get(measure, measure)


def drawn(counts: dict[str, tuple[int, ...]]) -> tuple[str, ...]:
    """The languages that a chart shows, in the order of `counts`."""
    most = sorted(counts, key=lambda lang: -sum(counts[lang]))[:MAX_LANGUAGES]
    return tuple(lang for lang in counts if lang in most)


def lengths(data: Curation, key: str) -> str:
    """Lengths of kept rows on a log2 axis: one small chart a language, all with the same axes."""
    langs = drawn(data.lengths)
    filled = [k for lang in langs for k, rows in enumerate(data.lengths[lang]) if rows]
    first, last = min(filled), max(filled)
    with style():
        figure, panels = _panels(len(langs), 1.35)
        for axes, lang in zip(panels, langs, strict=True):
            rows = data.lengths[lang]
            total = sum(rows)
            shares = [100 * n / total for n in rows[first : last + 1]]
            places = [k + 0.5 for k in range(first, last + 1)]
            axes.bar(places, shares, 0.9, color=COLOURS[0])
            axes.set_title(f"{label(lang)}: {total:,} {label(data.unit)}s", loc="left")
            axes.set_xlim(first, last + 1)
            axes.xaxis.set_major_locator(FixedLocator(range(first, last + 2, -(-(last + 1 - first) // 5))))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda k, _: _power(round(k))))
            axes.yaxis.set_major_locator(MaxNLocator(3))
            axes.grid(axis="y")
        figure.supxlabel("characters (log axis; k = 1,024, M = 1,024 k)", x=0.06, ha="left", fontsize=9)
        figure.supylabel(f"% of the language's {label(data.unit)}s", fontsize=9)
        return svg(figure, key, f"{label(data.step)}: lengths of kept {label(data.unit)}s by language")


def _power(exponent: int) -> str:
    """2**exponent, short enough for a tick."""
    steps = min(exponent // 10, 5)
    return f"{2 ** (exponent - 10 * steps)}{('', 'k', 'M', 'G', 'T', 'P')[steps]}"


def measures(data: Curation, key: str) -> str:
    """One small chart a measure, in it one histogram a language, with the limits for prose.

    Heights are square roots of the counts over the fullest bin: limits cut tails, which are not seen on a plain scale.
    """
    rows: dict[str, tuple[int, ...]] = {}
    for item in data.histograms:
        rows = item.counts | rows
    langs = drawn(rows)
    with style():
        figure, panels = _panels(len(data.histograms), 0.55 + 0.29 * len(langs))
        for axes, item in zip(panels, data.histograms, strict=True):
            for place, lang in enumerate(langs):
                if lang in item.counts:
                    _ridge(axes, item, lang, -place)
            axes.set(xlim=(item.low, item.high), ylim=(0.9 - len(langs), 1), xlabel=_axis_label(item.measure))
            axes.set_yticks([0.3 - place for place in range(len(langs))], [label(lang) for lang in langs])
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
            axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.grid(axis="x")
        _legend(figure, data)
        return svg(figure, key, f"{label(data.step)}: measures of quality by language, with limits")


def _axis_label(measure: str) -> str:
    return TITLES.get(measure) or label(measure)


def _ridge(axes: Axes, item: Histogram, lang: str, ground: float) -> None:
    rows = item.counts[lang]
    width = (item.high - item.low) / len(rows)
    edges = [item.low + width * place for place in range(len(rows) + 1)]
    tops = [ground + RIDGE * math.sqrt(n / max(rows)) for n in rows]
    axes.stairs(tops, edges, baseline=ground, fill=True, color=COLOURS[0], alpha=0.85)
    axes.plot([item.low, item.high], [ground, ground], color=INK, lw=0.5, alpha=0.4)
    for limit, end in _refused(item, item.limits.get(lang, (None, None))):
        axes.barh(ground, end - limit, RIDGE, left=limit, align="edge", color=LIMIT_COLOUR, alpha=SHADE)
        axes.vlines(limit, ground, ground + RIDGE, color=LIMIT_COLOUR, lw=1.4)


def _refused(item: Histogram, limits: Limits) -> list[tuple[float, float]]:
    """(limit, the end of the axis beyond it); none for a limit beyond which the axis shows nothing."""
    low, high = limits
    below = [(min(low, item.high), item.low)] if low is not None and low > item.low else []
    above = [(max(high, item.low), item.high)] if high is not None and high < item.high else []
    return below + above


def _legend(figure: Figure, data: Curation) -> None:
    handles: list[Line2D | Patch] = [Patch(color=COLOURS[0], alpha=0.85, label=f"{label(data.unit)}s measured")]
    if data.limited:
        handles.append(Line2D([], [], color=LIMIT_COLOUR, lw=1.4, label="limit for prose"))
        handles.append(Patch(color=LIMIT_COLOUR, alpha=SHADE, label="refused"))
    figure.legend(handles=handles, ncols=3, loc="outside upper left")


def _panels(number: int, height: float) -> tuple[Figure, list[Axes]]:
    """A figure of `number` small charts of `height` inches, COLUMNS a row."""
    rows = -(-number // COLUMNS)
    figure = Figure(figsize=(WIDTH, 0.45 + height * rows), layout="constrained")
    grid = figure.subplots(rows, COLUMNS, sharey=True, squeeze=False)
    panels = list(grid.flat)
    for axes in panels[number:]:
        axes.set_axis_off()
    return figure, panels[:number]
