"""The synchronous Python SDK's git: commands in the sandbox."""

from e2b import Sandbox


def create(options):
    return Sandbox.create(**options)


def check_a_repository_goes_to_another_and_back(sandbox):
    git, folder = sandbox.git, sandbox.commands.run("mktemp -d").stdout.strip()
    bare, one, two = f"{folder}/bare.git", f"{folder}/one", f"{folder}/two"
    git.init(bare, bare=True, initial_branch="main")
    git.clone(bare, path=one)
    sandbox.files.write(f"{one}/file", "text")
    assert git.status(one).untracked_count == 1
    git.add(one)
    git.commit(one, "first", author_name="Ada", author_email="ada@example.com")
    git.push(one, remote="origin", branch="main", set_upstream=True)
    git.clone(bare, path=two)
    git.create_branch(two, "topic")
    git.checkout_branch(two, "main")
    git.pull(two)
    assert sandbox.files.read(f"{two}/file") == "text"
    assert git.branches(two).current_branch == "main"
    assert git.status(two).is_clean
