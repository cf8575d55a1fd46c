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


def check_branches_settings_and_remotes(sandbox):
    git, path = sandbox.git, sandbox.commands.run("mktemp -d").stdout.strip()
    git.init(path, initial_branch="main")
    git.configure_user("Ada", "ada@example.com", scope="local", path=path)
    git.set_config("core.editor", "true", scope="local", path=path)
    assert git.get_config("core.editor", scope="local", path=path) == "true"
    sandbox.files.write(f"{path}/file", "one")
    git.add(path)
    git.commit(path, "one")
    git.create_branch(path, "topic")
    git.checkout_branch(path, "main")
    git.delete_branch(path, "topic")
    assert git.branches(path).branches == ["main"]
    sandbox.files.write(f"{path}/file", "two")
    git.restore(path, paths=["file"])
    assert sandbox.files.read(f"{path}/file") == "one"
    sandbox.files.write(f"{path}/file", "three")
    git.reset(path, mode="hard", target="HEAD")
    assert sandbox.files.read(f"{path}/file") == "one"
    git.remote_add(path, "other", "https://example.com/x.git")
    assert git.remote_get(path, "other") == "https://example.com/x.git"


def check_credentials_are_kept_where_that_is_asked_for(sandbox):
    # A home of its own: they are written down there.
    envs = {"HOME": sandbox.commands.run("mktemp -d").stdout.strip()}
    sandbox.git.dangerously_authenticate("ada", "pass-word", host="git.example.com", envs=envs)
    assert sandbox.git.get_config("credential.helper", envs=envs) == "store"
    kept = sandbox.commands.run("printf 'url=https://git.example.com\n\n' | git credential fill", envs=envs)
    assert "password=pass-word\n" in kept.stdout
