"""Lines and scattered points."""

from __future__ import annotations

import numpy
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.lines import Line2D

from .axis import ChartAxis
from .values import named, stride, values

OUTLINE_POINTS = 5


def is_straight(line: Line2D) -> bool:
    """Whether a line has two points, one above or beside the other, as guide lines have."""
    xs, ys = line.get_xdata(orig=False), line.get_ydata(orig=False)
    return len(xs) == 2 and len(ys) == 2 and bool(xs[0] == xs[1] or ys[0] == ys[1])


def lines(axes: Axes, x: ChartAxis, y: ChartAxis, artists: list[Line2D], limit: int) -> list[dict]:
    """The lines that show data: no guide lines across the axes, no parts of boxes but their outlines."""
    has_boxes = any(_is_outline(line) for line in artists)
    shown = [line for line in artists if _is_in_data(axes, line) and not (has_boxes and is_straight(line))]
    shown = shown[:limit]
    step = stride(sum(len(line.get_xdata(orig=False)) for line in shown), limit)
    elements = []
    for line in shown:
        xs, ys = _coordinates(line, step)
        elements.append({"label": named(line.get_label(), "Line"), "points": _points(x, y, xs, ys)})
    return elements


def scatters(x: ChartAxis, y: ChartAxis, collections: list[PathCollection], limit: int) -> list[dict]:
    """Collections of points. Places on an axis of dates are dates, categories are numbers as their ticks are."""
    collections = collections[:limit]
    step = stride(sum(len(collection.get_offsets()) for collection in collections), limit)
    elements = []
    for collection in collections:
        offsets = numpy.ma.asarray(collection.get_offsets())[::step]
        xs, ys = (values(offsets[:, column]) for column in (0, 1))
        elements.append({"label": str(collection.get_label()), "points": _points(x, y, xs, ys)})
    return elements


def _points(x: ChartAxis, y: ChartAxis, xs: list, ys: list) -> list[list]:
    return [list(pair) for pair in zip(x.in_terms_of_ticks(xs), y.in_terms_of_ticks(ys))]


def _coordinates(line: Line2D, step: int) -> tuple[list, list]:
    # A line in space is drawn through its projection, which is no data of the user's.
    data = line.get_data_3d()[:2] if hasattr(line, "get_data_3d") else line.get_data(orig=True)
    xs, ys = (values(numpy.atleast_1d(part) if numpy.isscalar(part) else part, step) for part in data)
    return xs, ys


def _is_in_data(axes: Axes, line: Line2D) -> bool:
    """Whether both coordinates of a line are data. `axhline` uses the axes' own for one of them, `axline` has no ends."""
    if "AxLine" in type(line).__name__:
        return False
    if not line.is_transform_set():
        return True
    transform = line.get_transform()
    return not is_straight(line) or all(transform.contains_branch_seperately(axes.transData))


def _is_outline(line: Line2D) -> bool:
    """Whether a line is a closed rectangle, as the boxes of a box plot are."""
    xs, ys = (numpy.asarray(part) for part in line.get_data(orig=False))
    if len(xs) != OUTLINE_POINTS or len(ys) != OUTLINE_POINTS or xs[0] != xs[-1] or ys[0] != ys[-1]:
        return False
    return len(set(xs.tolist())) <= 2 and len(set(ys.tolist())) <= 2 and bool(numpy.ptp(xs) and numpy.ptp(ys))
