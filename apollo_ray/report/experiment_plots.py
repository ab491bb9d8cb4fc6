"""Charts of experiments: differences of arms with their intervals, a small chart for each language."""

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from apollo_ray.report.drawing import COLOURS, GREY, INK, WIDTH, label, style, svg
from apollo_ray.report.experiments import Measured, Outcomes

MAX_PANELS = 7  # the six languages and their mean
BETTER, WORSE = COLOURS[0], COLOURS[3]
TOLD = {"better": BETTER, "worse": WORSE, "not told apart": GREY}


def differences(data: Outcomes, key: str) -> str | None:
    """Arms down, languages across; None where no arm was held against another."""
    arms = [arm for arm in data.arms if any(_drawable(data.cells.get((arm, lang))) for lang in data.languages)]
    langs = [lang for lang in data.languages if any(_drawable(data.cells.get((arm, lang))) for arm in arms)]
    langs = langs[-MAX_PANELS:]
    if not arms:
        return None
    scale = 100 if data.measure == "accuracy" else 1
    with style():
        figure = Figure(figsize=(WIDTH, 0.95 + 0.21 * len(arms)), layout="constrained")
        panels = figure.subplots(1, len(langs), sharey=True, sharex=True, squeeze=False)[0]
        for axes, lang in zip(panels, langs, strict=True):
            axes.axvline(0, color=INK, lw=0.8)
            for place, arm in enumerate(arms):
                cell = data.cells.get((arm, lang))
                if cell is None or not _drawable(cell):
                    continue
                assert cell.difference is not None
                assert cell.difference_low is not None
                assert cell.difference_high is not None
                colour = TOLD[data.told(cell)]
                axes.plot(
                    [scale * cell.difference_low, scale * cell.difference_high], [place] * 2, color=colour, lw=1.6
                )
                axes.plot([scale * cell.difference], [place], "o", color=colour, ms=3.6)
            axes.set_title(label(lang), loc="left")
            axes.xaxis.set_major_locator(MaxNLocator(2))
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.grid(axis="x")
        panels[0].set_yticks(range(len(arms)), [label(arm) for arm in arms])
        panels[0].set_ylim(len(arms) - 0.5, -0.5)
        unit = "percentage points; right is better" if scale == 100 else "nats per token; left is better"
        figure.supxlabel(f"difference with 95 % interval ({unit})", fontsize=9)
        return svg(figure, key, f"{label(data.benchmark)}: differences between arms by language")


def _drawable(cell: Measured | None) -> bool:
    return cell is not None and None not in (cell.difference, cell.difference_low, cell.difference_high)
