"""The report's charts of a run. How they are drawn: drawing.py."""

from itertools import cycle

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from apollo_ray.report.contents import CHANCE, Accuracies, Funnel, Mix, Perplexities, Training
from apollo_ray.report.drawing import COLOURS, GREY, INK, WIDTH, label, legend_above, style, svg

MODEL_COLOURS = {"base": GREY, "expert": "#E69F00", "anti_expert": "#56B4E9", "ensemble": "#0072B2"}
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES = ("-", "--", ":", "-.")
MAX_POINTS = 400  # of a loss curve; more are averaged in bins, or a long run would give megabytes of path


def funnel(data: Funnel, key: str) -> str:
    """Rows read and kept a language, beside what was dropped by reason as percent of the rows read."""
    with style():
        figure = Figure(figsize=(WIDTH, 1.5 + 0.3 * len(data.languages)), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        places = range(len(data.languages))
        left.barh(places, [row.read for row in data.languages], 0.7, color=GREY, alpha=0.45, label="read")
        left.barh(places, [row.kept for row in data.languages], 0.7, color=COLOURS[0], label="kept")
        left.set_xlabel(f"{label(data.unit)}s")
        left.set_ylabel("language")
        left.set_yticks(places, [label(row.name) for row in data.languages])
        left.invert_yaxis()
        left.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        left.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        ends = [0.0 for _ in data.languages]
        for (name, reasons), colour in zip(_top_reasons(data), (*COLOURS[1:], GREY), strict=False):
            counts = [sum(row.dropped.get(reason, 0) for reason in reasons) for row in data.languages]
            widths = [100 * n / row.read if row.read else 0.0 for n, row in zip(counts, data.languages, strict=True)]
            right.barh(places, widths, 0.7, left=ends, color=colour, label=label(name))
            ends = [end + width for end, width in zip(ends, widths, strict=True)]
        if not data.reasons:
            right.text(0.5, 0.5, "nothing dropped", ha="center", va="center", transform=right.transAxes)
            right.set_xticks([])
        right.set_xlabel(f"dropped (% of {label(data.unit)}s read)")
        for axes in (left, right):
            axes.grid(axis="x")
            legend_above(axes, room=48)
        return svg(figure, key, f"{label(data.step)}: {label(data.unit)}s read, kept and dropped by language")


def _top_reasons(data: Funnel) -> list[tuple[str, list[str]]]:
    """One bar a reason; beyond as many as there are colours the rarest share one."""
    single = data.reasons if len(data.reasons) <= len(COLOURS) else data.reasons[: len(COLOURS) - 1]
    rest = list(data.reasons[len(single) :])
    return [(reason, [reason]) for reason in single] + ([(f"{len(rest)} other reasons", rest)] if rest else [])


def stream(data: Mix, key: str) -> str:
    """Share of each class along the stream, stacked to 100 %."""
    with style():
        figure = Figure(figsize=(WIDTH, 2.6), layout="constrained")
        axes = figure.subplots()
        bins = max(len(values) for values in data.shares.values())
        edges = [100 * index / bins for index in range(bins + 1)]
        bottom = [0.0] * bins
        for (name, values), colour in zip(data.shares.items(), cycle((*COLOURS, GREY)), strict=False):
            top = [low + 100 * value for low, value in zip(bottom, values, strict=True)]
            axes.stairs(top, edges, baseline=bottom, fill=True, color=colour, label=label(name))
            bottom = top
        axes.set(
            xlim=(0, 100), ylim=(0, 100), xlabel="place in the stream (% of examples)", ylabel="share of tokens (%)"
        )
        legend_above(axes)
        return svg(figure, key, f"{label(data.step)}: share of each class along the stream")


def losses(data: tuple[Training, ...], key: str) -> str:
    """Training loss of every step in one chart."""
    with style():
        figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
        axes = figure.subplots()
        for index, training in enumerate(data):
            curve = thinned(training.curve)
            colour, dash = COLOURS[index % len(COLOURS)], DASHES[index % len(DASHES)]
            marker = "o" if len(curve) == 1 else ""
            axes.plot(*zip(*curve, strict=True), dash, color=colour, marker=marker, lw=1.3, label=label(training.step))
        axes.set(xlabel="optimizer step", ylabel="training loss (nats per token)")
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.grid()
        legend_above(axes)
        return svg(figure, key, "training loss by optimizer step")


def held_out(data: Training, key: str) -> str:
    """Loss on text that a step did not train on, by language."""
    curves: dict[str, list[tuple[int, float]]] = {}
    for row in data.summary["held_out"]:
        curves.setdefault(row["lang"], []).append((row["step"], row["loss"]))
    with style():
        figure = Figure(figsize=(WIDTH, 3.0), layout="constrained")
        axes = figure.subplots()
        for (lang, curve), colour, marker in zip(sorted(curves.items()), cycle(COLOURS), cycle(MARKERS), strict=False):
            axes.plot(*zip(*curve, strict=True), color=colour, marker=marker, ms=3, lw=1.3, label=label(lang))
        axes.set(xlabel="optimizer step", ylabel="held-out loss (nats per token)")
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.grid()
        legend_above(axes)
        return svg(figure, key, f"{label(data.step)}: held-out loss by language and optimizer step")


def thinned(curve: tuple[tuple[int, float], ...]) -> list[tuple[float, float]]:
    """At most MAX_POINTS points: the mean step and the mean loss of bins with equally many steps."""
    width = -(-len(curve) // MAX_POINTS)
    bins = [curve[start : start + width] for start in range(0, len(curve), width)] if curve else []
    return [(sum(step for step, _ in part) / len(part), sum(loss for _, loss in part) / len(part)) for part in bins]


def perplexity(data: Perplexities, key: str) -> str:
    """Perplexity by language and model. Bars stand on 1, its least value, so their length is nats per token."""
    with style():
        figure = Figure(figsize=(WIDTH, 3.2), layout="constrained")
        axes = figure.subplots()
        width = 0.8 / len(data.models)
        for index, model in enumerate(data.models):
            places = [n for n, lang in enumerate(data.languages) if (lang, model) in data.values]
            heights = [data.values[data.languages[n], model] for n in places]
            shift = (index - (len(data.models) - 1) / 2) * width
            shifted = [place + shift for place in places]
            axes.bar(shifted, heights, 0.92 * width, color=_model_colour(data.models, model), label=label(model))
        axes.set_yscale("log")
        axes.set_ylim(1, 1.3 * max([1.0, *data.values.values()]))
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_xticks(range(len(data.languages)), [label(lang) for lang in data.languages])
        axes.set(xlabel="language", ylabel="perplexity per token (log axis)")
        axes.grid(axis="y")
        legend_above(axes)
        return svg(figure, key, f"{label(data.benchmark)}: perplexity by language and model")


def accuracy(data: Accuracies, key: str) -> str:
    """Accuracy with its 95 % interval by language and model, and the line of chance."""
    with style():
        rows = len(data.languages) * len(data.models)
        figure = Figure(figsize=(WIDTH, 1.5 + 0.17 * rows), layout="constrained")
        axes = figure.subplots()
        axes.axvline(100 * CHANCE, color=INK, ls="--", lw=1, label="chance with four options")
        for index, model in enumerate(data.models):
            shift = 0.7 * ((index + 0.5) / len(data.models) - 0.5)
            scores = [(n, data.scores.get((lang, model))) for n, lang in enumerate(data.languages)]
            found = [(place, score) for place, score in scores if score and score.measured]
            low = [100 * max(score.accuracy - score.low, 0) for _, score in found]
            high = [100 * max(score.high - score.accuracy, 0) for _, score in found]
            axes.errorbar(
                [100 * score.accuracy for _, score in found],
                [place + shift for place, _ in found],
                xerr=[low, high],
                fmt=MARKERS[index % len(MARKERS)],
                ms=4.5,
                lw=1.3,
                capsize=2,
                color=_model_colour(data.models, model),
                label=label(model),
            )
        axes.set_yticks(range(len(data.languages)), [label(lang) for lang in data.languages])
        axes.invert_yaxis()
        axes.set(xlim=(0, 100), xlabel="right answers (%), with 95 % interval", ylabel="language")
        axes.grid(axis="x")
        legend_above(axes)
        return svg(figure, key, f"{label(data.benchmark)}: accuracy by language and model")


def _model_colour(models: tuple[str, ...], model: str) -> str:
    others = [name for name in models if name not in MODEL_COLOURS]
    free = [colour for colour in COLOURS if colour not in MODEL_COLOURS.values()]
    return MODEL_COLOURS[model] if model in MODEL_COLOURS else free[others.index(model) % len(free)]
