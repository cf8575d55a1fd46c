"""The few magics of the plain engine: `!command`, `name = !command`, `%cd`, `%env`, `%pip`."""

from __future__ import annotations

import os
import re
import shlex
import sys

from .packages import PackagePath
from .shell_commands import ShellCommands

MAGIC_LINE = re.compile(r"^(?P<indent>\s*)(?:(?P<target>[A-Za-z_]\w*)\s*=\s*)?(?P<kind>!|%)(?P<rest>.*)$")
VARIABLE = re.compile(r"\{(\w+)\}|\$(\w+)")
# The name under which rewritten lines find this module's object.
NAMESPACE_NAME = "__magics__"
# Settings of front ends, without meaning here.
WITHOUT_EFFECT = ("matplotlib", "load_ext", "autoreload", "config")


class UsageError(Exception):
    """A magic that does not exist or was called wrongly."""

    __module__ = "builtins"  # as tracebacks name it


class Magics:
    """Runs the lines that `rewrite` has made calls of."""

    def __init__(self, commands: ShellCommands, packages: PackagePath, namespace: dict[str, object]):
        self._commands = commands
        self._packages = packages
        self._namespace = namespace

    def system(self, command: str) -> None:
        """`!command`: its output is the cell's."""
        self._run(self._expand(command))

    def lines(self, command: str) -> list[str]:
        """`name = !command`: the lines that it prints."""
        return self._commands.lines(self._expand(command))

    def magic(self, line: str) -> object:
        """`%name rest`."""
        name, _, rest = line.strip().partition(" ")
        if name in WITHOUT_EFFECT:
            return None
        function = {"cd": self._cd, "env": self._env, "set_env": self._env, "pip": self._pip}.get(name)
        if function is None:
            raise UsageError(f"Line magic function `%{name}` not found.")
        return function(rest.strip())

    def cell(self, name: str) -> None:
        """`%%name`: there are none."""
        raise UsageError(f"Cell magic `%%{name}` not found.")

    def _run(self, command: str) -> None:
        self._namespace["_exit_code"] = self._commands.run(command)
        self._packages.refresh()

    def _cd(self, folder: str) -> None:
        os.chdir(os.path.expanduser(folder or "~"))
        print(os.getcwd())

    def _env(self, assignment: str) -> object:
        if not assignment:
            return dict(os.environ)
        name, separator, value = assignment.partition("=" if "=" in assignment else " ")
        if not separator:
            return os.environ[name]
        os.environ[name.strip()] = value.strip()
        print(f"env: {name.strip()}={value.strip()}")
        return None

    def _pip(self, arguments: str) -> None:
        self._run(f"{shlex.quote(sys.executable)} -m pip {arguments}")

    def _expand(self, command: str) -> str:
        # The caller's caller is the line of the user.
        names = {**self._namespace, **sys._getframe(2).f_locals}

        def value(match: re.Match) -> str:
            name = match[1] or match[2]
            return str(names[name]) if name in names else match[0]

        return VARIABLE.sub(value, command)


def rewrite(code: str) -> str:
    """Makes magic lines calls. Only lines that Python rejects are looked at, so `%` and `!` in strings are safe."""
    if code.startswith("%%"):
        name = code[2:].partition("\n")[0].partition(" ")[0]
        return f"{NAMESPACE_NAME}.cell({name!r})"
    lines = code.split("\n")
    for _ in lines:
        number = _rejected_line("\n".join(lines))
        match = MAGIC_LINE.match(lines[number - 1]) if number is not None and number <= len(lines) else None
        if match is None:
            break
        lines[number - 1] = _call(match)
    return "\n".join(lines)


def _call(match: re.Match) -> str:
    target = match["target"]
    shell_method = "lines" if target else "system"
    method = "magic" if match["kind"] == "%" else shell_method
    assignment = f"{target} = " if target else ""
    return f"{match['indent']}{assignment}{NAMESPACE_NAME}.{method}({match['rest']!r})"


def _rejected_line(code: str) -> int | None:
    try:
        compile(code, "<cell>", "exec", flags=0x2000, dont_inherit=True)
    except SyntaxError as error:
        return error.lineno
    except ValueError:
        return None
    return None
