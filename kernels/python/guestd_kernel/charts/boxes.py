"""Box plots, told from the order in which matplotlib draws the parts of a box: box, whiskers, caps, median, mean, outliers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch

from .axis import ChartAxis
from .places import names_at
from .values import number, numbers, stride

CAPS = 2
WHISKERS = 2


class NoBoxPlotError(Exception):
    """The artists are not those of a box plot."""


class Box:
    """A box and the lines that were drawn after it. `across` is the coordinate that names it, 0 if the box stands."""

    def __init__(self, patch: PathPatch, lines: Sequence[Line2D], across: int):
        vertices = patch.get_path().vertices[:, across]
        self.centre = float(vertices.min() + vertices.max()) / 2
        self.width = float(numpy.ptp(vertices))
        self._across = across
        # Each whisker begins at its edge of the box; a notch may reach beyond the edge, so the box itself does not tell.
        low, high = (self._values(line) for line in lines[:WHISKERS])
        self.first_quartile, self.min = low
        self.third_quartile, self.max = high
        rest = lines[WHISKERS:]
        levels = [line for line in rest if self._is_level(line)]
        if not levels:
            raise NoBoxPlotError
        self.median = self._values(levels[CAPS if len(levels) > CAPS else 0])[0]
        self.outliers = [item for line in rest if line not in levels for item in self._outliers_of(line)]

    def element(self, name: str, step: int) -> dict:
        """The box as the chart has it."""
        return {
            "label": name,
            "min": number(self.min),
            "first_quartile": number(self.first_quartile),
            "median": number(self.median),
            "third_quartile": number(self.third_quartile),
            "max": number(self.max),
            "outliers": numbers(self.outliers[::step]),
        }

    def _places(self, line: Line2D) -> list:
        return numpy.asarray(line.get_data(orig=False)[self._across], dtype=float).tolist()

    def _values(self, line: Line2D) -> list:
        return numpy.asarray(line.get_data(orig=False)[1 - self._across], dtype=float).tolist()

    def _is_level(self, line: Line2D) -> bool:
        places, values = self._places(line), self._values(line)
        return len(places) == 2 and values[0] == values[1] and places[0] != places[1]

    def _outliers_of(self, line: Line2D) -> list:
        """Points beyond the whiskers; the mark of a mean lies between them."""
        in_line = all(abs(place - self.centre) <= self.width / 2 for place in self._places(line))
        return [item for item in self._values(line) if in_line and not self.min <= item <= self.max]


def is_horizontal(artists: list) -> bool:
    """Whether the boxes lie: their whiskers do, on the middle of the box."""
    groups = _groups(artists)
    standing, lying = (sum(_whiskers_along(patch, lines, across) for patch, lines in groups) for across in (0, 1))
    if max(standing, lying) < len(groups):
        raise NoBoxPlotError
    return lying > standing


def boxes(axis: ChartAxis, artists: list, limit: int, horizontal: bool) -> list[dict]:
    """Each box with its name on `axis`."""
    found = [Box(patch, lines, 1 if horizontal else 0) for patch, lines in _groups(artists)][:limit]
    step = stride(sum(len(box.outliers) for box in found), limit)
    names = names_at(axis, [box.centre for box in found], [box.width for box in found])
    return [box.element(name, step) for name, box in zip(names, found)]


def _groups(artists: list) -> list[tuple[PathPatch, list[Line2D]]]:
    groups: list[tuple[PathPatch, list[Line2D]]] = []
    for artist in artists:
        if isinstance(artist, PathPatch):
            groups.append((artist, []))
        elif groups:
            groups[-1][1].append(artist)
    if not groups or any(len(lines) <= WHISKERS for _, lines in groups):
        raise NoBoxPlotError
    return groups


def _whiskers_along(patch: PathPatch, lines: list[Line2D], across: int) -> bool:
    vertices = patch.get_path().vertices[:, across]
    middle = (vertices.min() + vertices.max()) / 2
    return all(
        len(line.get_xdata()) == 2 and numpy.allclose(line.get_data(orig=False)[across], middle, rtol=1e-9, atol=0)
        for line in lines[:WHISKERS]
    )
