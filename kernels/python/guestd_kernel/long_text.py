"""Text that is too long to be told whole."""

from __future__ import annotations

# Characters. Each is twelve bytes in JSON at most: what is shortened fits in any event.
MAX_TEXT = 1_000_000


def shortened(text: str) -> str:
    """`text` without its middle when it is very long."""
    omitted = len(text) - MAX_TEXT
    if omitted <= 0:
        return text
    half = MAX_TEXT // 2
    return f"{text[:half]}\n[{omitted} characters left out]\n{text[-half:]}"
