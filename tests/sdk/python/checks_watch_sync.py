"""Watching with the synchronous Python SDK: by polling."""

import expect
from e2b import NotFoundException, SandboxException
from e2b_code_interpreter import Sandbox


def create(options):
    return Sandbox.create(**options)


def folder_of(sandbox):
    return sandbox.commands.run("mktemp -d").stdout.strip()


def texts(handle):
    return ["%s %s" % (event.type.value, event.name) for event in handle.get_new_events()]


def check_an_upload_is_seen_right_after_it(sandbox):
    folder = folder_of(sandbox)
    handle = sandbox.files.watch_dir(folder)
    for index in range(20):
        name = "f%d" % index
        sandbox.files.write(folder + "/" + name, "content")
        assert texts(handle) == ["create " + name, "chmod " + name, "write " + name]
    sandbox.files.write(folder + "/f0", "other")
    # What overwrites and then cuts is two writes, which the kernel joins unless somebody reads in between.
    assert texts(handle) in (["chmod f0", "write f0"], ["chmod f0", "write f0", "write f0"])
    assert texts(handle) == []
    handle.stop()


def check_renames_removals_and_directories(sandbox):
    folder = folder_of(sandbox)
    sandbox.files.write(folder + "/a", "")
    handle = sandbox.files.watch_dir(folder, recursive=True)
    sandbox.files.rename(folder + "/a", folder + "/b")
    sandbox.files.remove(folder + "/b")
    assert texts(handle) == ["rename a", "create b", "remove b"]
    sandbox.files.make_dir(folder + "/d")
    assert texts(handle)[0] == "create d"
    sandbox.files.write(folder + "/d/x", "1")
    assert texts(handle) == ["create d/x", "chmod d/x", "write d/x"]
    handle.stop()


def check_entries_are_included_on_request(sandbox):
    folder = folder_of(sandbox)
    handle = sandbox.files.watch_dir(folder, include_entry=True)
    sandbox.files.write(folder + "/x", "12345")
    event = handle.get_new_events()[-1]
    assert (event.name, event.entry.path, event.entry.size) == ("x", folder + "/x", 5)
    handle.stop()


def check_a_stopped_watcher_and_a_missing_directory_raise(sandbox):
    folder = folder_of(sandbox)
    handle = sandbox.files.watch_dir(folder)
    handle.stop()
    expect.raises(SandboxException, handle.get_new_events)
    expect.raises(NotFoundException, lambda: sandbox.files.watch_dir(folder + "/missing"))
