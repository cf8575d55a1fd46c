"""Representations that IPython's shell does not have by itself."""

from __future__ import annotations

from collections.abc import Callable

from IPython.core.formatters import BaseFormatter, DisplayFormatter
from IPython.core.interactiveshell import InteractiveShell
from traitlets import ObjectName, Set, Unicode, observe
from traitlets.config.configurable import Configurable

from . import figures, json_values
from .formatters import CHART, DATA, EXTRA_METHODS, LIBRARY_FORMATTERS

PNG, JPEG, SVG, PDF = "image/png", "image/jpeg", "image/svg+xml", "application/pdf"
# Name in `figure_format` → MIME type, matplotlib's name, scale.
FIGURE_FORMATS = {
    "png": (PNG, "png", 1),
    "retina": (PNG, "png", 2),
    "png2x": (PNG, "png", 2),
    "jpeg": (JPEG, "jpeg", 1),
    "jpg": (JPEG, "jpeg", 1),
    "svg": (SVG, "svg", 1),
    "pdf": (PDF, "pdf", 1),
}


TEXT = "text/plain"
# Classes without any method of display, and what the formatters call them where they are registered by name.
BUILT_IN = {
    kind: frozenset((base.__module__, base.__name__) for base in kind.__mro__)
    for kind in (bool, int, float, complex, str, bytes, tuple, list, dict, set, frozenset, range)
}


class ValueFormatter(DisplayFormatter):
    """Asks about plain Python values only who may have something to say of them: most formatters never do."""

    def format(self, obj: object, include: object = None, exclude: object = None) -> tuple[dict, dict]:
        if type(obj) in BUILT_IN and not include and not _may_print(self.mimebundle_formatter, obj):
            include = {kind for kind, each in self.formatters.items() if kind == TEXT or _may_print(each, obj)}
        return super().format(obj, include=include, exclude=exclude)


def _may_print(formatter: BaseFormatter, value: object) -> bool:
    """Whether somebody has registered a function that may be for the plain value."""
    kind = type(value)
    return (
        id(value) in formatter.singleton_printers
        or not formatter.type_printers.keys().isdisjoint(kind.__mro__)
        or not formatter.deferred_printers.keys().isdisjoint(BUILT_IN[kind])
    )


class DataFormatter(BaseFormatter):
    """Plain data of an object."""

    format_type = Unicode(DATA)
    print_method = ObjectName(EXTRA_METHODS[DATA])
    _return_type = (dict, str)


class ChartFormatter(BaseFormatter):
    """The chart that an object draws."""

    format_type = Unicode(CHART)
    print_method = ObjectName(EXTRA_METHODS[CHART])
    _return_type = (dict, str)


class InlineBackend(Configurable):
    """What `%config InlineBackend` sets: the image formats of figures."""

    figure_formats = Set({"png"}).tag(config=True)
    figure_format = Unicode().tag(config=True)

    @observe("figure_format")
    def _figure_format_changed(self, change: object) -> None:
        self.figure_formats = {change["new"]}

    @observe("figure_formats")
    def _figure_formats_changed(self, change: object) -> None:
        unknown = sorted(set(change["new"]) - set(FIGURE_FORMATS))
        if unknown:
            raise ValueError(f"unknown figure format {unknown[0]!r}, known are {', '.join(FIGURE_FORMATS)}")

    def register(self, formatters: dict) -> None:
        """Makes figures have the chosen formats."""
        for kind in (PNG, JPEG, SVG, PDF):
            formatters[kind].for_type_by_name("matplotlib.figure", "Figure", self._renderer(kind))

    def _renderer(self, kind: str) -> Callable[[object], bytes | str | None]:
        def render(figure: object) -> bytes | str | None:
            for name in self.figure_formats:
                mime, format_name, scale = FIGURE_FORMATS[name]
                if mime == kind:
                    image = figures.render(figure, format_name, scale)
                    return image.decode("utf-8") if image and kind == SVG else image
            return None

        return render


def install(shell: InteractiveShell) -> None:
    """Registers all of them with the shell."""
    formatters = shell.display_formatter.formatters
    formatters[DATA] = DataFormatter(parent=shell.display_formatter)
    formatters[CHART] = ChartFormatter(parent=shell.display_formatter)
    for entry in LIBRARY_FORMATTERS:
        formatters[entry.kind].for_type_by_name(entry.module, entry.name, entry.function)
    for container in (list, dict):
        formatters["application/json"].for_type(container, json_values.container)
    backend = InlineBackend(parent=shell)
    backend.register(formatters)
    shell.configurables.append(backend)
