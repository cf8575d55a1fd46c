"""Runs code right after a module was imported, without importing it before the user does."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType


class ImportHooks:
    """The first finder: lets the others find a watched module and wraps its loader."""

    def __init__(self) -> None:
        self._callbacks: dict[str, Callable[[ModuleType], None]] = {}
        self._searching: set[str] = set()

    def install(self) -> None:
        """Joins the finders of this process."""
        sys.meta_path.insert(0, self)

    def after(self, name: str, callback: Callable[[ModuleType], None]) -> None:
        """Calls `callback` with module `name` once it is imported; its failure does not spoil the import."""
        self._callbacks[name] = callback
        if name in sys.modules:
            callback(sys.modules[name])

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        callback = self._callbacks.get(name)
        if callback is None or name in self._searching:
            return None
        self._searching.add(name)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._searching.discard(name)
        if spec is not None and spec.loader is not None:
            spec.loader = _ObservedLoader(spec.loader, callback)
        return spec


class _ObservedLoader:
    """Loads as the real loader does and leaves no trace of itself in the module."""

    def __init__(self, loader: object, callback: Callable[[ModuleType], None]):
        self._loader = loader
        self._callback = callback

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        try:
            self._callback(module)
        except Exception:
            pass  # a version that differs from what the callback expects works as it would elsewhere
