"""Finds the start command, and follows the ports, through the Python SDK: follow_ports.py OPTIONS TOKEN; options as for drive.py."""

import sys

from e2b_code_interpreter import Sandbox
from sdk_options import read_options

FOLLOW = "curl -sN -H \"X-Access-Token: $TOKEN\" 'http://127.0.0.1:49983/v1/ports?follow=1'"


def main():
    sandbox = Sandbox.create(**read_options(sys.argv[1]))
    assert "start-cmd" in [process.tag for process in sandbox.commands.list()]
    feed = sandbox.commands.run(FOLLOW, envs={"TOKEN": sys.argv[2]}, background=True)
    server = sandbox.commands.run("python3 -m http.server 9100 --bind 127.0.0.1", background=True)
    seen = ""
    for stdout, _, _ in feed:
        was_open = '"type":"opened","port":9100' in seen
        seen += stdout or ""
        if not was_open and '"type":"opened","port":9100' in seen:
            assert server.kill()
        if '"type":"closed","port":9100' in seen:
            break
    else:
        raise AssertionError(seen)
    feed.kill()
    print("followed")


main()
