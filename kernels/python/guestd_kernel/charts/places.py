"""What stands at a place of an axis: the names of bars and boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy
from matplotlib import ticker

from .axis import ChartAxis
from .values import number

NUMERIC_FORMATTERS = (ticker.ScalarFormatter, ticker.LogFormatter)
PLACED_LOCATORS = (ticker.FixedLocator,)
MIDNIGHT = "T00:00:00+00:00"


def names_at(axis: ChartAxis, centres: Sequence[float], widths: Sequence[float]) -> list[str]:
    """A name for each thing of one series: its tick's label where ticks have names, else its place on the axis."""
    names = [_place(axis, centre) for centre in centres]
    if len(axis.positions) == 0 or axis.is_date or isinstance(axis.axis.get_major_formatter(), NUMERIC_FORMATTERS):
        return names
    for index, tick in _nearest(axis, centres, widths).items():
        names[index] = axis.tick_labels[tick] if tick < len(axis.tick_labels) else names[index]
    return names


def _nearest(axis: ChartAxis, centres: Sequence[float], widths: Sequence[float]) -> dict[int, int]:
    """The tick of each thing that has one: the nearest, which no other thing of the series is nearer to."""
    ticks = numpy.asarray(axis.positions, dtype=float)
    order = numpy.argsort(ticks, kind="stable")
    sorted_ticks = ticks[order]
    # Bars of one group stand beside their tick, at most half way to the next one.
    reach = numpy.diff(sorted_ticks).min() / 2 if len(ticks) > 1 else numpy.inf
    is_placed = axis.is_category or isinstance(axis.axis.get_major_locator(), PLACED_LOCATORS)
    best: dict[int, tuple[float, int]] = {}
    for index, (centre, width) in enumerate(zip(centres, widths)):
        after = int(numpy.searchsorted(sorted_ticks, centre))
        candidates = [near for near in (after - 1, after) if 0 <= near < len(ticks)]
        near = min(candidates, key=lambda candidate: abs(sorted_ticks[candidate] - centre))
        distance = float(abs(sorted_ticks[near] - centre))
        allowed = max(reach, abs(width) / 2) if is_placed else abs(width) / 2
        tick = int(order[near])
        if distance <= allowed * (1 + 1e-9) and distance < best.get(tick, (numpy.inf, -1))[0]:
            best[tick] = (distance, index)
    return {index: tick for tick, (_, index) in best.items()}


def _place(axis: ChartAxis, centre: float) -> str:
    if number(centre) is None:
        return ""
    if axis.is_date:
        text = axis.times([centre])[0]
        return text[: -len(MIDNIGHT)] if text.endswith(MIDNIGHT) else text
    return f"{centre:.10g}"
