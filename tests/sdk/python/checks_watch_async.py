"""Watching with the asynchronous Python SDK: by a stream."""

import asyncio

import expect
from e2b import NotFoundException
from e2b_code_interpreter import AsyncSandbox

LONG = 30


async def create(options):
    return await AsyncSandbox.create(**options)


async def folder_of(sandbox):
    return (await sandbox.commands.run("mktemp -d")).stdout.strip()


class Events:
    """Collects events; `until` returns all so far once there is one that fits."""

    def __init__(self):
        self.texts = []
        self.entries = {}
        self.changed = asyncio.Condition()

    async def take(self, event):
        async with self.changed:
            self.texts.append("%s %s" % (event.type.value, event.name))
            self.entries[event.name] = event.entry
            self.changed.notify_all()

    async def until(self, text):
        async with self.changed:
            await asyncio.wait_for(self.changed.wait_for(lambda: text in self.texts), LONG)
            return list(self.texts)


async def check_calls_back_for_what_happens(sandbox):
    folder, events = await folder_of(sandbox), Events()
    handle = await sandbox.files.watch_dir(folder, events.take)
    await sandbox.files.write(folder + "/new", "content")
    assert await events.until("write new") == ["create new", "chmod new", "write new"]
    await sandbox.files.rename(folder + "/new", folder + "/old")
    await sandbox.files.remove(folder + "/old")
    assert (await events.until("remove old"))[3:] == ["rename new", "create old", "remove old"]
    await handle.stop()


async def check_sees_new_directories_with_entries(sandbox):
    folder, events = await folder_of(sandbox), Events()
    handle = await sandbox.files.watch_dir(folder, events.take, recursive=True, include_entry=True)
    await sandbox.files.make_dir(folder + "/a")
    await events.until("create a")
    await sandbox.files.write(folder + "/a/b", "x")
    await events.until("write a/b")
    assert events.entries["a/b"].path == folder + "/a/b"
    await handle.stop()


async def check_calls_on_exit_when_stopped_and_when_time_is_over(sandbox):
    folder, events = await folder_of(sandbox), Events()
    stopped, over = asyncio.Event(), asyncio.Event()
    handle = await sandbox.files.watch_dir(folder, events.take, on_exit=lambda error: stopped.set())
    await sandbox.files.write(folder + "/x", "")
    await events.until("create x")
    await handle.stop()
    await asyncio.wait_for(stopped.wait(), LONG)
    await sandbox.files.watch_dir(folder, events.take, on_exit=lambda error: over.set(), timeout=4)
    await asyncio.wait_for(over.wait(), LONG)


async def check_a_missing_directory_raises(sandbox):
    await expect.raises_async(NotFoundException, sandbox.files.watch_dir("/no/such", lambda event: None))
