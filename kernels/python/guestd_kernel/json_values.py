"""Python values as JSON: leniently, so that a result never fails for one odd value, or strictly."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import enum
import json
import math
import re
import uuid

# What a JSON reader takes for an integer is at most this large; beyond it a float is closer to the truth.
MAX_INTEGER = 2**64
MAX_DEPTH = 200
# Digits enough for an integer beyond MAX_INTEGER; floats never have as many.
LONG_DIGITS = re.compile(r"\d{20}")
SCALARS = (str, bool, type(None))
TIMES = (datetime.datetime, datetime.date, datetime.time)
SEQUENCES = (list, tuple, range, type({}.keys()), type({}.values()))
UNORDERED = (set, frozenset)
BINARY = (bytes, bytearray, memoryview)


class UnsuitableValueError(TypeError):
    """A value that strict conversion refuses."""


class _Encoder(json.JSONEncoder):
    """Refuses unknown objects, also where the user has patched the base class to accept them."""

    def default(self, o: object) -> object:
        raise UnsuitableValueError(f"value of type {type(o).__name__}")


ENCODER = _Encoder(separators=(",", ":"), allow_nan=False)


def encode(value: object) -> str:
    """One line of ASCII JSON. What JSON has no form for becomes the nearest value that it has, in the end text."""
    try:
        return ENCODER.encode(value)
    except Exception:
        return ENCODER.encode(lenient(value))


def lenient(value: object) -> object:
    """`value` in JSON's types: NaN is null, an unknown object its text."""
    return _Converter(is_strict=False).convert(value)


def container(value: list | dict) -> list | dict | None:
    """A list or dictionary as JSON data, or None when it holds values that are not data."""
    try:
        if not LONG_DIGITS.search(ENCODER.encode(value)):
            return value
    except Exception:
        pass  # has values that need conversion, or unsuitable ones
    try:
        return _Converter(is_strict=True).convert(value)
    except Exception:
        return None


def text_of(value: object) -> str:
    """`str(value)`, or a stand-in when the object cannot do even that."""
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__} object>"


class _Converter:
    """Walks a value. Strict: only what serialisers call data passes. Lenient: everything does."""

    def __init__(self, is_strict: bool):
        self._is_strict = is_strict
        self._open: list[int] = []  # containers around the current value, by identity

    def convert(self, value: object) -> object:
        if isinstance(value, enum.Enum):
            return self.convert(value.value)
        if isinstance(value, SCALARS):
            return value
        if isinstance(value, int):
            return self._integer(value)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else None
        if id(value) in self._open or len(self._open) > MAX_DEPTH:
            return self._degrade(value)
        self._open.append(id(value))
        try:
            return self._composite(value)
        finally:
            self._open.pop()

    def _composite(self, value: object) -> object:
        if isinstance(value, dict):
            return {self._key(key): self.convert(item) for key, item in value.items()}
        if isinstance(value, SEQUENCES):
            return [self.convert(item) for item in value]
        if isinstance(value, TIMES):
            return value.isoformat()
        if isinstance(value, uuid.UUID):
            return str(value)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {field.name: self.convert(getattr(value, field.name)) for field in dataclasses.fields(value)}
        if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
            return self.convert(_from_numpy(value))
        if self._is_strict:
            raise UnsuitableValueError(f"value of type {type(value).__name__}")
        return self._lenient_object(value)

    def _integer(self, value: int) -> object:
        if -MAX_INTEGER < value < MAX_INTEGER:
            return int(value)
        if self._is_strict:
            raise UnsuitableValueError("integer beyond 64 bits")
        try:
            return float(value)
        except OverflowError:
            return text_of(value)

    def _key(self, key: object) -> str:
        if isinstance(key, enum.Enum):
            key = key.value
        if isinstance(key, str):
            return key
        if isinstance(key, TIMES):
            return key.isoformat() if self._is_strict else text_of(key)
        if self._is_strict and not isinstance(key, (int, float, type(None), uuid.UUID)):
            raise UnsuitableValueError(f"key of type {type(key).__name__}")
        if self._is_strict and (key is None or isinstance(key, bool)):
            return json.dumps(key)
        return text_of(key)

    def _lenient_object(self, value: object) -> object:
        if isinstance(value, UNORDERED):
            return [self.convert(item) for item in value]
        if isinstance(value, BINARY):
            return base64.b64encode(bytes(value)).decode("ascii")
        if type(value).__name__ == "NAType":
            return None
        if callable(getattr(value, "tolist", None)):
            return self.convert(value.tolist())
        return self._degrade(value)

    def _degrade(self, value: object) -> str:
        if self._is_strict:
            raise UnsuitableValueError("nested too deeply")
        return text_of(value)


def _from_numpy(value: object) -> object:
    is_time = getattr(getattr(value, "dtype", None), "kind", "") in ("M", "m")
    # As numbers, times would lose their unit.
    return value.astype(str).tolist() if is_time else value.tolist()
