"""The asynchronous Python SDK's terminals, method by method."""

import asyncio

import expect
from e2b import CommandExitException, NotFoundException, PtySize
from e2b_code_interpreter import AsyncSandbox

SIZE = PtySize(rows=24, cols=80)


async def create(options):
    return await AsyncSandbox.create(**options)


class Screen:
    """What a terminal has shown so far."""

    def __init__(self):
        self.bytes = b""

    def take(self, piece):
        self.bytes += bytes(piece)

    @property
    def text(self):
        return self.bytes.decode()


async def open_shell(sandbox, size=SIZE, **options):
    screen = Screen()
    return await sandbox.pty.create(size, on_data=screen.take, **options), screen


async def check_create_opens_a_login_shell_of_the_size_that_was_asked_for(sandbox):
    handle, screen = await open_shell(sandbox, PtySize(rows=30, cols=100))
    line = "stty size; echo $TERM; shopt -q login_shell && echo log''in ü; exit\n"
    await sandbox.pty.send_stdin(handle.pid, line.encode())
    await handle.wait()
    assert "30 100" in screen.text and "xterm-256color" in screen.text and "login ü" in screen.text


async def check_create_takes_envs_cwd_and_user(sandbox):
    handle, screen = await open_shell(sandbox, envs={"VALUE": "a b"}, cwd="/tmp", user="root")
    await sandbox.pty.send_stdin(handle.pid, b'echo "[$VALUE] $(pwd) $(id -un)"; exit\n')
    await handle.wait()
    assert "[a b] /tmp root" in screen.text


async def check_an_exit_code_is_raised(sandbox):
    handle, _ = await open_shell(sandbox)
    await sandbox.pty.send_stdin(handle.pid, b"exit 7\n")
    error = await expect.raises_async(CommandExitException, handle.wait())
    assert (error.exit_code, error.error) == (7, "exit status 7")


async def check_resize_is_seen_by_the_program(sandbox):
    handle, screen = await open_shell(sandbox)
    await sandbox.pty.resize(handle.pid, PtySize(rows=45, cols=140))
    await sandbox.pty.send_stdin(handle.pid, b"stty size; exit\n")
    await handle.wait()
    assert "45 140" in screen.text


async def check_kill_has_it_gone(sandbox):
    handle, _ = await open_shell(sandbox)
    assert await sandbox.pty.kill(handle.pid) is True
    error = await expect.raises_async(CommandExitException, handle.wait())
    assert (error.exit_code, error.error) == (-1, "signal: killed")
    assert await sandbox.pty.kill(handle.pid) is False
    await expect.raises_async(NotFoundException, sandbox.pty.send_stdin(handle.pid, b"x"))
    await expect.raises_async(NotFoundException, sandbox.pty.resize(handle.pid, SIZE))


async def check_connect_goes_on_where_the_first_left(sandbox):
    first, _ = await open_shell(sandbox)
    await first.disconnect()
    await sandbox.pty.send_stdin(first.pid, b"echo while nobody lo''oked; exit 3\n")
    screen = Screen()
    second = await sandbox.pty.connect(first.pid, on_data=screen.take)
    error = await expect.raises_async(CommandExitException, second.wait())
    assert error.exit_code == 3 and "while nobody looked\r\n" in screen.text


async def check_stream_input_types_piece_by_piece(sandbox):
    handle, screen = await open_shell(sandbox)
    stream = sandbox.pty.stream_input(handle.pid)
    for piece in ("echo pie", b"ce''s; ", "exit\n"):
        await stream.send(piece)
    await stream.close()
    await handle.wait()
    assert "pieces\r\n" in screen.text


async def check_many_terminals_at_once(sandbox):
    async def show(number):
        handle, screen = await open_shell(sandbox)
        await sandbox.pty.send_stdin(handle.pid, b"echo number''-%d; exit\n" % number)
        await handle.wait()
        return "number-%d\r\n" % number in screen.text

    assert all(await asyncio.gather(*(show(number) for number in range(20))))
