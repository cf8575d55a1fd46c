"""The synchronous Python SDKs, method by method."""

import io
import time

import expect
from e2b import CommandExitException, FileType, NotFoundException, TimeoutException
from e2b_code_interpreter import Sandbox


def create(options):
    return Sandbox.create(**options)


def folder_of(sandbox):
    return sandbox.commands.run("mktemp -d").stdout.strip()


def check_run_gives_output_and_calls_back(sandbox):
    out, err = [], []
    result = sandbox.commands.run("echo out; echo err >&2", on_stdout=out.append, on_stderr=err.append)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "out\n", "err\n")
    assert "".join(out) == "out\n" and "".join(err) == "err\n"


def check_run_raises_for_another_exit_code(sandbox):
    error = expect.raises(CommandExitException, lambda: sandbox.commands.run("echo out; exit 3"))
    assert (error.exit_code, error.stdout, error.error) == (3, "out\n", "exit status 3")


def check_run_takes_envs_cwd_and_timeout(sandbox):
    value = "it's \"quoted\" $HOME \n ü 😀"
    assert sandbox.commands.run('printf %s "$VALUE"', envs={"VALUE": value}).stdout == value
    assert sandbox.commands.run("pwd", cwd="/tmp").stdout == "/tmp\n"
    began = time.monotonic()
    expect.raises(TimeoutException, lambda: sandbox.commands.run("sleep 30", timeout=0.5))
    assert time.monotonic() - began < 5


def check_run_takes_a_user(sandbox):
    if sandbox.commands.run("id -u").stdout == "0\n" or sandbox.commands.run("id -un").stdout == "user\n":
        assert sandbox.commands.run("id -un", user="user").stdout == "user\n"


def check_background_wait_and_stdin(sandbox):
    handle = sandbox.commands.run("cat; echo end", background=True, stdin=True)
    sandbox.commands.send_stdin(handle.pid, "first\n")
    sandbox.commands.send_stdin(handle.pid, "second\n")
    sandbox.commands.close_stdin(handle.pid)
    assert handle.wait().stdout == "first\nsecond\nend\n"


def check_input_as_one_stream_and_by_handle(sandbox):
    handle = sandbox.commands.run("cat; echo end", background=True, stdin=True)
    sandbox.commands.stream_input(handle.pid, iter(["one ", b"two "]))
    handle.send_stdin("three\n")
    handle.close_stdin()
    assert handle.wait().stdout == "one two three\nend\n"


def check_list_connect_and_kill(sandbox):
    handle = sandbox.commands.run("echo started; sleep 20", background=True, envs={"NAME": "value"}, cwd="/tmp")
    listed = [p for p in sandbox.commands.list() if p.pid == handle.pid]
    assert len(listed) == 1 and listed[0].envs == {"NAME": "value"} and listed[0].cwd == "/tmp"
    handle.disconnect()
    again = sandbox.commands.connect(handle.pid)
    assert sandbox.commands.kill(handle.pid) is True
    expect.raises(CommandExitException, again.wait)
    assert again.kill() is False
    expect.raises(CommandExitException, lambda: sandbox.commands.run("kill -0 %d" % handle.pid))
    assert sandbox.commands.kill(handle.pid) is False


def check_run_does_not_wait_for_background_children(sandbox):
    began = time.monotonic()
    assert sandbox.commands.run("sleep 30 & echo hi").stdout == "hi\n"
    assert time.monotonic() - began < 1.5
    sandbox.commands.run("pkill -x -f 'sleep 30'")


def check_write_and_read_in_every_format(sandbox):
    path = folder_of(sandbox) + "/a.txt"
    info = sandbox.files.write(path, "hello ü 😀")
    assert (info.name, info.path) == ("a.txt", path)
    assert sandbox.files.read(path) == "hello ü 😀"
    assert bytes(sandbox.files.read(path, format="bytes")).decode() == "hello ü 😀"
    assert b"".join(sandbox.files.read(path, format="stream")).decode() == "hello ü 😀"
    sandbox.files.write(path, b"\x00\xff")
    assert bytes(sandbox.files.read(path, format="bytes")) == b"\x00\xff"


def check_write_several_files_and_file_objects(sandbox):
    import io

    folder = folder_of(sandbox)
    written = sandbox.files.write_files([{"path": "%s/%d/f" % (folder, i), "data": str(i)} for i in range(3)])
    assert [w.path for w in written] == ["%s/%d/f" % (folder, i) for i in range(3)]
    sandbox.files.write(folder + "/object", io.BytesIO(b"from an object"))
    assert sandbox.files.read(folder + "/object") == "from an object"
    sandbox.files.write(folder + "/gzip", "zip " * 10000, gzip=True)
    assert sandbox.files.read(folder + "/gzip", gzip=True) == "zip " * 10000


def check_list_info_exists_rename_remove_make_dir(sandbox):
    folder = folder_of(sandbox)
    assert sandbox.files.make_dir(folder + "/a/b") is True
    assert sandbox.files.make_dir(folder + "/a/b") is False
    sandbox.files.write(folder + "/a/b/c.txt", "12345")
    names = [e.path[len(folder) :] for e in sandbox.files.list(folder, depth=3)]
    assert names == ["/a", "/a/b", "/a/b/c.txt"]
    info = sandbox.files.get_info(folder + "/a/b/c.txt")
    assert (info.size, info.type, info.mode, info.permissions) == (5, FileType.FILE, 0o644, "-rw-r--r--")
    assert sandbox.files.rename(folder + "/a/b/c.txt", folder + "/moved").path == folder + "/moved"
    assert sandbox.files.exists(folder + "/moved") and not sandbox.files.exists(folder + "/a/b/c.txt")
    sandbox.files.remove(folder)
    assert not sandbox.files.exists(folder)
    expect.raises(NotFoundException, lambda: sandbox.files.read(folder + "/moved"))


def check_run_code_results_errors_and_state(sandbox):
    out = []
    execution = sandbox.run_code("print('hello')\nx = 41\nx + 1", on_stdout=lambda m: out.append(m.line))
    assert execution.text == "42" and out == ["hello\n"] and execution.logs.stdout == ["hello\n"]
    assert sandbox.run_code("x").text == "41"
    error = sandbox.run_code("1/0").error
    assert error.name == "ZeroDivisionError" and "division by zero" in error.value
    assert "ZeroDivisionError" in error.traceback


def check_run_code_data_frame_and_plot(sandbox):
    frame = sandbox.run_code("import pandas as pd\npd.DataFrame({'a': [1, 2, 3]})").results[0]
    assert frame.data == {"a": [1, 2, 3]} and "<table" in frame.html
    plot = sandbox.run_code("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()").results[0]
    assert plot.png and plot.text == "<Figure size 640x480 with 1 Axes>" and not plot.extra


def check_run_code_envs_and_timeout(sandbox):
    code = "import os; os.getenv('FOR_ONE_CELL')"
    assert sandbox.run_code(code, envs={"FOR_ONE_CELL": "yes"}).text == "yes"
    assert sandbox.run_code(code).text is None
    expect.raises(TimeoutException, lambda: sandbox.run_code("import time; time.sleep(60)", timeout=0.5))
    assert sandbox.run_code("1 + 1").text == "2"


def check_run_code_bash(sandbox):
    first = sandbox.run_code("echo $FOO; x=1", language="bash", envs={"FOO": "bar"})
    assert first.logs.stdout == ["bar\n"]
    second = sandbox.run_code("echo ${FOO:-default} $x; (exit 7)", language="bash")
    assert second.logs.stdout == ["default 1\n"]
    assert (second.error.name, second.error.value) == ("ExitError", "7")
    context = sandbox.create_code_context(language="bash", cwd="/tmp")
    assert sandbox.run_code("pwd; echo ${x-unset}", context=context).logs.stdout == ["/tmp\n", "unset\n"]


def check_contexts(sandbox):
    context = sandbox.create_code_context(cwd="/tmp")
    assert sandbox.run_code("import os; os.getcwd()", context=context).text == "/tmp"
    sandbox.run_code("y = 1", context=context)
    assert sandbox.list_code_contexts()[-1].id == context.id
    sandbox.restart_code_context(context)
    assert sandbox.run_code("y", context=context).error.value == "name 'y' is not defined"
    sandbox.remove_code_context(context)
    assert context.id not in [c.id for c in sandbox.list_code_contexts()]


def check_files_in_every_form(sandbox):
    folder = folder_of(sandbox)
    content = "compress me " * 10_000
    for form in ({}, {"use_octet_stream": True}, {"gzip": True}):
        path = folder + "/" + "-".join(["form", *form])
        metadata = {"author": "ann", "form": "x"}
        written = sandbox.files.write(path, content, metadata=metadata, **form)
        assert (written.path, written.name) == (path, path.rsplit("/", 1)[1])
        assert sandbox.files.read(path) == content
        assert sandbox.files.read(path, gzip=True) == content
        info = sandbox.files.get_info(path)
        assert (info.size, info.metadata, info.permissions) == (len(content), metadata, "-rw-r--r--")
        sandbox.files.write(path, b"again", **form)
        assert bytes(sandbox.files.read(path, format="bytes")) == b"again"
        assert not (sandbox.files.get_info(path)).metadata
    sandbox.files.write(folder + "/stream", io.BytesIO(b"x" * 3_000_000))
    assert (sandbox.files.get_info(folder + "/stream")).size == 3_000_000
    sandbox.files.write(folder + "/empty", "")
    assert sandbox.files.read(folder + "/empty") == ""


def check_files_with_odd_names(sandbox):
    folder = folder_of(sandbox)
    names = ["sp ace", "quote'\"", "ü😀", "percent%20", "new\nline", "back\\slash", "n" * 255]
    for name in names:
        sandbox.files.write(folder + "/" + name, name, use_octet_stream=True)
        assert sandbox.files.read(folder + "/" + name) == name
    assert sorted(e.name for e in sandbox.files.list(folder)) == sorted(names)


def check_javascript_and_typescript(sandbox):
    assert sandbox.run_code('console.log("Hello World!")', language="js").logs.stdout == ["Hello World!\n"]
    typed = "const message: string = 'Hello, World!'; console.log(message)"
    assert sandbox.run_code(typed, language="ts").logs.stdout == ["Hello, World!\n"]
    for language in ("javascript", "typescript"):
        context = sandbox.create_code_context(language=language, cwd="/tmp")
        assert sandbox.run_code("process.cwd()", context=context).text == "/tmp"
        assert sandbox.run_code("process.env.FOO", context=context, envs={"FOO": "it's"}).text == "it's"
        assert sandbox.run_code("process.env.FOO ?? 'default'", context=context).text == "default"
        sandbox.remove_code_context(context)


def check_r(sandbox):
    printed = sandbox.run_code('print("Hello, World!")', language="r")
    assert printed.logs.stdout == ['[1] "Hello, World!"\n']
    context = sandbox.create_code_context(language="r", cwd="/tmp")
    assert sandbox.run_code("getwd()", context=context).text == '[1] "/tmp"'
    code = "Sys.getenv('FOO', 'default')"
    assert sandbox.run_code(code, context=context, envs={"FOO": "bar"}).text == '[1] "bar"'
    assert sandbox.run_code(code, context=context).text == '[1] "default"'
    frame, plot = sandbox.run_code("data.frame(a = 1:2); plot(1)", context=context).results
    assert frame.data == {"a": [1, 2]} and frame.is_main_result
    assert plot.png and not plot.is_main_result and not plot.extra
    error = sandbox.run_code("if (TRUE {", context=context).error
    assert error.name == "ParseError" and "unexpected" in error.value
    sandbox.remove_code_context(context)


def check_java(sandbox):
    printed = sandbox.run_code('System.out.println("Hello, World!")', language="java")
    assert printed.logs.stdout == ["Hello, World!", "\n"]
    context = sandbox.create_code_context(language="java", cwd="/tmp")
    assert sandbox.run_code('System.getProperty("user.dir")', context=context).text == "/tmp"
    code = 'System.getProperty("FOO", "default") + System.getenv().getOrDefault("FOO", "default")'
    assert sandbox.run_code(code, context=context, envs={"FOO": "bar"}).text == "barbar"
    assert sandbox.run_code(code, context=context).text == "defaultdefault"
    error = sandbox.run_code("int half(int n) { return n / 0; }\nhalf(1)", context=context).error
    assert error.name == "ArithmeticException" and error.value == "/ by zero"
    assert "at half(cell-4.java:1)\n\tat cell-4.java:2" in error.traceback
    sandbox.remove_code_context(context)
