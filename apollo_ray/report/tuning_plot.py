"""How an ensemble stands against its base at each alpha, by language: the plot of `apollo tune-alpha`."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from apollo_ray.report.drawing import COLOURS, GREY, WIDTH, label, standalone, style, svg

Row = Mapping[str, Any]
COLUMNS = 3


def strengths(rows: Sequence[Row], measure: str) -> str:
    """SVG of the rows of one measure, as tuning has them: a panel a language, with a ring round the chosen alpha."""
    panels: dict[str, list[Row]] = {}
    for row in rows:
        if row["measure"] == measure:
            panels.setdefault("all" if row["lang"] is None else row["lang"], []).append(row)
    columns = min(COLUMNS, len(panels))
    lines = -(-len(panels) // columns)
    with style():
        figure = Figure(figsize=(WIDTH, 1.9 * lines + 0.4), layout="constrained")
        axes = list(figure.subplots(lines, columns, sharex=True, squeeze=False).flat)
        for place, (lang, found) in enumerate(panels.items()):
            scale = 100 if measure == "accuracy" else 1
            values = [scale * row["difference"] for row in found]
            ends = [[scale * _reach(row, end) for row in found] for end in ("difference_low", "difference_high")]
            alphas = [row["alpha"] for row in found]
            axes[place].axhline(0, color=GREY, linewidth=0.8)
            axes[place].errorbar(alphas, values, yerr=ends, fmt="o-", color=COLOURS[0], markersize=3, linewidth=1)
            for row, value in zip(found, values, strict=True):
                if row["chosen"]:
                    axes[place].plot([row["alpha"]], [value], "o", markersize=9, fillstyle="none", color=COLOURS[3])
            axes[place].set_title(label(lang), loc="left")
            axes[place].set_xlabel("alpha")
        for empty in axes[len(panels) :]:
            empty.set_axis_off()
        unit = "points of accuracy" if measure == "accuracy" else "nats per token, less is better"
        figure.supylabel(f"against alpha 0: {unit}", fontsize=8)
        drawn = svg(figure, f"strengths-{measure}", f"Ensemble less base at each alpha by language, {unit}")
        return standalone(drawn)


def _reach(row: Row, end: str) -> float:
    """From the difference to an end of its interval; 0 where there is none."""
    return 0.0 if row[end] is None else abs(float(row[end]) - float(row["difference"]))
