"""Runs the shell commands of cells (`!cmd`)."""

from __future__ import annotations

import codecs
import contextlib
import os
import selectors
import subprocess
import sys
from collections.abc import Iterator

from . import interrupts
from .streams import Streams

SHELL = "/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh"
# How long an interrupted command, which got the signal as well, may take to end by itself.
INTERRUPT_GRACE_S = 2
READ_SIZE = 1 << 16


class ShellCommands:
    """Starts commands on the kernel's own output, or on what the user has put in the place of sys.stdout."""

    def __init__(self, streams: Streams):
        self._streams = streams

    def run(self, command: str) -> int:
        """Runs `command` to its end. Returns its status, minus the signal's number if it was killed."""
        pipes = {name: None if self._streams.is_own(name) else subprocess.PIPE for name in ("stdout", "stderr")}
        with self._started(command, pipes) as process:
            _forward(process)
            return process.wait()

    def lines(self, command: str) -> list[str]:
        """Runs `command` and returns the lines of its standard output."""
        with self._started(command, {"stdout": subprocess.PIPE}) as process:
            output, _ = process.communicate()
        return output.decode("utf-8", "replace").splitlines()

    @contextlib.contextmanager
    def _started(self, command: str, pipes: dict[str, object]) -> Iterator[subprocess.Popen]:
        self._streams.flush()
        process = None
        try:
            # An interrupt in the middle of starting would leave a process that nobody knows.
            with interrupts.deferred():
                process = subprocess.Popen(command, shell=True, executable=SHELL, stdin=subprocess.DEVNULL, **pipes)
            yield process
        except KeyboardInterrupt:
            if process is not None:
                _end(process)
            raise


def _forward(process: subprocess.Popen) -> None:
    """Copies what arrives through pipes to the objects that stand for sys.stdout and sys.stderr."""
    with selectors.DefaultSelector() as selector:
        for pipe, target in ((process.stdout, sys.stdout), (process.stderr, sys.stderr)):
            if pipe is not None:
                decoder = codecs.getincrementaldecoder("utf-8")("replace")
                selector.register(pipe, selectors.EVENT_READ, (decoder, target))
        while selector.get_map():
            for key, _ in selector.select():
                content = os.read(key.fd, READ_SIZE)
                decoder, target = key.data
                target.write(decoder.decode(content, final=not content))
                if not content:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()


def _end(process: subprocess.Popen) -> None:
    try:
        process.wait(INTERRUPT_GRACE_S)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        process.kill()
        process.wait()
