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
