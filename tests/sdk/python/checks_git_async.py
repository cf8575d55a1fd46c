"""The asynchronous Python SDK's git: commands in the sandbox."""

import json
import os

from e2b import AsyncSandbox, GitAuthException, GitUpstreamException

from expect import raises_async

SERVER = json.loads(os.environ["GUESTD_TEST_GIT_SERVER"])
URL = SERVER["url"] + "/app.git"
SECRET = {"username": SERVER["username"], "password": SERVER["password"]}
AUTHOR = {"author_name": "Ada", "author_email": "ada@example.com"}


async def create(options):
    return await AsyncSandbox.create(**options)


async def folder_of(sandbox):
    return (await sandbox.commands.run("mktemp -d")).stdout.strip()


async def check_a_repository_goes_to_another_and_back(sandbox):
    git, folder = sandbox.git, await folder_of(sandbox)
    bare, one, two = f"{folder}/bare.git", f"{folder}/one", f"{folder}/two"
    await git.init(bare, bare=True, initial_branch="main")
    await git.clone(bare, path=one)
    await sandbox.files.write(f"{one}/file", "text")
    assert (await git.status(one)).untracked_count == 1
    await git.add(one)
    await git.commit(one, "first", **AUTHOR)
    await git.push(one, remote="origin", branch="main", set_upstream=True)
    await git.clone(bare, path=two)
    await git.create_branch(two, "topic")
    await git.checkout_branch(two, "main")
    await git.pull(two)
    assert await sandbox.files.read(f"{two}/file") == "text"
    assert (await git.branches(two)).current_branch == "main"
    assert (await git.status(two)).is_clean


async def check_credentials_clone_push_and_pull(sandbox):
    git, path = sandbox.git, await folder_of(sandbox) + "/app"
    await git.clone(URL, path=path, depth=1, branch="main", **SECRET)
    assert await git.remote_get(path, "origin") == URL
    await sandbox.files.write(f"{path}/news", path)
    await git.add(path, files=["news"])
    await git.commit(path, "news", **AUTHOR)
    assert (await git.status(path)).ahead == 1
    await git.push(path, remote="origin", branch="main", **SECRET)
    await git.pull(path, remote="origin", branch="main", **SECRET)
    assert ((await git.status(path)).ahead, (await git.status(path)).behind) == (0, 0)
    assert await git.remote_get(path, "origin") == URL
    await raises_async(GitAuthException, git.clone(URL, path=path + "-wrong", username="ada", password="wrong"))


async def check_remotes_are_added_and_replaced(sandbox):
    git, path = sandbox.git, await folder_of(sandbox) + "/app"
    await git.clone(URL, path=path, **SECRET)
    await git.remote_add(path, "other", "https://example.com/x.git")
    assert await git.remote_get(path, "other") == "https://example.com/x.git"
    await git.remote_add(path, "other", path, overwrite=True, fetch=True)
    assert await git.remote_get(path, "other") == path
    assert await git.remote_get(path, "none") is None
    assert "other/main" in (await sandbox.commands.run(f"git -C {path} branch -r")).stdout


async def check_branches_and_files_are_put_back(sandbox):
    git, path = sandbox.git, await folder_of(sandbox) + "/app"
    await git.init(path, initial_branch="main")
    await sandbox.files.write(f"{path}/file", "one")
    await git.add(path)
    await git.commit(path, "one", **AUTHOR)
    await git.create_branch(path, "topic")
    await sandbox.files.write(f"{path}/file", "two")
    assert (await git.status(path)).unstaged_count == 1
    await git.restore(path, paths=["file"])
    assert await sandbox.files.read(f"{path}/file") == "one"
    await sandbox.files.write(f"{path}/new", "new")
    await git.add(path)
    await git.reset(path, paths=["new"])
    await git.add(path)
    await git.restore(path, paths=["new"], staged=True)
    assert (await git.status(path)).untracked_count == 1
    await git.add(path)
    await git.commit(path, "new", allow_empty=True, **AUTHOR)
    await git.checkout_branch(path, "main")
    await git.delete_branch(path, "topic", force=True)
    branches = await git.branches(path)
    assert (branches.branches, branches.current_branch) == (["main"], "main")
    await sandbox.files.write(f"{path}/file", "two")
    await git.reset(path, mode="hard", target="HEAD")
    assert await sandbox.files.read(f"{path}/file") == "one"


async def check_settings_and_a_password_are_kept(sandbox):
    git, folder = sandbox.git, await folder_of(sandbox)
    # In a home of its own: these are settings of the user's.
    own, path = {"envs": {"HOME": folder}}, f"{folder}/app"
    await git.configure_user("Ada", "ada@example.com", **own)
    assert await git.get_config("user.email", **own) == "ada@example.com"
    assert await git.get_config("user.none", **own) is None
    await git.dangerously_authenticate(host=URL.split("/")[2], protocol="http", **SECRET, **own)
    await git.clone(URL, path=path, **own)
    await git.set_config("user.name", "Bob", scope="local", path=path, **own)
    assert await git.get_config("user.name", scope="local", path=path, **own) == "Bob"
    await git.create_branch(path, "topic", **own)
    await git.commit(path, "nothing", allow_empty=True, **own)
    await raises_async(GitUpstreamException, git.pull(path, **own))
    await git.push(path, remote="origin", branch="topic", set_upstream=True, **own)
    await git.pull(path, **own)
    assert (await git.status(path, **own)).ahead == 0
