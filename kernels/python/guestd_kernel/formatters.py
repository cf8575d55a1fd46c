"""What the kernel itself knows to show of other libraries' objects, for both engines."""

from __future__ import annotations

from collections.abc import Callable

from . import data_frames, figures

DATA = "e2b/data"
CHART = "e2b/chart"

# Methods that classes may have beside the ones that IPython knows.
EXTRA_METHODS = {DATA: "_repr_e2b_data_", CHART: "_repr_e2b_chart_"}


class LibraryFormatter:
    """Makes the `kind` representation of class `name` and its subclasses, by names so that nothing is imported."""

    def __init__(self, kind: str, module: str, name: str, function: Callable[[object], object]):
        self.kind = kind
        self.module = module
        self.name = name
        self.function = function

    def fits(self, value: object) -> bool:
        """Whether `value` is of that class."""
        return any((cls.__module__, cls.__name__) == (self.module, self.name) for cls in type(value).__mro__)


# In this order: a chart is read from a figure that has been drawn, whose ticks are settled.
LIBRARY_FORMATTERS = (
    LibraryFormatter("image/png", "matplotlib.figure", "Figure", figures.png),
    LibraryFormatter(CHART, "matplotlib.figure", "Figure", figures.chart),
    LibraryFormatter(DATA, "pandas", "DataFrame", data_frames.columns),
    LibraryFormatter(DATA, "pandas.core.frame", "DataFrame", data_frames.columns),
)
