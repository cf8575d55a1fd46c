"""Drives a sandbox through the Python SDK: drive.py OPTIONS CELLS, both in JSON; options in JavaScript's names."""

import json
import sys

from e2b_code_interpreter import Sandbox
from sdk_options import read_options


def main():
    sandbox = Sandbox.create(**read_options(sys.argv[1]))
    assert sandbox.commands.run("echo done").stdout == "done\n"
    sandbox.files.write("from-python/note.txt", "a note")
    assert sandbox.files.read("from-python/note.txt") == "a note"
    for language, (set_up, cell, text) in json.loads(sys.argv[2]).items():
        context = sandbox.create_code_context(language=language)
        sandbox.run_code(set_up, context=context)
        execution = sandbox.run_code(cell, context=context)
        assert execution.error is None, (language, execution.error)
        found = execution.results[0].text if execution.results else "".join(execution.logs.stdout)
        assert found == text, (language, found)
    print("driven")


main()
