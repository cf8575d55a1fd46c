"""Answers guestd's requests: one cell at a time, and whatever the user left running in between."""

from __future__ import annotations

import atexit
import faulthandler
import hashlib
import os
import random
import signal
import sys
from collections.abc import Callable

from . import environment, figures, interrupts
from .channel import Channel
from .descriptors import STDERR, Descriptors
from .engine import Engine
from .errors import CellError, complain
from .packages import PackagePath
from .requests import Request, RequestReader
from .streams import Streams

# What exit handlers of the user may take when the kernel ends.
EXIT_GRACE_S = 2


class Kernel:
    """One language kernel. Built without descriptors, so that a process can be forked from a ready one.

    Signals are blocked while it works on a request, except in the cell itself, and let through while it waits.
    """

    def __init__(self, engine: Engine, channel: Channel, streams: Streams, packages: PackagePath):
        self._engine = engine
        self._channel = channel
        self._streams = streams
        self._packages = packages
        self._process = 0
        self._entropy = ""

    def attach(self, descriptors: Descriptors) -> None:
        """Ties the kernel to this process: its descriptors, its identity and its own random numbers."""
        self._descriptors = descriptors
        self._requests = RequestReader(descriptors.requests)
        self._process = os.getpid()
        self._channel.attach(descriptors)
        faulthandler.enable(file=descriptors.stderr)
        os.register_at_fork(before=self._streams.flush, after_in_child=self._leave_protocol)
        self._reseed()
        environment.activate_interpreter()

    def stir(self, entropy: str) -> None:
        """Mixes `entropy` into the seeds of this process and of those that are forked from it."""
        self._entropy = hashlib.sha256((self._entropy + entropy).encode()).hexdigest()

    def serve(self) -> None:
        """Answers requests until guestd ends them."""
        interrupts.block()
        while True:
            self._wait()
            request = self._requests.read()
            if request is None:
                self._end()
            elif request.op == "hello":
                self._greet(request.text)
            elif request.op == "adopt":
                self._adopt(request)
            elif request.op == "reseed":
                self.stir(request.text)
                self._reseed()
            elif request.op == "execute":
                self._execute(request)

    def _greet(self, nonce: str) -> None:
        self._channel.identify(nonce)
        self._channel.send("ready", pid=self._process, engine=self._engine.name, version=environment.VERSION)

    def _wait(self) -> None:
        while not self._requests.has_buffered:
            failure = interrupts.run_unblocked(self._engine.loop.wait_readable, self._requests.descriptor)
            self._end_forked_child(CellError.of(failure) if failure else None)
            if failure is None:
                return
            complain(CellError.of(failure).trace)  # of a signal handler of the user

    def _adopt(self, request: Request) -> None:
        environment.change(environment.unpack(request.variables))
        environment.activate_interpreter()
        error = environment.enter(request.text) if request.text else None
        is_stale = self._packages.refresh()
        self._channel.send("adopted", id=request.id, **({"error": error} if error else {}), stale=is_stale)

    def _reseed(self) -> None:
        # The machine may be a copy of another one, whose system hands out the same bytes.
        seed = hashlib.sha512(os.urandom(32) + self._entropy.encode()).digest()
        random.seed(seed)
        numpy_random = sys.modules.get("numpy.random")
        if numpy_random is not None:
            numpy_random.seed(list(memoryview(seed).cast("I")))

    def _execute(self, request: Request) -> None:
        self._descriptors.reopen_output()
        self._streams.heal()
        self._packages.refresh()
        with environment.changed(environment.unpack(request.variables)):
            count = self._engine.count
            self._channel.begin_cell(request.id, count)
            error = self._run(self._engine.run, request.text)
            if request.text.strip():
                self._engine.use_up(count)
            if error is not None:
                self._report(error)
            failure = self._show_figures() if figures.is_in_use() else None
            if failure is not None and error is None:
                error = failure
                self._report(error)
        status = "ok" if error is None else "interrupted" if error.is_interrupt else "error"
        self._channel.end_cell(status)

    def _run(self, function: Callable, argument: object) -> CellError | None:
        """Runs a part of a cell, open to interrupts. Returns what is to be reported."""
        outcome = interrupts.run_armed(function, argument)
        error = outcome.value
        if outcome.is_interrupted and not (error and error.is_interrupt):
            error = CellError("KeyboardInterrupt", "", "KeyboardInterrupt", is_interrupt=True)
        elif outcome.raised is not None:
            error = CellError.of(outcome.raised)
        self._end_forked_child(error)
        return error

    def _show_figures(self) -> CellError | None:
        self._channel.release()  # drawing may say something
        return self._run(figures.show_open, self._engine.show)

    def _report(self, error: CellError) -> None:
        self._channel.error(error.name, error.value, error.trace)

    def _leave_protocol(self) -> None:
        self._channel.detach()
        faulthandler.enable(file=STDERR)

    def _end_forked_child(self, error: CellError | None) -> None:
        """Ends a child that the user's code has forked and that came back from the cell as if it were the kernel."""
        if os.getpid() == self._process:
            return
        status = 0
        if error is not None and error.name == "SystemExit":
            status = int(error.value) if error.value.isdigit() else int(bool(error.value))
        elif error is not None:
            status = 1
            complain(error.trace)
        self._streams.flush()
        os._exit(status)

    def _end(self) -> None:
        """Runs the user's exit handlers and leaves; without waiting for threads, nor long for a handler."""
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        interrupts.unblock()
        signal.alarm(EXIT_GRACE_S)
        try:
            atexit._run_exitfuncs()
        finally:
            self._streams.flush()
            os._exit(0)
