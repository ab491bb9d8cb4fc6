"""What all charts share: colours, labels, and figures as SVG text to be put inline: no files, no fonts, no pyplot.

Lines and text take the page's own colour (currentColor), so one chart serves light and dark. Labels are cut to ASCII:
language codes, names of steps and models; so no chart needs a font for a script. The same data gives the same bytes.
"""

import html
import io
import re
import string
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9")
"""Okabe and Ito (2008) without black and yellow, which vanish on a dark and on a light page."""
GREY = "#8A8A8A"
INK = "#010203"  # a colour that no data has, replaced by currentColor in the SVG
WIDTH = 7.6  # inches
MAX_LABEL = 32  # characters
NO_METADATA = {"Creator": None, "Date": None, "Format": None, "Type": None}
STYLE = {
    "svg.hashsalt": "apollo",
    "svg.fonttype": "none",  # text stays text: small, selectable, searchable
    "text.parse_math": False,  # a $ in a name is a $
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": INK,
    "grid.alpha": 0.15,
    "legend.frameon": False,
}


def label(name: str) -> str:
    """Printable ASCII of bounded length; matplotlib hides labels that start with an underscore."""
    kept = "".join(mark if mark in string.printable and mark not in "\t\n\r\v\f" else "?" for mark in name)
    short = kept if len(kept) <= MAX_LABEL else kept[: MAX_LABEL - 3] + "..."
    return " " + short if short.startswith("_") else short


def legend_above(axes: Axes, room: int = 96) -> None:
    """Legend in as many columns as fit into `room` characters: the whole width of a figure has 96."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        columns = max(1, room // (max(map(len, labels)) + 7))  # 7 for the handle and the space between
        axes.legend(handles, labels, ncols=columns, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)


def standalone(svg: str) -> str:
    """A chart of `svg` as a document of its own, for a file or a notebook."""
    return svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)


@contextmanager
def style() -> Iterator[None]:
    """Our settings over matplotlib's own, whatever the user's matplotlibrc says; undone afterwards."""
    settings: dict[Any, Any] = STYLE
    with matplotlib.style.context("default"), matplotlib.rc_context(settings):
        yield


def svg(figure: Figure, key: str, title: str) -> str:
    """The figure as an <svg> element with `title` for screen readers. Ids start with `key`: all charts share a page."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata=NO_METADATA)
    text = buffer.getvalue().decode()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    text = re.sub(r' (xmlns(:xlink)?|version)="[^"]*"', "", text)
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r' (d|x|y)="[^"]*"', lambda found: re.sub(r"(\.\d\d)\d+", r"\1", found[0]), text)  # 0.01 pt is unseen
    text = re.sub(r"\n\s+", "\n", text)
    text = text.replace(' id="', f' id="{key}-').replace('xlink:href="#', f'href="#{key}-')
    text = text.replace("url(#", f"url(#{key}-")
    return text.replace("<svg ", f'<svg role="img" aria-label="{html.escape(title)}" ', 1).strip()
