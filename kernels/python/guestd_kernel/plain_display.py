"""Rich display without IPython: the representation methods that classes have, and the same data for known libraries."""

from __future__ import annotations

import pprint
import types

from . import json_values
from .channel import Channel
from .formatters import EXTRA_METHODS, LIBRARY_FORMATTERS

LINE_WIDTH = 79
METHODS = {
    "text/html": "_repr_html_",
    "text/markdown": "_repr_markdown_",
    "image/svg+xml": "_repr_svg_",
    "image/png": "_repr_png_",
    "application/pdf": "_repr_pdf_",
    "image/jpeg": "_repr_jpeg_",
    "text/latex": "_repr_latex_",
    "application/json": "_repr_json_",
    "application/javascript": "_repr_javascript_",
    **EXTRA_METHODS,
}


class Display:
    """The builtin `display`: shows values as displays of the running cell."""

    def __init__(self, channel: Channel):
        self._channel = channel

    def __call__(self, *values: object, raw: bool = False, **options: object) -> None:
        for value in values:
            self._channel.result(value if raw else bundle(value), False)


class _Printer(pprint.PrettyPrinter):
    """Prints containers one item per line when they are long, and strings always whole."""

    _dispatch = {key: value for key, value in pprint.PrettyPrinter._dispatch.items() if key is not str.__repr__}


class _TextSink:
    """As much of IPython's pretty printer as simple `_repr_pretty_` methods use."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    def text(self, text: str) -> None:
        self.parts.append(text)


def bundle(value: object) -> dict[str, object]:
    """The MIME bundle of a value. What its class has no method for is not in it; its text always is."""
    representations = _mimebundle(value)
    for kind, method in METHODS.items():
        if kind not in representations:
            representations[kind] = _first_of_pair(_call(value, method))
    for entry in LIBRARY_FORMATTERS:
        if representations.get(entry.kind) is None and entry.fits(value):
            representations[entry.kind] = entry.function(value)
    if isinstance(value, (list, dict)) and representations.get("application/json") is None:
        representations["application/json"] = json_values.container(value)
    if representations.get("text/plain") is None:
        representations = {"text/plain": text(value), **representations}
    return representations


def text(value: object) -> str:
    """The text of a value, at most a line wide where it can be."""
    if hasattr(type(value), "_repr_pretty_"):
        sink = _TextSink()
        try:
            value._repr_pretty_(sink, False)
            return "".join(sink.parts)
        except AttributeError:
            pass  # uses more of the printer than there is
    if isinstance(value, (list, tuple, dict, set, frozenset)):
        return _Printer(width=LINE_WIDTH, sort_dicts=False).pformat(value)
    return repr(value)


def _mimebundle(value: object) -> dict[str, object]:
    made = _call(value, "_repr_mimebundle_", include=None, exclude=None)
    made = _first_of_pair(made)
    return dict(made) if isinstance(made, dict) else {}


def _call(value: object, method: str, **arguments: object) -> object:
    function = getattr(type(value), method, None)
    if function is None or isinstance(value, (type, types.ModuleType)):
        return None
    try:
        return function(value, **arguments)
    except NotImplementedError:
        return None


def _first_of_pair(made: object) -> object:
    # Methods may return the data alone or with metadata.
    return made[0] if isinstance(made, tuple) and len(made) == 2 else made
