"""Puts the kernel together. Building it and attaching it to descriptors are separate steps, see `Kernel`."""

from __future__ import annotations

import gc
import os

from . import descriptors, figures, images, interrupts, standard_input
from .channel import Channel
from .engine import Engine
from .fork_server import ForkServer
from .import_hooks import ImportHooks
from .kernel import Kernel
from .packages import PackagePath
from .shell_commands import ShellCommands
from .streams import Streams


def main() -> None:
    """Runs a kernel on the descriptors that guestd has given this process."""
    interrupts.disarm()
    claimed = descriptors.claim()
    kernel = Kernel(*_parts())
    kernel.attach(claimed)
    kernel.serve()


def fork_kernels() -> None:
    """Runs a fork server on the descriptors that guestd has given this process."""
    gc.disable()  # until everything is loaded: a collection would write to memory that the kernels could share
    interrupts.disarm()
    engine, channel, streams, packages = _parts()
    ForkServer(Kernel(engine, channel, streams, packages), engine, channel, packages).serve()
    os._exit(0)


def _parts() -> tuple[Engine, Channel, Streams, PackagePath]:
    """What makes a kernel, with the best engine that this interpreter has. Starts no threads, needs no descriptors."""
    streams = Streams()
    streams.install()
    channel = Channel(streams)
    packages = PackagePath()
    packages.install()
    engine = _engine_class()(channel, ShellCommands(streams), packages)
    hooks = ImportHooks()
    hooks.install()
    hooks.after("matplotlib", figures.select_backend)
    hooks.after("PIL.Image", lambda module: images.publish(module, engine.show_quietly))
    standard_input.refuse(engine.input_error, hooks)
    return engine, channel, streams, packages


def _engine_class() -> type:
    try:
        from .ipython_engine import IPythonEngine
    except ImportError:
        from .plain_engine import PlainEngine

        return PlainEngine
    return IPythonEngine
