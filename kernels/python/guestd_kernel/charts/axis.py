"""One axis of a chart: its label and unit, its scale, its ticks and what they mean."""

from __future__ import annotations

import datetime
import functools
import re
import sys

import numpy
from matplotlib import category, dates, units
from matplotlib.axis import Axis

from .values import numbers, period_text, stride, value

MAX_TICKS = 1000
# The first of ` (unit)` and `[unit]`.
UNIT = re.compile(r"\s\((.*?)\)|\[(.*?)\]", re.DOTALL)


class ChartAxis:
    """Reads an axis once for all parts of a chart."""

    def __init__(self, axis: Axis):
        self.axis = axis
        # Matplotlib 3.10 has a method for what was an attribute.
        self._converter = axis.get_converter() if hasattr(axis, "get_converter") else getattr(axis, "converter", None)

    @property
    def label(self) -> str | None:
        """The label; None when there is none."""
        return self.axis.get_label_text() or None

    @property
    def unit(self) -> str | None:
        """The unit that the label names."""
        match = UNIT.search(self.label or "")
        return (match[1] or match[2] or None) if match else None

    @functools.cached_property
    def is_date(self) -> bool:
        """Whether numbers on the axis are times."""
        switchable = type(units.registry.get(datetime.date))
        return isinstance(self._converter, (dates.DateConverter, dates.ConciseDateConverter, switchable))

    @property
    def is_category(self) -> bool:
        """Whether numbers on the axis stand for strings."""
        return isinstance(self._converter, category.StrCategoryConverter)

    @functools.cached_property
    def positions(self) -> numpy.ndarray:
        """Where the major ticks are, in the numbers of the axis."""
        located = numpy.asarray(self.axis.get_majorticklocs())
        return located[:: stride(len(located), MAX_TICKS)]

    @functools.cached_property
    def tick_labels(self) -> list[str]:
        """The texts of the major ticks, as matplotlib writes them."""
        labels = [label.get_text() for label in self.axis.get_majorticklabels()]
        return labels[:: stride(len(labels), MAX_TICKS)]

    @property
    def ticks(self) -> list:
        """The values of the major ticks: times as ISO text in UTC, integers as they were set, other numbers as floats."""
        if self.is_date:
            return self.times(self.positions)
        return self.positions.tolist() if self.positions.dtype.kind in "iu" else numbers(self.positions)

    @property
    def scale(self) -> str:
        """The name of the scale."""
        if self.is_date:
            return "datetime"
        name = self.axis.get_scale()
        if name != "linear":
            return name
        return "categorical" if self.is_category or self._counts_names() else "linear"

    def in_terms_of_ticks(self, items: list) -> list:
        """Values on the axis as its ticks say them: numbers on an axis of dates are times."""
        return [self._time(item) if isinstance(item, float) else item for item in items] if self.is_date else items

    def times(self, items: object) -> list:
        """Numbers of a date axis as ISO text in UTC."""
        return self.in_terms_of_ticks(numbers(items))

    def _time(self, item: float) -> str:
        freq = getattr(self.axis, "freq", None)
        try:
            if freq is not None and type(self._converter).__name__ == "PeriodConverter":
                return period_text(sys.modules["pandas"].Period(ordinal=round(item), freq=freq))
            return dates.num2date(item, tz=datetime.timezone.utc).isoformat()
        except (ValueError, OverflowError):
            return str(value(item))  # beyond the calendar

    def _counts_names(self) -> bool:
        """Whether the ticks are 0, 1, 2 … and have names instead of these numbers."""
        ticks = self.positions.tolist()
        if not ticks or ticks != list(range(len(ticks))):
            return False
        return all(text and _as_number(text) != tick for tick, text in zip(ticks, self.tick_labels))


def _as_number(text: str) -> float | None:
    try:
        return float(text.replace("\N{MINUS SIGN}", "-"))
    except ValueError:
        return None
