"""Matplotlib figures as images, shown without a window system."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from types import ModuleType

from .errors import CellError

BACKEND_MODULE = __package__ + ".figure_backend"
BACKEND = "module://" + BACKEND_MODULE


def render(figure: object, kind: str = "png", scale: float = 1) -> bytes | None:
    """The figure as an image file, cropped to what is drawn; None when it is empty."""
    if not figure.axes and not figure.lines:
        return None
    target = io.BytesIO()
    figure.canvas.print_figure(
        target,
        format=kind,
        dpi=figure.dpi * scale,
        facecolor=figure.get_facecolor(),
        edgecolor=figure.get_edgecolor(),
        bbox_inches="tight",
    )
    return target.getvalue()


def png(figure: object) -> bytes | None:
    """The figure as PNG."""
    return render(figure)


def chart(figure: object) -> dict:
    """The figure as data."""
    from .charts.figure_chart import figure_chart

    return figure_chart(figure)


def select_backend(matplotlib: ModuleType) -> None:
    """Makes ours the default backend. Not through MPLBACKEND, which programs started by the user would inherit."""
    if not os.environ.get("MPLBACKEND"):
        matplotlib.rcParams["backend"] = BACKEND


def is_in_use() -> bool:
    """Whether there may be figures to show at all."""
    return BACKEND_MODULE in sys.modules


def show_open(show: Callable[[object], CellError | None]) -> CellError | None:
    """Shows and closes the figures that the cell has left open. Returns the first error of drawing them."""
    errors = sys.modules[BACKEND_MODULE].show_all(show)
    return next((error for error in errors if error is not None), None)
