"""The synchronous Python SDK's git: commands in the sandbox."""

import json
import os

from e2b import Sandbox, GitAuthException, GitUpstreamException

from expect import raises

SERVER = json.loads(os.environ["GUESTD_TEST_GIT_SERVER"])
URL = SERVER["url"] + "/app.git"
SECRET = {"username": SERVER["username"], "password": SERVER["password"]}
AUTHOR = {"author_name": "Ada", "author_email": "ada@example.com"}


def create(options):
    return Sandbox.create(**options)


def folder_of(sandbox):
    return sandbox.commands.run("mktemp -d").stdout.strip()


def check_a_repository_goes_to_another_and_back(sandbox):
    git, folder = sandbox.git, folder_of(sandbox)
    bare, one, two = f"{folder}/bare.git", f"{folder}/one", f"{folder}/two"
    git.init(bare, bare=True, initial_branch="main")
    git.clone(bare, path=one)
    sandbox.files.write(f"{one}/file", "text")
    assert git.status(one).untracked_count == 1
    git.add(one)
    git.commit(one, "first", **AUTHOR)
    git.push(one, remote="origin", branch="main", set_upstream=True)
    git.clone(bare, path=two)
    git.create_branch(two, "topic")
    git.checkout_branch(two, "main")
    git.pull(two)
    assert sandbox.files.read(f"{two}/file") == "text"
    assert git.branches(two).current_branch == "main"
    assert git.status(two).is_clean


def check_credentials_clone_push_and_pull(sandbox):
    git, path = sandbox.git, folder_of(sandbox) + "/app"
    git.clone(URL, path=path, depth=1, branch="main", **SECRET)
    assert git.remote_get(path, "origin") == URL
    sandbox.files.write(f"{path}/news", path)
    git.add(path, files=["news"])
    git.commit(path, "news", **AUTHOR)
    assert git.status(path).ahead == 1
    git.push(path, remote="origin", branch="main", **SECRET)
    git.pull(path, remote="origin", branch="main", **SECRET)
    assert (git.status(path).ahead, git.status(path).behind) == (0, 0)
    assert git.remote_get(path, "origin") == URL
    raises(GitAuthException, lambda: git.clone(URL, path=path + "-wrong", username="ada", password="wrong"))


def check_remotes_are_added_and_replaced(sandbox):
    git, path = sandbox.git, folder_of(sandbox) + "/app"
    git.clone(URL, path=path, **SECRET)
    git.remote_add(path, "other", "https://example.com/x.git")
    assert git.remote_get(path, "other") == "https://example.com/x.git"
    git.remote_add(path, "other", path, overwrite=True, fetch=True)
    assert git.remote_get(path, "other") == path
    assert git.remote_get(path, "none") is None
    assert "other/main" in sandbox.commands.run(f"git -C {path} branch -r").stdout


def check_branches_and_files_are_put_back(sandbox):
    git, path = sandbox.git, folder_of(sandbox) + "/app"
    git.init(path, initial_branch="main")
    sandbox.files.write(f"{path}/file", "one")
    git.add(path)
    git.commit(path, "one", **AUTHOR)
    git.create_branch(path, "topic")
    sandbox.files.write(f"{path}/file", "two")
    assert git.status(path).unstaged_count == 1
    git.restore(path, paths=["file"])
    assert sandbox.files.read(f"{path}/file") == "one"
    sandbox.files.write(f"{path}/new", "new")
    git.add(path)
    git.reset(path, paths=["new"])
    git.add(path)
    git.restore(path, paths=["new"], staged=True)
    assert git.status(path).untracked_count == 1
    git.add(path)
    git.commit(path, "new", allow_empty=True, **AUTHOR)
    git.checkout_branch(path, "main")
    git.delete_branch(path, "topic", force=True)
    branches = git.branches(path)
    assert (branches.branches, branches.current_branch) == (["main"], "main")
    sandbox.files.write(f"{path}/file", "two")
    git.reset(path, mode="hard", target="HEAD")
    assert sandbox.files.read(f"{path}/file") == "one"


def check_settings_and_a_password_are_kept(sandbox):
    git, folder = sandbox.git, folder_of(sandbox)
    # In a home of its own: these are settings of the user's.
    own, path = {"envs": {"HOME": folder}}, f"{folder}/app"
    git.configure_user("Ada", "ada@example.com", **own)
    assert git.get_config("user.email", **own) == "ada@example.com"
    assert git.get_config("user.none", **own) is None
    git.dangerously_authenticate(host=URL.split("/")[2], protocol="http", **SECRET, **own)
    git.clone(URL, path=path, **own)
    git.set_config("user.name", "Bob", scope="local", path=path, **own)
    assert git.get_config("user.name", scope="local", path=path, **own) == "Bob"
    git.create_branch(path, "topic", **own)
    git.commit(path, "nothing", allow_empty=True, **own)
    raises(GitUpstreamException, lambda: git.pull(path, **own))
    git.push(path, remote="origin", branch="topic", set_upstream=True, **own)
    git.pull(path, **own)
    assert git.status(path, **own).ahead == 0
