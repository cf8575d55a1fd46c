"""Bars and the wedges of pies."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.patches import Rectangle, Wedge

from .axis import ChartAxis
from .places import names_at
from .values import AUTOMATIC_LABEL, named, number, stride

SIGNIFICANT_DIGITS = 8
UNLABELLED = "_"


def containers(axes: Axes) -> list[BarContainer]:
    """The series of bars, in the order in which they were drawn."""
    return [container for container in axes.containers if isinstance(container, BarContainer)]


def is_horizontal(container: BarContainer) -> bool:
    """Whether bars lie. What made them has said so, or else they begin at one x."""
    orientation = getattr(container, "orientation", None)
    if orientation is not None:
        return orientation == "horizontal"
    edges = {(bar.get_x(), bar.get_height()) for bar in container.patches}
    return len(edges) == 1 and len(container.patches) > 1


def bars(axis: ChartAxis, series: list[BarContainer], limit: int, horizontal: bool) -> list[dict]:
    """Each bar with its name on `axis`, the group it belongs to and its length."""
    step = stride(sum(len(container.patches) for container in series), limit)
    elements = []
    for container in series[:limit]:
        patches: list[Rectangle] = list(container.patches)[::step]
        names = names_at(axis, *zip(*[_span(bar, horizontal) for bar in patches])) if patches else []
        group = _group(container)
        for name, bar in zip(names, patches):
            length = bar.get_width() if horizontal else bar.get_height()
            elements.append({"label": name, "group": group, "value": number(length)})
    return elements


def wedges(patches: list[Wedge], limit: int) -> list[dict]:
    """Each wedge with its angle in degrees."""
    kept = patches[:: stride(len(patches), limit)]
    return [
        {"label": _own_label(wedge), "angle": abs(_rounded(wedge.theta2 - wedge.theta1)), "radius": number(wedge.r)}
        for wedge in kept
    ]


def _span(bar: Rectangle, horizontal: bool) -> tuple[float, float]:
    start, width = (bar.get_y(), bar.get_height()) if horizontal else (bar.get_x(), bar.get_width())
    return float(start + width / 2), float(width)


def _group(container: BarContainer) -> str:
    """The label of the series, which `hist` leaves on its first bar only."""
    if AUTOMATIC_LABEL.fullmatch(str(container.get_label())) and container.patches:
        first, *others = (_own_label(bar) for bar in container.patches)
        if first and not any(others):
            return first
    return named(container.get_label(), "Group")


def _own_label(patch: Rectangle | Wedge) -> str:
    label = str(patch.get_label())
    return "" if label.startswith(UNLABELLED) else label


def _rounded(angle: float) -> float | None:
    """Angles are computed in single precision: the digits beyond it are noise."""
    angle = float(angle)
    if not math.isfinite(angle) or angle == 0:
        return 0.0
    exponent = math.floor(math.log10(abs(angle)))
    return round(angle, max(1, SIGNIFICANT_DIGITS - exponent) - 1 - exponent)
