"""The synchronous Python SDK's terminals, method by method."""

import expect
from e2b import CommandExitException, NotFoundException, PtySize
from e2b_code_interpreter import Sandbox

SIZE = PtySize(rows=24, cols=80)


def create(options):
    return Sandbox.create(**options)


def finish(handle):
    """Everything a terminal shows until its program ends with exit code 0."""
    shown = []
    handle.wait(on_pty=lambda piece: shown.append(bytes(piece)))
    return b"".join(shown).decode()


def check_create_opens_a_login_shell_of_the_size_that_was_asked_for(sandbox):
    handle = sandbox.pty.create(PtySize(rows=30, cols=100))
    sandbox.pty.send_stdin(handle.pid, "stty size; echo $TERM; shopt -q login_shell && echo log''in ü; exit\n".encode())
    text = finish(handle)
    assert "30 100" in text and "xterm-256color" in text and "login ü" in text


def check_create_takes_envs_cwd_and_user(sandbox):
    handle = sandbox.pty.create(SIZE, envs={"VALUE": "a b"}, cwd="/tmp", user="root")
    sandbox.pty.send_stdin(handle.pid, b'echo "[$VALUE] $(pwd) $(id -un)"; exit\n')
    assert "[a b] /tmp root" in finish(handle)


def check_an_exit_code_is_raised(sandbox):
    handle = sandbox.pty.create(SIZE)
    sandbox.pty.send_stdin(handle.pid, b"exit 7\n")
    error = expect.raises(CommandExitException, lambda: handle.wait())
    assert (error.exit_code, error.error) == (7, "exit status 7")


def check_resize_is_seen_by_the_program(sandbox):
    handle = sandbox.pty.create(SIZE)
    sandbox.pty.resize(handle.pid, PtySize(rows=45, cols=140))
    sandbox.pty.send_stdin(handle.pid, b"stty size; exit\n")
    assert "45 140" in finish(handle)


def check_kill_has_it_gone(sandbox):
    handle = sandbox.pty.create(SIZE)
    assert sandbox.pty.kill(handle.pid) is True
    error = expect.raises(CommandExitException, lambda: handle.wait())
    assert (error.exit_code, error.error) == (-1, "signal: killed")
    assert sandbox.pty.kill(handle.pid) is False
    expect.raises(NotFoundException, lambda: sandbox.pty.send_stdin(handle.pid, b"x"))
    expect.raises(NotFoundException, lambda: sandbox.pty.resize(handle.pid, SIZE))


def check_connect_goes_on_where_the_first_left(sandbox):
    first = sandbox.pty.create(SIZE)
    first.disconnect()
    sandbox.pty.send_stdin(first.pid, b"echo while nobody lo''oked; exit 3\n")
    shown = []
    second = sandbox.pty.connect(first.pid)
    wait = lambda: second.wait(on_pty=lambda piece: shown.append(bytes(piece)))
    assert expect.raises(CommandExitException, wait).exit_code == 3
    assert b"while nobody looked\r\n" in b"".join(shown)


def check_stream_input_types_piece_by_piece(sandbox):
    handle = sandbox.pty.create(SIZE)
    sandbox.pty.stream_input(handle.pid, iter(["echo pie", b"ce''s; ", "exit\n"]))
    assert "pieces\r\n" in finish(handle)
