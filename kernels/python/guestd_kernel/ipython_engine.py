"""Cells as IPython understands them: magics, shell commands, rich display."""

from __future__ import annotations

import builtins
import sys
import warnings
from collections.abc import Coroutine

from IPython.core.error import StdinNotImplementedError
from traitlets.config import Config

from . import ipython_formatters
from .channel import Channel
from .engine import Engine
from .errors import CellError
from .event_loop import needs_running_loop
from .ipython_shell import KernelShell
from .packages import PackagePath
from .shell_commands import ShellCommands


class IPythonEngine(Engine):
    """Evaluates cells with IPython's shell, driven directly: no front end, no threads."""

    name = "ipython"
    input_error = StdinNotImplementedError

    def __init__(self, channel: Channel, commands: ShellCommands, packages: PackagePath):
        super().__init__()
        self._channel = channel
        self._shell = KernelShell.instance(
            config=_config(), channel=channel, commands=commands, packages=packages, loop=self.loop
        )
        # Entered for good, so that an interrupt cannot leave the builtins of the shell taken out.
        self._shell.builtin_trap.__enter__()
        ipython_formatters.install(self._shell)
        warnings.filterwarnings("ignore", message="To exit: use")
        # `Out` drops its oldest entries after a thousand, which is nothing to tell a cell of.
        warnings.filterwarnings("ignore", message="Output cache limit")
        # An interrupt may come just before the shell begins.
        warnings.filterwarnings("ignore", message=".*run_cell_async' was never awaited")

    @property
    def count(self) -> int:
        return self._shell.execution_count

    def use_up(self, count: int) -> None:
        if self._shell.execution_count == count:
            self._shell.execution_count = count + 1

    def reset(self) -> None:
        self._shell.reset(new_session=True)
        self._shell.cell_error = None
        self._shell.execution_count = 1

    def run(self, code: str) -> CellError | None:
        shell = self._shell
        shell.cell_error = None
        shell.displayhook.has_main = False
        shell.heal_namespace()
        self.loop.is_interrupted = False
        self.loop.prepare()
        result = self._drive(code)
        failure = result.error_before_exec or result.error_in_exec
        if shell.cell_error is None and failure is not None:
            return CellError.of(failure)
        return shell.cell_error

    def show(self, value: object) -> CellError | None:
        self._shell.cell_error = None
        builtins.display(value)
        return self._shell.cell_error

    def show_quietly(self, value: object) -> None:
        reported = self._shell.cell_error
        try:
            builtins.display(value)
        finally:
            self._shell.cell_error = reported

    def _drive(self, code: str) -> object:
        shell = self._shell
        try:
            transformed, failure = shell.transform_cell(code), None
        except Exception:
            transformed, failure = code, sys.exc_info()
        known = {"transformed_cell": transformed, "preprocessing_exc_tuple": failure}
        coroutine = shell.run_cell_async(code, store_history=True, **known)
        may_await = "await" in transformed or "async" in transformed
        is_async = (may_await and shell.should_run_async(code, **known)) or (
            failure is None and needs_running_loop(transformed)
        )
        result = None
        try:
            result = self.loop.run(coroutine) if is_async else _run_to_end(coroutine)
        finally:
            if any(shell.events.callbacks[event] for event in ("post_execute", "post_run_cell")):
                self._channel.release()
            shell.events.trigger("post_execute")
            shell.events.trigger("post_run_cell", result)
            shell.trim_history()
        return result


def _run_to_end(coroutine: Coroutine) -> object:
    """Runs a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise RuntimeError("a cell without await has waited")


def _config() -> Config:
    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    config.InteractiveShell.colors = "nocolor"
    # Collections are shown whole.
    config.PlainTextFormatter.max_seq_length = 0
    return config
