"""Prints the public names of the SDKs' classes as JSON, {class: [name]}; "functions" are those of the modules themselves.

Values (data classes, typed dictionaries, enumerations) and exceptions have no methods that matter here.
"""

import dataclasses
import enum
import inspect
import json
import typing

import e2b
import e2b_code_interpreter


def public(one):
    return sorted(name for name in dir(one) if not name.startswith("_"))


def is_value(one):
    kinds = (BaseException, dict, str, bytes, enum.Enum)
    return issubclass(one, kinds) or dataclasses.is_dataclass(one) or typing.is_typeddict(one)


def exported(kind):
    members = [*inspect.getmembers(e2b, kind), *inspect.getmembers(e2b_code_interpreter, kind)]
    return {name: one for name, one in members if not name.startswith("_")}


def part_classes(sandbox, prefix):
    """`files`, `commands` … of a sandbox: their classes are what the properties say they return."""
    parts = ("files", "commands", "pty", "git")
    classes = [typing.get_type_hints(getattr(sandbox, part).fget)["return"] for part in parts]
    return {prefix + one.__name__: public(one) for one in classes}


classes = {name: public(one) for name, one in exported(inspect.isclass).items() if not is_value(one)}
classes.pop("Git")  # the synchronous one by another way in
print(
    json.dumps(
        {
            **{name: names for name, names in classes.items() if names},
            **part_classes(e2b_code_interpreter.Sandbox, ""),
            **part_classes(e2b_code_interpreter.AsyncSandbox, "Async"),
            "functions": sorted(exported(inspect.isfunction)),
        }
    )
)
