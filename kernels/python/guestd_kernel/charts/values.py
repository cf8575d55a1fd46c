"""Plotted values as JSON, and how much of them a chart carries."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Sequence

import numpy

# Points, bars, wedges or outliers that the chart of one figure holds: a few MB of JSON, more than a screen has pixels.
MAX_POINTS = 50_000
AUTOMATIC_LABEL = re.compile(r"_(?:child|container)(\d+)")


def stride(total: int, limit: int) -> int:
    """Every how many values one is kept, so that at most `limit` of `total` are."""
    return max(1, math.ceil(total / max(1, limit)))


def named(label: object, prefix: str) -> str:
    """An artist's label; one that matplotlib made up becomes `prefix` and its number."""
    text = str(label)
    match = AUTOMATIC_LABEL.fullmatch(text)
    return f"{prefix} {match[1]}" if match else text


def values(data: object, step: int = 1) -> list:
    """Every `step`-th of the values that the user plotted: numbers as floats, times as ISO text, no value as None."""
    if isinstance(data, numpy.ma.MaskedArray) and data.dtype.kind in "biuf":
        return numbers(data.astype(float).filled(numpy.nan).ravel()[::step])
    array = numpy.asarray(data) if isinstance(data, numpy.ndarray) else _array(data)
    array = array.ravel()[::step]
    if array.dtype.kind in "biuf":
        return numbers(array)
    if array.dtype.kind == "M":
        return _times(array)
    return [value(item) for item in array.tolist()]


def numbers(array: object) -> list:
    """Numbers as floats, None for NaN and the infinities."""
    array = numpy.asarray(array, dtype=float)
    found = array.tolist()
    return found if numpy.isfinite(array).all() else [item if math.isfinite(item) else None for item in found]


def number(item: object) -> float | None:
    """One number, or None if JSON has none for it."""
    return numbers([item])[0]


def value(item: object) -> str | float | None:
    """One plotted value of any type."""
    if isinstance(item, str):
        return item
    if item is None or item is numpy.ma.masked or item != item:
        return None
    if isinstance(item, bytes):
        return item.decode("utf-8", "replace")
    if isinstance(item, datetime.date):
        return item.isoformat()
    if hasattr(item, "to_timestamp"):
        return period_text(item)
    try:
        return number(item)
    except (TypeError, ValueError):
        return str(item)


def period_text(period: object) -> str:
    """The beginning of a pandas period, as ticks say it."""
    return period.to_timestamp(how="start").tz_localize("UTC").isoformat()


def _array(data: object) -> numpy.ndarray:
    if isinstance(getattr(data, "dtype", None), numpy.dtype) and data.dtype.kind in "biufM":
        return numpy.asarray(data)
    items: Sequence = list(data)
    array = numpy.empty(len(items), dtype=object)
    array[:] = items
    return array


def _times(array: numpy.ndarray) -> list:
    whole = array.astype("datetime64[s]")
    unit = "s" if ((whole == array) | numpy.isnat(array)).all() else "us"
    texts = numpy.datetime_as_string(array.astype(f"datetime64[{unit}]"))
    return [None if text == "NaT" else str(text) for text in texts]
