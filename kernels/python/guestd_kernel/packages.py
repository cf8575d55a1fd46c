"""Keeps imports up to date with what the user installs while the kernel runs."""

from __future__ import annotations

import importlib
import os
import site
import sys
from importlib.machinery import ModuleSpec, PathFinder


class PackagePath:
    """Watches the folders of sys.path. Also the last finder: what nobody found may just have been installed."""

    def __init__(self) -> None:
        self._seen = self._state()

    def install(self) -> None:
        """Joins the finders of this process."""
        sys.meta_path.append(self)

    def refresh(self) -> bool:
        """Takes note of new packages. Returns whether there may be any."""
        try:
            return self._refresh()
        except Exception:
            return False  # sys.path or a finder is not what it should be, which is the user's affair

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if path is None and self.refresh():
            return PathFinder.find_spec(name)
        return None

    def _refresh(self) -> bool:
        self._add_user_site()
        state = self._state()
        if state == self._seen:
            return False
        self._seen = state
        importlib.invalidate_caches()
        return True

    def _add_user_site(self) -> None:
        # Python adds this folder at its start, and only if it exists by then.
        if not site.ENABLE_USER_SITE:
            return
        folder = site.getusersitepackages()
        if folder in sys.path or not os.path.isdir(folder):
            return
        before = len(sys.path)
        site.addsitedir(folder)
        added = sys.path[before:]
        del sys.path[before:]
        position = _first_site_folder()
        sys.path[position:position] = added

    @staticmethod
    def _state() -> list[tuple[str, int]]:
        return [(entry, _changed_at(entry)) for entry in sys.path if isinstance(entry, str) and entry]


def _first_site_folder() -> int:
    """Where user packages belong: ahead of the ones that they may replace."""
    shared = site.getsitepackages()
    return next((index for index, entry in enumerate(sys.path) if entry in shared), len(sys.path))


def _changed_at(entry: str) -> int:
    try:
        return os.stat(entry).st_mtime_ns
    except OSError:
        return 0
