"""The chart of a whole figure."""

from __future__ import annotations

import warnings

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .axes_chart import axes_chart
from .values import MAX_POINTS

COLORBAR_LABEL = "<colorbar>"


def figure_chart(figure: Figure) -> dict:
    """What a figure shows, as data; `{}` when it shows nothing. Never fails."""
    try:
        # Reading ticks may warn about what drawing them has already warned of.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _chart(figure)
    except Exception:
        return {}  # a figure that is unlike matplotlib's own: its image is shown all the same


def _chart(figure: Figure) -> dict:
    if not any(axes.has_data() for axes in figure.axes):
        return {}
    charted = _without_colorbars(figure.axes)
    if len(charted) == 1:
        return axes_chart(charted[0], MAX_POINTS)
    limit = max(1, MAX_POINTS // max(1, len(charted)))
    return {"type": "superchart", "title": _title(figure), "elements": [axes_chart(axes, limit) for axes in charted]}


def _without_colorbars(every: list[Axes]) -> list[Axes]:
    """The axes that were plotted on: a colour bar is the key of another one."""
    coloured = [artist for axes in every for artist in (*axes.images, *axes.collections)]
    bars = {id(bar.ax) for artist in coloured if (bar := getattr(artist, "colorbar", None)) is not None}
    return [axes for axes in every if id(axes) not in bars and axes.get_label() != COLORBAR_LABEL]


def _title(figure: Figure) -> str:
    if hasattr(figure, "get_suptitle"):
        return figure.get_suptitle()
    text = getattr(figure, "_suptitle", None)  # matplotlib before 3.8 has no other way
    return text.get_text() if text is not None else ""
