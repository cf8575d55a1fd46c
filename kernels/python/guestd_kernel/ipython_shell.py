"""IPython's shell without a front end, a history thread or a pager: what it shows goes into the channel."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import traceback
from opcode import opname
from types import CodeType, FrameType, TracebackType

from IPython.core import page
from IPython.core.autocall import ExitAutocall
from IPython.core.compilerop import CachingCompiler
from IPython.core.display_trap import DisplayTrap
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.profiledir import ProfileDir
from traitlets import Any, Type, default, observe

from . import figures, interrupts, ipython_formatters
from .engine import MODULE_NAMES
from .errors import CellError, hide_driver, user_frames


# Instructions that show the value of a statement; whoever calls the hook by name has another one.
SHOWING = ("PRINT_EXPR", "CALL_INTRINSIC_1")


class ResultHook(DisplayHook):
    """Sends the value of a cell."""

    has_main = False  # whether the running cell has had its main result
    is_last = False  # whether nothing of the cell runs behind the value that is being shown

    def __call__(self, result: object = None) -> None:
        self.is_last = self.shell.ends_with(sys._getframe(1))
        super().__call__(result)

    def quiet(self) -> bool:
        # The base looks for the token, which takes longer than all of a small cell.
        return any(";" in cell for cell in self.shell.history_manager.input_hist_parsed[-1:]) and super().quiet()

    def start_displayhook(self) -> None:
        self._is_active = True

    def write_output_prompt(self) -> None:
        pass

    def write_format_data(self, format_dict: dict, md_dict: dict | None = None) -> None:
        is_main = not self.has_main
        self.has_main = True
        self.shell.channel.result(format_dict, is_main, self.is_last)

    def log_output(self, format_dict: dict) -> None:
        pass  # kept outputs would grow without end

    def finish_displayhook(self) -> None:
        self._is_active = False


class ResultPublisher(DisplayPublisher):
    """Sends what `display` is given. Updates and clearing are dropped: what was sent stays."""

    def publish(self, data: dict, metadata: dict | None = None, *args: object, update: bool = False, **kwargs: object):
        self._validate_data(data, metadata)
        if not update:
            self.shell.channel.result(data, False)

    def clear_output(self, wait: bool = False) -> None:
        pass


class ResultTrap(DisplayTrap):
    """Keeps the hook in place. Without the nesting count of its base, which an interrupt could leave wrong."""

    def __enter__(self) -> ResultTrap:
        sys.displayhook = self.hook
        return self

    def __exit__(self, *error: object) -> bool:
        return False


class CellCompiler(CachingCompiler):
    """Names cells like files of digits, as kernels of Jupyter do: syntax errors show that name."""

    def get_code_name(self, raw_code: str, transformed_code: str, number: int) -> str:
        digest = hashlib.sha256(transformed_code.encode("utf-8", "surrogatepass")).digest()
        name = f"{number}{int.from_bytes(digest[:4], 'big'):010d}.py"
        return os.path.join(tempfile.gettempdir(), f"guestd-cells-{os.getpid()}", name)


class UnmadeProfileDir(ProfileDir):
    """The user's profile folder, which is only made when something is stored in it."""

    @observe("location")
    def _location_changed(self, change: object) -> None:
        pass


class Exit(ExitAutocall):
    """`exit` and `quit`: end the cell."""

    def __call__(self, *code: object) -> None:
        raise SystemExit(*code)


class KernelShell(InteractiveShell):
    """Runs cells in this process. `cell_error` is what the running one has reported so far."""

    displayhook_class = Type(ResultHook)
    display_pub_class = Type(ResultPublisher)
    compiler_class = Type(CellCompiler)
    channel = Any()
    commands = Any()
    packages = Any()
    loop = Any()
    cell_error: CellError | None = None
    running_code: CodeType | None = None

    @default("exiter")
    def _exiter_default(self) -> Exit:
        return Exit(self)

    def init_ipython_dir(self, ipython_dir: str | None) -> None:
        self.ipython_dir = ipython_dir or os.environ.get("IPYTHONDIR") or _storage_folder()

    def _ipython_dir_changed(self, change: object) -> None:
        pass  # not made before it is needed

    def init_profile_dir(self, profile_dir: ProfileDir | None) -> None:
        self.profile_dir = profile_dir or UnmadeProfileDir(location=os.path.join(self.ipython_dir, "profile_default"))

    def init_user_ns(self) -> None:
        super().init_user_ns()
        for name in MODULE_NAMES:
            self.user_ns.setdefault(name, None)
        # Code written for E2B uses os without importing it.
        self.user_ns["os"] = self.user_ns_hidden["os"] = os

    def heal_namespace(self) -> None:
        """Puts back what the shell needs, after the user has cleared all names."""
        if "_oh" not in self.user_ns:
            self.init_user_ns()
            self.user_ns["__name__"] = "__main__"

    def init_display_formatter(self) -> None:
        self.display_formatter = ipython_formatters.ValueFormatter(parent=self)
        self.configurables.append(self.display_formatter)

    def trim_history(self) -> None:
        """Keeps the source of the last cell once, and not for a storage that there is none of. `_i7` goes when `_7` does."""
        history = self.history_manager
        history.db_input_cache.clear()
        if history.input_hist_parsed[-1:] == history.input_hist_raw[-1:]:
            history.input_hist_parsed[-1:] = history.input_hist_raw[-1:]
        name = f"_i{self.execution_count - self.cache_size}"
        source = self.user_ns_hidden.pop(name, None)
        if source is not None and self.user_ns.get(name) is source:
            del self.user_ns[name]

    def init_displayhook(self) -> None:
        super().init_displayhook()
        self.display_trap = ResultTrap(hook=self.displayhook)

    def init_hooks(self) -> None:
        super().init_hooks()
        self.set_hook("show_in_pager", page.as_hook(_print_page), 0)

    async def run_code(self, code_obj: CodeType, *args: object, **kwargs: object) -> bool:
        self.channel.release()
        self.running_code = code_obj
        return await super().run_code(code_obj, *args, **kwargs)

    def ends_with(self, frame: FrameType) -> bool:
        """Whether `frame` shows the value of the cell's last expression: only that is shown, and nothing comes behind it."""
        code = frame.f_code
        is_shown = code is self.running_code and opname[code.co_code[frame.f_lasti]] in SHOWING
        return is_shown and self.ast_node_interactivity == "last_expr"

    def enable_gui(self, gui: str | None = None) -> None:
        pass  # there is no display for one

    def enable_matplotlib(self, gui: str | None = None) -> tuple[str, str]:
        import matplotlib

        backend = gui if gui in ("agg", "svg", "pdf", "ps", "cairo") else figures.BACKEND
        matplotlib.use(backend)
        return gui or "inline", backend

    def ask_exit(self) -> None:
        raise SystemExit

    def system(self, cmd: str) -> None:
        command = self.var_expand(cmd, depth=1)
        status = self.commands.run(command)
        self.packages.refresh()
        self.user_ns["_exit_code"] = status
        if status and getattr(self, "system_raise_on_error", False):
            from subprocess import CalledProcessError

            raise CalledProcessError(status, command)

    system_piped = system_raw = system

    def showtraceback(self, exc_tuple: tuple | None = None, *args: object, **kwargs: object) -> None:
        kind, error, trace = exc_tuple or sys.exc_info()
        if error is None:
            super().showtraceback(exc_tuple, *args, **kwargs)
            return
        with interrupts.ignored():
            if self.loop.is_interrupted and kind.__name__ == "CancelledError":
                kind, error = KeyboardInterrupt, KeyboardInterrupt()
            hide_driver(error)
            trace = user_frames(trace)
            if isinstance(error, SyntaxError) and kwargs.get("running_compiled_code"):
                error.__traceback__ = trace and trace.tb_next  # without the shell's own frame
            if _has_group(error):
                # IPython would print these to stderr.
                self._showtraceback(kind, error, _format_group(kind, error, trace))
                return
            super().showtraceback((kind, error, trace), *args, **kwargs)

    def show_usage_error(self, exc: Exception) -> None:
        super().show_usage_error(exc)
        self._showtraceback(type(exc), exc, [])

    def _showtraceback(self, etype: type, evalue: BaseException, stb: list[str]) -> None:
        self.cell_error = CellError.of(evalue, stb)

    def _format_exception_for_storage(self, exception: BaseException, *args: object, **kwargs: object) -> dict:
        return {}  # the history of errors has no reader here, and formatting is slow


def _storage_folder() -> str:
    home = os.path.expanduser("~")
    if os.access(home, os.W_OK):
        return os.path.join(home, ".ipython")
    return os.path.join(tempfile.gettempdir(), f"ipython-{os.getuid()}")


def _print_page(content: object, start: int = 0, screen_lines: int = 0, pager_cmd: str | None = None) -> None:
    print(content["text/plain"] if isinstance(content, dict) else content)


def _has_group(error: BaseException | None) -> bool:
    while error is not None:
        if hasattr(error, "exceptions") and hasattr(error, "derive"):
            return True
        error = error.__context__
    return False


def _format_group(kind: type, error: BaseException, trace: TracebackType | None) -> list[str]:
    # The first frame is IPython's own.
    return traceback.format_exception(kind, error, trace and trace.tb_next)
