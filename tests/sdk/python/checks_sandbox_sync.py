"""The synchronous Python SDK's sandboxes themselves, method by method."""

import os
import time
import urllib.request

import expect
from e2b import FileNotFoundException
from e2b_code_interpreter import Sandbox

TEXT = "text of a server"
OPTIONS = {}


def create(options):
    OPTIONS.update(options)
    return Sandbox.create(**options)


def check_is_running(sandbox):
    assert sandbox.is_running() is True


def check_get_host_names_a_port(sandbox):
    if not OPTIONS.get("debug"):
        assert sandbox.get_host(3000) == "3000-%s.%s" % (sandbox.sandbox_id, sandbox.sandbox_domain)
        return
    folder = sandbox.commands.run("mktemp -d").stdout.strip()
    sandbox.files.write(folder + "/index.html", TEXT)
    script = "import http.server as h; s = h.ThreadingHTTPServer(('127.0.0.1', 0), h.SimpleHTTPRequestHandler); "
    script += "print(s.server_port, flush=True); s.serve_forever()"
    server = sandbox.commands.run('python3 -c "%s"' % script, background=True, cwd=folder)
    port = next(int(out) for out, _, _ in server if out)
    assert sandbox.get_host(port) == "localhost:%d" % port
    assert urllib.request.urlopen("http://" + sandbox.get_host(port)).read().decode() == TEXT
    assert server.kill() is True


def check_get_info_and_list(sandbox):
    if OPTIONS.get("debug"):
        return
    info = sandbox.get_info()
    assert (info.sandbox_id, info.envd_version) == (sandbox.sandbox_id, "0.6.13")
    assert Sandbox.get_info(sandbox.sandbox_id, **api_options()).sandbox_id == sandbox.sandbox_id
    assert [one.sandbox_id for one in Sandbox.list(**api_options()).next_items()] == [sandbox.sandbox_id]


def check_set_timeout(sandbox):
    sandbox.set_timeout(120)
    if not OPTIONS.get("debug"):
        assert abs(sandbox.get_info().end_at.timestamp() - time.time() - 120) < 30


def check_get_metrics(sandbox):
    metrics = sandbox.get_metrics()
    if OPTIONS.get("debug"):
        assert metrics == []
        return
    [figures] = metrics
    assert figures.cpu_count == len(os.sched_getaffinity(0))
    assert 0 < figures.mem_used < figures.mem_total and 0 < figures.disk_used < figures.disk_total


def check_signed_urls(sandbox):
    if OPTIONS.get("debug"):
        return
    path = sandbox.commands.run("mktemp -d").stdout.strip() + "/signed"
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="signed"\r\n\r\nby url\r\n--x--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    upload = urllib.request.Request(sandbox.upload_url(path), data=form, headers=headers)
    assert urllib.request.urlopen(upload).status == 200
    assert urllib.request.urlopen(sandbox.download_url(path)).read() == b"by url"


def check_mcp(sandbox):
    assert sandbox.get_mcp_url() == "https://%s/mcp" % sandbox.get_host(50005)
    expect.raises(FileNotFoundException, sandbox.get_mcp_token)


def check_connect_and_kill(sandbox):
    if OPTIONS.get("debug"):
        return
    other = Sandbox.create(**OPTIONS)
    again = Sandbox.connect(other.sandbox_id, **OPTIONS)
    assert again.commands.run("echo hi").stdout == "hi\n"
    assert again.kill() is True
    assert Sandbox.kill(other.sandbox_id, **api_options()) is False


def api_options():
    return {name: OPTIONS[name] for name in ("api_key", "api_url")}
