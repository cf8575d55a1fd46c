"""Data frames as plain data (`e2b/data`): column name → list of values, without the index."""

from __future__ import annotations

import math
import warnings

DUPLICATE_COLUMNS = "DataFrame columns are not unique, some columns will be omitted."
NUMERIC_KINDS = "biuf"


def columns(frame: object) -> dict[str, list] | None:
    """The columns of a pandas data frame; what has no JSON form is degraded when it is sent."""
    try:
        names = [str(name) for name in frame.columns]
        if len(set(names)) < len(names):
            warnings.warn_explicit(DUPLICATE_COLUMNS, UserWarning, "<data>", 1)
        return {name: _values(frame.iloc[:, position]) for position, name in enumerate(names)}
    except Exception:
        return None  # a subclass that is no ordinary frame: it still has its text


def _values(column: object) -> list:
    values = column.tolist()
    if getattr(column.dtype, "kind", "O") not in NUMERIC_KINDS:
        return values
    return [_number(value) for value in values]


def _number(value: object) -> object:
    """A number, or None for what JSON has no number for: NaN, the infinities and pandas.NA."""
    if not isinstance(value, (int, float)) and hasattr(value, "item"):
        value = value.item()  # a numpy scalar, as nullable columns may hold
    return value if isinstance(value, (int, float)) and math.isfinite(value) else None
