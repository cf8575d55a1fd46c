"""Runs every check of one module against a daemon and prints one JSON line for each: {"name", "error"}.

Usage: run_checks.py MODULE OPTIONS, where OPTIONS is what `Sandbox.create` takes, in JSON
"""

import asyncio
import importlib
import inspect
import json
import sys
import traceback


def checks_of(module):
    functions = inspect.getmembers(module, inspect.isfunction)
    own = [(f.__code__.co_firstlineno, name, f) for name, f in functions if name.startswith("check_")]
    return [(name, f) for _, name, f in sorted(own, key=lambda item: item[0])]


def report(name, error):
    print(json.dumps({"name": name, "error": error}), flush=True)


def run_sync(module, options):
    sandbox = module.create(options)
    for name, check in checks_of(module):
        try:
            check(sandbox)
            report(name, None)
        except BaseException:
            report(name, traceback.format_exc())


async def run_async(module, options):
    sandbox = await module.create(options)
    for name, check in checks_of(module):
        try:
            await check(sandbox)
            report(name, None)
        except BaseException:
            report(name, traceback.format_exc())


def main():
    _, name, text = sys.argv
    options = json.loads(text)
    module = importlib.import_module(name)
    if inspect.iscoroutinefunction(module.create):
        asyncio.run(run_async(module, options))
    else:
        run_sync(module, options)


main()
