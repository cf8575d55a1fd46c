"""The asyncio loop that outlives cells: it runs those that await, and between cells the tasks they left behind."""

from __future__ import annotations

import ast
import sys
from collections.abc import Coroutine

from .descriptors import wait_readable

# Calls that only work inside a running loop, although the cell itself may not await.
NEEDS_LOOP = frozenset({"create_task", "get_running_loop", "ensure_future", "TaskGroup", "ClientSession"})
# Calls that only work outside of one.
STARTS_LOOP = frozenset({"run_until_complete", "run_forever", "Runner", "async_to_sync"})
LOOP_MODULES = frozenset({"asyncio", "anyio", "trio", "uvloop"})

# An interrupted task may refuse to end this often before it is left to itself.
MAX_CANCELS = 3
# A loop that cannot be run this often in a row is left alone until the next request.
MAX_IDLE_FAILURES = 10


class EventLoop:
    """Runs coroutines for cells. Cells that need no loop run outside of it, so `asyncio.run` works in them."""

    def __init__(self) -> None:
        self._loop = None
        # Whether the running cell is being cancelled because of an interrupt.
        self.is_interrupted = False

    def prepare(self) -> None:
        """Makes the loop the current one for a cell, if the user has asyncio at all and set no other."""
        if "asyncio" in sys.modules:
            self._current()

    def discard(self) -> None:
        """Closes the loop: its descriptors must not be shared by forked processes."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.close()
        self._loop = None

    def run(self, coroutine: Coroutine) -> object:
        """Runs a cell's coroutine. An interrupt cancels it, and is raised again if the cell does not report it."""
        loop = self._current()
        task = loop.create_task(coroutine)
        self.is_interrupted = False
        cancels = 0
        while True:
            try:
                return loop.run_until_complete(task)
            except KeyboardInterrupt:
                if task.done() or cancels == MAX_CANCELS:
                    raise
                # It struck between the steps of the task: the task learns of it by being cancelled.
                self.is_interrupted = True
                cancels += 1
                task.cancel()

    def wait_readable(self, descriptor: int) -> None:
        """Waits for bytes on `descriptor` while tasks and timers of earlier cells go on."""
        for _ in range(MAX_IDLE_FAILURES):
            if self._loop is None or self._loop.is_closed():
                break
            if self._run_until_readable(descriptor):
                return
        wait_readable(descriptor)

    def _run_until_readable(self, descriptor: int) -> bool:
        arrived = self._loop.create_future()
        self._loop.add_reader(descriptor, lambda: arrived.done() or arrived.set_result(None))
        try:
            self._loop.run_until_complete(arrived)
        except (SystemExit, KeyboardInterrupt):
            pass  # a task that ends its program has only itself to end here
        except RuntimeError:
            return False  # the user stopped or closed the loop, or left another one marked as running
        finally:
            if not self._loop.is_closed():
                self._loop.remove_reader(descriptor)
        return arrived.done()

    def _current(self):
        import asyncio

        if self._loop is None or self._loop.is_closed():
            self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)
        elif not _has_current_loop(asyncio):
            asyncio.set_event_loop(self._loop)
        return self._loop


def needs_running_loop(code: str) -> bool:
    """Whether a cell that does not await must run inside the loop all the same."""
    if not any(name in code for name in NEEDS_LOOP):
        return False
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError):
        return False
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return any(_name(function) in NEEDS_LOOP for function in called) and not any(_starts_loop(f) for f in called)


def _starts_loop(function: ast.expr) -> bool:
    name = _name(function)
    if name in STARTS_LOOP:
        return True
    if name != "run":
        return False
    if isinstance(function, ast.Name):
        return True
    return isinstance(function.value, ast.Name) and function.value.id in LOOP_MODULES


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _has_current_loop(asyncio: object) -> bool:
    try:
        return not asyncio.get_event_loop().is_closed()
    except RuntimeError:
        return False
