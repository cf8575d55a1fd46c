"""Pillow in cells: `show` sends the image, and so does saving one to a path."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType


def publish(module: ModuleType, display: Callable[[object], None]) -> None:
    """Patches the freshly imported module `PIL.Image`."""
    image = module.Image
    original = image.save

    @functools.wraps(original)
    def save(self: object, fp: object, format: str | None = None, **params: object) -> None:
        if isinstance(fp, str):
            display(self)
        return original(self, fp, format, **params)

    def show(self: object, title: str | None = None, **options: object) -> None:
        """Shows the image as a result of the cell."""
        display(self)

    image.save = save
    image.show = show
