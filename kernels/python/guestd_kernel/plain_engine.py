"""Cells with nothing but Python: for interpreters that have no IPython."""

from __future__ import annotations

import __future__

import ast
import builtins
import inspect
import io
import linecache
import os
import sys
import tokenize
import types

from . import plain_display
from .channel import Channel
from .engine import MODULE_NAMES, Engine
from .errors import CellError
from .event_loop import needs_running_loop
from .packages import PackagePath
from .plain_magics import NAMESPACE_NAME, Magics, rewrite
from .shell_commands import ShellCommands

FUTURE_FLAGS = [getattr(__future__, name).compiler_flag for name in __future__.all_feature_names]
SKIPPED_AT_END = (tokenize.ENDMARKER, tokenize.NL, tokenize.NEWLINE, tokenize.COMMENT)


class StdinNotImplementedError(NotImplementedError):
    """Somebody asked for input."""

    __module__ = "builtins"  # as tracebacks name it


class Exit:
    """`exit` and `quit`: end the cell."""

    def __call__(self, *code: object) -> None:
        raise SystemExit(*code)

    def __repr__(self) -> str:
        return "call exit() to end the cell"


class PlainEngine(Engine):
    """Evaluates cells in a module named `__main__`; the last expression is the result."""

    name = "plain"
    input_error = StdinNotImplementedError

    def __init__(self, channel: Channel, commands: ShellCommands, packages: PackagePath):
        super().__init__()
        self._count = 1
        self._channel = channel
        self._flags = 0
        self._outputs: dict[int, object] = {}
        self._inputs = [""]
        builtins.display = plain_display.Display(channel)
        module = types.ModuleType("__main__")
        module.__builtins__ = builtins
        sys.modules["__main__"] = module
        self._namespace = module.__dict__
        self._initial = {
            **dict.fromkeys(MODULE_NAMES),
            "__name__": "__main__",
            "os": os,
            "exit": Exit(),
            "quit": Exit(),
            "In": self._inputs,
            "Out": self._outputs,
            NAMESPACE_NAME: Magics(commands, packages, self._namespace),
        }

    @property
    def count(self) -> int:
        return self._count

    def use_up(self, count: int) -> None:
        self._count = count + 1

    def reset(self) -> None:
        for name in [name for name in self._namespace if name != "__builtins__"]:
            del self._namespace[name]
        self._outputs.clear()
        del self._inputs[1:]
        self._count = 1
        self._flags = 0

    def run(self, code: str) -> CellError | None:
        if not code.strip():
            return None
        count = self._count
        self._inputs.append(code)
        self.loop.is_interrupted = False
        if NAMESPACE_NAME not in self._namespace:
            self._namespace.update(self._initial)  # at first, and after the user has cleared all names
        try:
            self.loop.prepare()
            self._evaluate(rewrite(_without_indent(code)), count)
        except BaseException as error:
            return CellError.of(self._as_interrupt(error))
        return None

    def show(self, value: object) -> CellError | None:
        try:
            builtins.display(value)
        except Exception as error:
            return CellError.of(error)
        return None

    def show_quietly(self, value: object) -> None:
        self.show(value)

    def _evaluate(self, code: str, count: int) -> None:
        name = f"<cell {count}>"
        linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
        statements = compile(code, name, "exec", flags=ast.PyCF_ONLY_AST | self._flags, dont_inherit=True).body
        shown = statements.pop() if statements and isinstance(statements[-1], ast.Expr) else None
        is_in_loop = needs_running_loop(code)
        if statements:
            self._execute(ast.Module(statements, []), name, "exec", is_in_loop)
        if shown is None:
            return
        value = self._execute(ast.Expression(shown.value), name, "eval", is_in_loop)
        if value is not None and not _ends_with_semicolon(code):
            self._remember(value, count)
            self._channel.result(plain_display.bundle(value), True, is_last=True)

    def _execute(self, tree: ast.AST, name: str, mode: str, is_in_loop: bool) -> object:
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | self._flags
        code = compile(tree, name, mode, flags=flags, dont_inherit=True)
        for flag in FUTURE_FLAGS:
            self._flags |= code.co_flags & flag
        if code.co_flags & inspect.CO_COROUTINE:
            return self.loop.run(eval(code, self._namespace))
        if is_in_loop:
            return self.loop.run(_evaluate_in_task(code, self._namespace))
        return eval(code, self._namespace)

    def _remember(self, value: object, count: int) -> None:
        own = self._namespace
        own.update({"___": own.get("__"), "__": own.get("_"), "_": value, f"_{count}": value})
        self._outputs[count] = value

    def _as_interrupt(self, error: BaseException) -> BaseException:
        """An interrupt reaches a waiting task as its cancellation."""
        if self.loop.is_interrupted and type(error).__name__ == "CancelledError":
            return KeyboardInterrupt().with_traceback(error.__traceback__)
        return error


async def _evaluate_in_task(code: types.CodeType, namespace: dict[str, object]) -> object:
    return eval(code, namespace)


def _without_indent(code: str) -> str:
    """Drops blank lines at the start, and the first line's indentation from all that have it."""
    lines = code.split("\n")
    while lines and not lines[0].strip():
        lines.pop(0)
    indent = lines[0][: len(lines[0]) - len(lines[0].lstrip())]
    return "\n".join(line[len(indent) :] if line.startswith(indent) else line for line in lines)


def _ends_with_semicolon(code: str) -> bool:
    tokens = list(tokenize.generate_tokens(io.StringIO(code).readline))
    last = next((token for token in reversed(tokens) if token.type not in SKIPPED_AT_END), None)
    return last is not None and last.string == ";"
