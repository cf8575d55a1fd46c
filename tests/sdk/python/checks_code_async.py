"""Cells by the asynchronous Python SDK: callbacks, and variables of sandbox and call."""

from e2b_code_interpreter import AsyncSandbox
from variables import of_sandbox

READ = "import os; os.getenv('SHARED', 'none')"


async def create(options):
    return await AsyncSandbox.create(**options)


async def check_callbacks_hear_of_everything_once_and_in_order(sandbox):
    heard = []

    async def hear_result(result):
        heard.append(result.text)

    execution = await sandbox.run_code(
        "print('a')\ndisplay('b')\nundefined_name",
        on_stdout=lambda message: heard.append(message.line),
        on_result=hear_result,
        on_error=lambda error: heard.append(error.name),
    )
    assert heard == ["a\n", "b", "NameError"], heard
    assert execution.error.value == "name 'undefined_name' is not defined"


async def check_variables_of_the_sandbox_are_overridden_by_those_of_a_call(sandbox):
    context = await sandbox.create_code_context()
    with of_sandbox(sandbox, {"SHARED": "sandbox"}):
        assert (await sandbox.run_code(READ, context=context)).text == "sandbox"
        assert (await sandbox.run_code(READ, context=context, envs={"SHARED": "call"})).text == "call"
        assert (await sandbox.run_code(READ, context=context)).text == "sandbox"
    assert (await sandbox.run_code(READ, context=context)).text == "none"
