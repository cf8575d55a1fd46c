"""The matplotlib backend of cells: Agg, and showing a figure means sending its image. Matplotlib imports it by name."""

from __future__ import annotations

import builtins
import itertools
from collections.abc import Callable

from matplotlib._pylab_helpers import Gcf
from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_serials = itertools.count()


class FigureManager(FigureManagerBase):
    """Stands for the window of a figure."""

    def __init__(self, canvas: FigureCanvasAgg, num: int):
        super().__init__(canvas, num)
        self.serial = next(_serials)

    def show(self) -> None:
        """Shows the figure, which is closed by that."""
        _show([self], builtins.display)


class FigureCanvas(FigureCanvasAgg):
    """What pyplot draws on."""

    manager_class = FigureManager


def new_figure_manager(num: int, *args: object, FigureClass: type[Figure] = Figure, **kwargs: object) -> FigureManager:
    """Makes a figure for pyplot."""
    return new_figure_manager_given_figure(num, FigureClass(*args, **kwargs))


def new_figure_manager_given_figure(num: int, figure: Figure) -> FigureManager:
    """Makes a window for a figure."""
    return FigureManager(FigureCanvas(figure), num)


def show(*args: object, **kwargs: object) -> None:
    """`plt.show()`: shows and closes all figures, whatever it is asked about blocking."""
    show_all(builtins.display)


def show_all(display: Callable[[object], object]) -> list:
    """Shows and closes the open figures of this backend, oldest first. Returns what `display` has returned for each."""
    managers = [manager for manager in Gcf.get_all_fig_managers() if isinstance(manager, FigureManager)]
    return _show(sorted(managers, key=lambda manager: manager.serial), display)


def _show(managers: list[FigureManager], display: Callable[[object], object]) -> list:
    try:
        return [display(manager.canvas.figure) for manager in managers]
    finally:
        for manager in managers:
            Gcf.destroy(manager)
