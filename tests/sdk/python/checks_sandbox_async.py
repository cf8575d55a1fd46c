"""The asynchronous Python SDK's sandboxes themselves, method by method."""

import asyncio
import os
import time
import urllib.request

import expect
from e2b import FileNotFoundException
from e2b_code_interpreter import AsyncSandbox

TEXT = "text of a server"
OPTIONS = {}


async def create(options):
    OPTIONS.update(options)
    return await AsyncSandbox.create(**options)


async def check_is_running(sandbox):
    assert await sandbox.is_running() is True


async def check_get_host_names_a_port(sandbox):
    if not OPTIONS.get("debug"):
        assert sandbox.get_host(3000) == "3000-%s.%s" % (sandbox.sandbox_id, sandbox.sandbox_domain)
        return
    folder = (await sandbox.commands.run("mktemp -d")).stdout.strip()
    await sandbox.files.write(folder + "/index.html", TEXT)
    script = "import http.server as h; s = h.ThreadingHTTPServer(('127.0.0.1', 0), h.SimpleHTTPRequestHandler); "
    script += "print(s.server_port, flush=True); s.serve_forever()"
    ports = asyncio.Queue()
    command = 'python3 -c "%s"' % script
    server = await sandbox.commands.run(command, background=True, cwd=folder, on_stdout=ports.put_nowait)
    port = int(await ports.get())
    assert sandbox.get_host(port) == "localhost:%d" % port
    assert urllib.request.urlopen("http://" + sandbox.get_host(port)).read().decode() == TEXT
    assert await server.kill() is True


async def check_get_info_and_list(sandbox):
    if OPTIONS.get("debug"):
        return
    info = await sandbox.get_info()
    assert (info.sandbox_id, info.envd_version) == (sandbox.sandbox_id, "0.6.13")
    assert (await AsyncSandbox.get_info(sandbox.sandbox_id, **api_options())).sandbox_id == sandbox.sandbox_id
    assert [one.sandbox_id for one in await AsyncSandbox.list(**api_options()).next_items()] == [sandbox.sandbox_id]


async def check_set_timeout(sandbox):
    await sandbox.set_timeout(120)
    if not OPTIONS.get("debug"):
        assert abs((await sandbox.get_info()).end_at.timestamp() - time.time() - 120) < 30


async def check_get_metrics(sandbox):
    metrics = await sandbox.get_metrics()
    if OPTIONS.get("debug"):
        assert metrics == []
        return
    [figures] = metrics
    assert figures.cpu_count == len(os.sched_getaffinity(0))
    assert 0 < figures.mem_used < figures.mem_total and 0 < figures.disk_used < figures.disk_total


async def check_signed_urls(sandbox):
    if OPTIONS.get("debug"):
        return
    path = (await sandbox.commands.run("mktemp -d")).stdout.strip() + "/signed"
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="signed"\r\n\r\nby url\r\n--x--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    upload = urllib.request.Request(sandbox.upload_url(path), data=form, headers=headers)
    assert urllib.request.urlopen(upload).status == 200
    assert urllib.request.urlopen(sandbox.download_url(path)).read() == b"by url"


async def check_mcp(sandbox):
    assert sandbox.get_mcp_url() == "https://%s/mcp" % sandbox.get_host(50005)
    await expect.raises_async(FileNotFoundException, sandbox.get_mcp_token())


async def check_connect_and_kill(sandbox):
    if OPTIONS.get("debug"):
        return
    other = await AsyncSandbox.create(**OPTIONS)
    again = await AsyncSandbox.connect(other.sandbox_id, **OPTIONS)
    assert (await again.commands.run("echo hi")).stdout == "hi\n"
    assert await again.kill() is True
    assert await AsyncSandbox.kill(other.sandbox_id, **api_options()) is False


def api_options():
    return {name: OPTIONS[name] for name in ("api_key", "api_url")}
