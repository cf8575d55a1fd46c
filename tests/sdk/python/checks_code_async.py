"""Cells by the asynchronous Python SDK: callbacks, and variables of sandbox and call."""

from e2b_code_interpreter import AsyncSandbox
from languages import READ, WHERE, printed
from variables import of_sandbox


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
    for language, code in READ.items():
        context = await sandbox.create_code_context(language=language)
        with of_sandbox(sandbox, {"SHARED": "sandbox", "OTHER": "kept"}):
            assert printed(await sandbox.run_code(code, context=context)) == "sandbox kept\n", language
            overridden = await sandbox.run_code(code, context=context, envs={"SHARED": "call"})
            assert printed(overridden) == "call kept\n", language
            assert printed(await sandbox.run_code(code, context=context)) == "sandbox kept\n", language
        assert printed(await sandbox.run_code(code, context=context)) == "none none\n", language


async def check_every_language_has_a_default_context_and_others_with_a_directory(sandbox):
    for language, code in WHERE.items():
        assert printed(await sandbox.run_code(code, language=language)).startswith("/"), language
        context = await sandbox.create_code_context(language=language, cwd="/tmp")
        assert printed(await sandbox.run_code(code, context=context)) == "/tmp\n", language
        await sandbox.remove_code_context(context)
