"""The asynchronous Python SDKs, method by method."""

import asyncio
import io
import time

import expect
from e2b import CommandExitException, NotFoundException, TimeoutException
from e2b_code_interpreter import AsyncSandbox


async def create(options):
    return await AsyncSandbox.create(**options)


async def folder_of(sandbox):
    return (await sandbox.commands.run("mktemp -d")).stdout.strip()


async def check_run_gives_output_and_calls_back(sandbox):
    out, err = [], []
    result = await sandbox.commands.run("echo out; echo err >&2", on_stdout=out.append, on_stderr=err.append)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "out\n", "err\n")
    assert "".join(out) == "out\n" and "".join(err) == "err\n"


async def check_run_raises_for_another_exit_code(sandbox):
    error = await expect.raises_async(CommandExitException, sandbox.commands.run("echo out; exit 3"))
    assert (error.exit_code, error.stdout, error.error) == (3, "out\n", "exit status 3")


async def check_run_takes_envs_cwd_user_and_timeout(sandbox):
    assert (await sandbox.commands.run('printf %s "$V"', envs={"V": "a b\n'"})).stdout == "a b\n'"
    assert (await sandbox.commands.run("pwd", cwd="/tmp")).stdout == "/tmp\n"
    began = time.monotonic()
    await expect.raises_async(TimeoutException, sandbox.commands.run("sleep 30", timeout=0.5))
    assert time.monotonic() - began < 5


async def check_background_wait_stdin_list_connect_kill(sandbox):
    handle = await sandbox.commands.run("cat; echo end", background=True, stdin=True)
    await sandbox.commands.send_stdin(handle.pid, "first\n")
    await sandbox.commands.close_stdin(handle.pid)
    assert (await handle.wait()).stdout == "first\nend\n"
    sleeper = await sandbox.commands.run("sleep 20", background=True)
    assert sleeper.pid in [p.pid for p in await sandbox.commands.list()]
    await sleeper.disconnect()
    again = await sandbox.commands.connect(sleeper.pid)
    assert await sandbox.commands.kill(sleeper.pid) is True
    await expect.raises_async(CommandExitException, again.wait())
    assert await sandbox.commands.kill(sleeper.pid) is False


async def check_input_as_one_stream_and_by_handle(sandbox):
    handle = await sandbox.commands.run("cat; echo end; echo error >&2", background=True, stdin=True)
    async with sandbox.commands.stream_input(handle.pid) as stream:
        await stream.send("one ")
        await stream.send(b"two ")
    await handle.send_stdin("three\n")
    await handle.close_stdin()
    await handle.wait()
    assert (handle.exit_code, handle.error) == (0, None) or (handle.exit_code, handle.error) == (0, "")
    assert (handle.stdout, handle.stderr) == ("one two three\nend\n", "error\n")
    assert await handle.kill() is False


async def check_many_commands_at_once(sandbox):
    results = await asyncio.gather(*(sandbox.commands.run("echo %d" % i) for i in range(50)))
    assert [r.stdout for r in results] == ["%d\n" % i for i in range(50)]


async def check_files(sandbox):
    folder = await folder_of(sandbox)
    await sandbox.files.write(folder + "/a.txt", "hello ü")
    assert await sandbox.files.read(folder + "/a.txt") == "hello ü"
    assert bytes(await sandbox.files.read(folder + "/a.txt", format="bytes")).decode() == "hello ü"
    pieces = [piece async for piece in await sandbox.files.read(folder + "/a.txt", format="stream")]
    assert b"".join(pieces).decode() == "hello ü"
    await sandbox.files.write_files([{"path": folder + "/d/b", "data": "b"}, {"path": folder + "/d/c", "data": "c"}])
    assert [e.name for e in await sandbox.files.list(folder, depth=2)] == ["a.txt", "d", "b", "c"]
    assert (await sandbox.files.get_info(folder + "/a.txt")).size == 8
    assert await sandbox.files.make_dir(folder + "/new") and not await sandbox.files.make_dir(folder + "/new")
    await sandbox.files.rename(folder + "/a.txt", folder + "/new/a")
    assert await sandbox.files.exists(folder + "/new/a")
    await sandbox.files.remove(folder)
    await expect.raises_async(NotFoundException, sandbox.files.read(folder + "/a.txt"))


async def check_run_code(sandbox):
    out = []
    execution = await sandbox.run_code("print('hello')\nx = 41\nx + 1", on_stdout=lambda m: out.append(m.line))
    assert execution.text == "42" and out == ["hello\n"]
    assert (await sandbox.run_code("x")).text == "41"
    error = (await sandbox.run_code("1/0")).error
    assert error.name == "ZeroDivisionError" and "ZeroDivisionError" in error.traceback
    frame = (await sandbox.run_code("import pandas as pd\npd.DataFrame({'a': [1]})")).results[0]
    assert frame.data == {"a": [1]}
    plot = (await sandbox.run_code("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()")).results[0]
    assert plot.png
    await expect.raises_async(TimeoutException, sandbox.run_code("import time; time.sleep(60)", timeout=0.5))
    assert (await sandbox.run_code("x")).text == "41"


async def check_contexts(sandbox):
    context = await sandbox.create_code_context(cwd="/tmp", language="python")
    assert (await sandbox.run_code("import os; os.getcwd()", context=context)).text == "/tmp"
    assert (await sandbox.list_code_contexts())[-1].id == context.id
    await sandbox.run_code("y = 1", context=context)
    await sandbox.restart_code_context(context)
    assert (await sandbox.run_code("y", context=context)).error.name == "NameError"
    await sandbox.remove_code_context(context)
    contexts = await asyncio.gather(*(sandbox.create_code_context() for _ in range(3)))
    texts = await asyncio.gather(*(sandbox.run_code("import time; time.sleep(0.3); 7", context=c) for c in contexts))
    assert [t.text for t in texts] == ["7", "7", "7"]


async def check_files_in_every_form(sandbox):
    folder = await folder_of(sandbox)
    content = "compress me " * 10_000
    for form in ({}, {"use_octet_stream": True}, {"gzip": True}):
        path = folder + "/" + "-".join(["form", *form])
        metadata = {"author": "ann", "form": "x"}
        written = await sandbox.files.write(path, content, metadata=metadata, **form)
        assert (written.path, written.name) == (path, path.rsplit("/", 1)[1])
        assert await sandbox.files.read(path) == content
        assert await sandbox.files.read(path, gzip=True) == content
        info = await sandbox.files.get_info(path)
        assert (info.size, info.metadata, info.permissions) == (len(content), metadata, "-rw-r--r--")
        await sandbox.files.write(path, b"again", **form)
        assert bytes(await sandbox.files.read(path, format="bytes")) == b"again"
        assert not (await sandbox.files.get_info(path)).metadata
    await sandbox.files.write(folder + "/stream", io.BytesIO(b"x" * 3_000_000))
    assert (await sandbox.files.get_info(folder + "/stream")).size == 3_000_000
    await sandbox.files.write(folder + "/empty", "")
    assert await sandbox.files.read(folder + "/empty") == ""


async def check_files_with_odd_names(sandbox):
    folder = await folder_of(sandbox)
    names = ["sp ace", "quote'\"", "ü😀", "percent%20", "new\nline", "back\\slash", "n" * 255]
    for name in names:
        await sandbox.files.write(folder + "/" + name, name, use_octet_stream=True)
        assert await sandbox.files.read(folder + "/" + name) == name
    assert sorted(e.name for e in await sandbox.files.list(folder)) == sorted(names)
