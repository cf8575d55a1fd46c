"""The asynchronous Python SDK's git: commands in the sandbox."""

from e2b import AsyncSandbox


async def create(options):
    return await AsyncSandbox.create(**options)


async def check_a_repository_goes_to_another_and_back(sandbox):
    git, folder = sandbox.git, (await sandbox.commands.run("mktemp -d")).stdout.strip()
    bare, one, two = f"{folder}/bare.git", f"{folder}/one", f"{folder}/two"
    await git.init(bare, bare=True, initial_branch="main")
    await git.clone(bare, path=one)
    await sandbox.files.write(f"{one}/file", "text")
    assert (await git.status(one)).untracked_count == 1
    await git.add(one)
    await git.commit(one, "first", author_name="Ada", author_email="ada@example.com")
    await git.push(one, remote="origin", branch="main", set_upstream=True)
    await git.clone(bare, path=two)
    await git.create_branch(two, "topic")
    await git.checkout_branch(two, "main")
    await git.pull(two)
    assert await sandbox.files.read(f"{two}/file") == "text"
    assert (await git.branches(two)).current_branch == "main"
    assert (await git.status(two)).is_clean


async def check_branches_settings_and_remotes(sandbox):
    git, path = sandbox.git, (await sandbox.commands.run("mktemp -d")).stdout.strip()
    await git.init(path, initial_branch="main")
    await git.configure_user("Ada", "ada@example.com", scope="local", path=path)
    await git.set_config("core.editor", "true", scope="local", path=path)
    assert await git.get_config("core.editor", scope="local", path=path) == "true"
    await sandbox.files.write(f"{path}/file", "one")
    await git.add(path)
    await git.commit(path, "one")
    await git.create_branch(path, "topic")
    await git.checkout_branch(path, "main")
    await git.delete_branch(path, "topic")
    assert (await git.branches(path)).branches == ["main"]
    await sandbox.files.write(f"{path}/file", "two")
    await git.restore(path, paths=["file"])
    assert await sandbox.files.read(f"{path}/file") == "one"
    await sandbox.files.write(f"{path}/file", "three")
    await git.reset(path, mode="hard", target="HEAD")
    assert await sandbox.files.read(f"{path}/file") == "one"
    await git.remote_add(path, "other", "https://example.com/x.git")
    assert await git.remote_get(path, "other") == "https://example.com/x.git"


async def check_credentials_are_kept_where_that_is_asked_for(sandbox):
    # A home of its own: they are written down there.
    envs = {"HOME": (await sandbox.commands.run("mktemp -d")).stdout.strip()}
    await sandbox.git.dangerously_authenticate("ada", "pass-word", host="git.example.com", envs=envs)
    assert await sandbox.git.get_config("credential.helper", envs=envs) == "store"
    kept = await sandbox.commands.run("printf 'url=https://git.example.com\n\n' | git credential fill", envs=envs)
    assert "password=pass-word\n" in kept.stdout
