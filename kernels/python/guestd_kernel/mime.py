"""MIME bundles of display methods, made fit for the wire."""

from __future__ import annotations

import base64

from .json_values import text_of

TEXT_TYPES = ("image/svg+xml", "application/javascript")
BASE64_PREFIXES = ("image/", "audio/", "video/", "application/pdf")


def wire_data(bundle: dict) -> dict[str, object]:
    """Values by MIME type: text as strings, binary as base64 without line breaks. Empty (None) ones are left out."""
    return {str(kind): wire_value(str(kind), value) for kind, value in bundle.items() if value is not None}


def wire_value(kind: str, value: object) -> object:
    """One value of a bundle in the form that its MIME type has on the wire."""
    if kind.startswith("text/") or kind in TEXT_TYPES:
        return _text(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(bytes(value)).decode("ascii")
    if isinstance(value, str) and kind.startswith(BASE64_PREFIXES):
        return "".join(value.split())
    return value


def _text(value: object) -> str:
    if isinstance(value, (bytes, bytearray)):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else text_of(value)
