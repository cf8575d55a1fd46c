"""The chart of one pair of axes: which type it is, and its parts."""

from __future__ import annotations

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch, Rectangle, Wedge
from matplotlib.text import Text

from . import bars, boxes, series
from .axis import ChartAxis


def axes_chart(axes: Axes, limit: int) -> dict:
    """The chart of `axes` with at most `limit` points; unknown when they show something else or cannot be read."""
    try:
        return _chart(axes, _drawn(axes), limit)
    except Exception:
        return _unknown(axes)  # an artist unlike matplotlib's own: the image still shows it


def _chart(axes: Axes, drawn: list[Artist], limit: int) -> dict:
    x, y = ChartAxis(axes.xaxis), ChartAxis(axes.yaxis)
    if _are(drawn, Line2D):
        return _point_chart(axes, "line", series.lines(axes, x, y, drawn, limit))
    if axes.name == "3d":
        return _unknown(axes)
    if _are(drawn, (PathPatch, Line2D)):
        return _box_chart(axes, drawn, limit)
    shown = [artist for artist in drawn if not (isinstance(artist, Line2D) and series.is_straight(artist))]
    if _are(shown, PathCollection) and all(_is_scatter(axes, collection) for collection in shown):
        return _point_chart(axes, "scatter", series.scatters(x, y, shown, limit))
    if _are(shown, Wedge):
        return {"type": "pie", "title": _title(axes), "elements": bars.wedges(shown, limit)}
    if _are(shown, Rectangle):
        return _bar_chart(axes, shown, limit)
    return _unknown(axes)


def _are(artists: list[Artist], kind: type | tuple[type, ...]) -> bool:
    return all(isinstance(artist, kind) for artist in artists)


def _drawn(axes: Axes) -> list[Artist]:
    """What was plotted, in order: no frame, ticks or legend, and no text."""
    plotted = (axes.lines, axes.patches, axes.collections, axes.images, axes.tables, axes.artists)
    known = {id(artist) for artists in plotted for artist in artists}
    return [
        artist for artist in axes.get_children() if id(artist) in known and not isinstance(artist, (Text, Legend))
    ]


def _is_scatter(axes: Axes, collection: PathCollection) -> bool:
    """Whether the offsets are data. Contours are collections of paths as well in older matplotlibs."""
    return collection.get_offset_transform().contains_branch(axes.transData)


def _bar_chart(axes: Axes, rectangles: list[Rectangle], limit: int) -> dict:
    containers = bars.containers(axes)
    in_series = {id(bar) for container in containers for bar in container.patches}
    if any(id(rectangle) not in in_series for rectangle in rectangles):
        return _unknown(axes)
    lie = any(bars.is_horizontal(container) for container in containers)
    names = ChartAxis(axes.yaxis if lie else axes.xaxis)
    return {**_frame(axes, "bar", swapped=lie), "elements": bars.bars(names, containers, limit, lie)}


def _box_chart(axes: Axes, artists: list[Artist], limit: int) -> dict:
    lie = boxes.is_horizontal(artists)
    names = ChartAxis(axes.yaxis if lie else axes.xaxis)
    return {**_frame(axes, "box_and_whisker", swapped=lie), "elements": boxes.boxes(names, artists, limit, lie)}


def _point_chart(axes: Axes, kind: str, elements: list[dict]) -> dict:
    chart = _frame(axes, kind)
    for name, axis in (("x", ChartAxis(axes.xaxis)), ("y", ChartAxis(axes.yaxis))):
        chart[f"{name}_ticks"] = axis.ticks
        chart[f"{name}_tick_labels"] = axis.tick_labels
        chart[f"{name}_scale"] = axis.scale
    return {**chart, "elements": elements}


def _frame(axes: Axes, kind: str, *, swapped: bool = False) -> dict:
    """What all charts with two axes have. The axis with the names is their x, wherever it is drawn."""
    x, y = ChartAxis(axes.xaxis), ChartAxis(axes.yaxis)
    if swapped:
        x, y = y, x
    return {
        "type": kind,
        "title": _title(axes),
        "elements": [],
        "x_label": x.label,
        "y_label": y.label,
        "x_unit": x.unit,
        "y_unit": y.unit,
    }


def _unknown(axes: Axes) -> dict:
    return {"type": "unknown", "title": _title(axes), "elements": []}


def _title(axes: Axes) -> str | None:
    return next((title for place in ("center", "left", "right") if (title := axes.get_title(loc=place))), None)
