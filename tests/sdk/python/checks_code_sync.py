"""Cells by the synchronous Python SDK: callbacks, images, and variables of sandbox, context and call."""

import base64
from concurrent.futures import ThreadPoolExecutor

from e2b_code_interpreter import Sandbox
from languages import READ, WHERE, printed
from variables import of_sandbox


def create(options):
    return Sandbox.create(**options)


def check_callbacks_hear_of_everything_once_and_in_order(sandbox):
    heard = []
    execution = sandbox.run_code(
        "import sys\nprint('a')\ndisplay('b')\nprint('c', file=sys.stderr)\n1 / 0",
        on_stdout=lambda message: heard.append(message.line),
        on_stderr=lambda message: heard.append(message.line),
        on_result=lambda result: heard.append(result.text),
        on_error=lambda error: heard.append(error.name),
    )
    assert heard == ["a\n", "b", "c\n", "ZeroDivisionError"], heard
    assert execution.error.name == "ZeroDivisionError" and execution.text is None
    assert [result.is_main_result for result in execution.results] == [False]


def check_variables_of_the_sandbox_reach_old_and_new_contexts_and_a_call_overrides_them(sandbox):
    for language, code in READ.items():
        old = sandbox.create_code_context(language=language)
        with of_sandbox(sandbox, {"SHARED": "sandbox", "OTHER": "kept"}):
            for context in (old, sandbox.create_code_context(language=language)):
                assert printed(sandbox.run_code(code, context=context)) == "sandbox kept\n", language
                overridden = sandbox.run_code(code, context=context, envs={"SHARED": "call"})
                assert printed(overridden) == "call kept\n", language
                assert printed(sandbox.run_code(code, context=context)) == "sandbox kept\n", language
        assert printed(sandbox.run_code(code, context=old)) == "none none\n", language


def check_every_language_has_a_default_context_and_others_with_a_directory(sandbox):
    for language, code in WHERE.items():
        assert printed(sandbox.run_code(code, language=language)).startswith("/"), language
        context = sandbox.create_code_context(language=language, cwd="/tmp")
        assert printed(sandbox.run_code(code, context=context)) == "/tmp\n", language
        sandbox.remove_code_context(context)


def check_images_come_as_what_they_are(sandbox):
    png = sandbox.run_code("from PIL import Image\nImage.new('RGB', (8, 8), 'red')").results[0]
    assert base64.b64decode(png.png)[1:4] == b"PNG" and png.is_main_result
    code = "from IPython.display import Image, SVG\nimport io\nfrom PIL import Image as Picture\n"
    jpeg = sandbox.run_code(
        code + "held = io.BytesIO(); Picture.new('RGB', (8, 8)).save(held, 'JPEG'); Image(held.getvalue())"
    ).results[0]
    assert base64.b64decode(jpeg.jpeg)[:2] == b"\xff\xd8"
    svg = sandbox.run_code(code + "SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>')").results[0]
    assert svg.svg.startswith("<svg")


def check_contexts_work_side_by_side(sandbox):
    contexts = [sandbox.create_code_context() for _ in range(3)]

    # Each waits for what the next one writes: in turn they would never end.
    def meet(number):
        code = (
            "import os, time\nopen('/tmp/guestd-meet-%s-%d', 'w').close()\n"
            "while not os.path.exists('/tmp/guestd-meet-%s-%d'): time.sleep(0.01)\n%d"
        )
        here, there = number, (number + 1) % len(contexts)
        return sandbox.run_code(code % (contexts[0].id, here, contexts[0].id, there, number), context=contexts[number])

    with ThreadPoolExecutor(len(contexts)) as pool:
        assert [execution.text for execution in pool.map(meet, range(len(contexts)))] == ["0", "1", "2"]
    sandbox.run_code("import glob\nfor name in glob.glob('/tmp/guestd-meet-%s-*'): os.remove(name)" % contexts[0].id,
                     context=contexts[0])
