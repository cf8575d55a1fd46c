"""Forks kernels from one that is ready and has the usual packages imported (see ../../PROTOCOL.md, §9)."""

from __future__ import annotations

import gc
import importlib
import os
import select
import signal

from . import descriptors, environment
from .channel import Channel
from .engine import Engine
from .kernel import Kernel
from .packages import PackagePath
from .requests import Request, RequestReader

# What else is worth having when a package is preloaded: what its users import of it, and import late.
COMPANIONS = {"matplotlib": ("matplotlib.pyplot",), "numpy": ("numpy.random",)}
# Whoever has waited for the server forks at once; a module that is being imported would be in the way.
FIRST_FORK_S = 0.2
# Between fork and exec only a broken installation can fail.
EXIT_BROKEN = 97


class ForkServer:
    """One process that never runs user code. Its kernels are children of a shim each, which guestd gives it the path of."""

    def __init__(self, kernel: Kernel, engine: Engine, channel: Channel, packages: PackagePath):
        self._kernel = kernel
        self._engine = engine
        self._channel = channel
        self._packages = packages
        self._shim = ""
        self._shims: set[int] = set()
        self._unloaded: list[str] = []
        self._pause = FIRST_FORK_S

    def serve(self) -> None:
        """Forks kernels until guestd ends the requests."""
        self._own = descriptors.claim()
        self._channel.attach(self._own)
        signal.signal(signal.SIGCHLD, lambda signum, frame: self._reap())
        requests = RequestReader(self._own.requests)
        while True:
            self._load_meanwhile(requests)
            request = requests.read()
            if request is None:
                return
            if request.op == "hello":
                self._prepare(request)
            elif request.op == "fork":
                self._fork(request)
            elif request.op == "reseed":
                self._kernel.stir(request.text)

    def _prepare(self, request: Request) -> None:
        """Runs what a kernel would run sooner or later. From then on it can fork, also while it still loads packages."""
        self._shim = request.text
        names = [os.fsdecode(name) for name in request.variables.split(b"\0") if name]
        self._unloaded = [module for name in names for module in (name, *COMPANIONS.get(name, ()))]
        self._engine.warm_up()
        self._packages.refresh()
        self._share()
        more = {"loading": True} if self._unloaded else {}
        self._channel.send("ready", pid=os.getpid(), engine=self._engine.name, version=environment.VERSION, **more)

    def _load_meanwhile(self, requests: RequestReader) -> None:
        """Imports what is still to be imported, a module at a time, until somebody wants something."""
        while self._unloaded and not requests.has_buffered:
            pause, self._pause = self._pause, 0
            if select.select([requests.descriptor], [], [], pause)[0]:
                return
            _preload(self._unloaded.pop(0))
            if not self._unloaded:
                self._share()
                self._channel.send("loaded")

    def _share(self) -> None:
        """Keeps all there is out of the collector's sight: it would write to memory that the kernels share."""
        gc.collect()
        gc.freeze()

    def _fork(self, request: Request) -> None:
        if self._packages.refresh():
            return self._channel.send("refused", id=request.id, why="packages were installed or removed")
        try:
            pipes = _open_pipes(request.text)
            shim = self._start(pipes, environment.unpack(request.variables))
        except OSError as error:
            return self._channel.send("refused", id=request.id, why=str(error))
        for number in pipes:
            os.close(number)
        self._channel.send("forked", id=request.id, pid=shim)

    def _start(self, pipes: list[int], variables: dict[str, str | None]) -> int:
        """A child that forks the kernel and becomes its shim. SIGCHLD waits, so that none is reaped before it is known."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        try:
            shim = os.fork()
            if shim == 0:
                self._become_shim(pipes, variables)
            self._shims.add(shim)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        return shim

    def _become_shim(self, pipes: list[int], variables: dict[str, str | None]) -> None:
        try:
            os.setsid()  # it must survive what ends our own group
            kernel = os.fork()
            if kernel == 0:
                self._become_kernel(pipes, variables)
            os.dup2(pipes[-1], 3)
            os.execve(self._shim, ["guestd-shim", "-w", str(kernel)], {})
        finally:
            os._exit(EXIT_BROKEN)

    def _become_kernel(self, pipes: list[int], variables: dict[str, str | None]) -> None:
        os.setsid()
        self._channel.detach()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        for number, pipe in enumerate(pipes[:-1], descriptors.STDOUT):
            os.dup2(pipe, number)
        for pipe in pipes:
            os.close(pipe)
        environment.replace(variables)
        gc.enable()
        self._kernel.attach(descriptors.claim())
        self._kernel.serve()

    def _reap(self) -> None:
        # Only its own: what a preloaded package has started is that package's affair.
        for shim in tuple(self._shims):
            try:
                done, _ = os.waitpid(shim, os.WNOHANG)
            except ChildProcessError:
                done = shim
            if done:
                self._shims.discard(shim)


def _open_pipes(folder: str) -> list[int]:
    """The pipes of a kernel: standard output and error, requests, events, and its shim's report. High, to be out of the way."""
    modes = {"stdout": os.O_WRONLY, "stderr": os.O_WRONLY, "requests": os.O_RDONLY, "events": os.O_WRONLY}
    opened: list[int] = []
    try:
        for name, mode in [*modes.items(), ("report", os.O_WRONLY)]:
            opened.append(descriptors.move(os.open(os.path.join(folder, name), mode)))
    except OSError:
        for number in opened:
            os.close(number)
        raise
    return opened


def _preload(name: str) -> None:
    try:
        importlib.import_module(name)
    except Exception:
        pass  # not installed, or broken: a cell that imports it hears why

