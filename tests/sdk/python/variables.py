"""What a control plane does when a sandbox is created with variables."""

import contextlib
import json
import urllib.request


def initialize(sandbox, variables):
    """Sets the variables of the whole sandbox, as `Sandbox.create(envs=…)` makes the control plane do."""
    request = urllib.request.Request(
        sandbox.envd_api_url + "/init",
        data=json.dumps({"envVars": variables}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:
        assert response.status == 204


@contextlib.contextmanager
def of_sandbox(sandbox, variables):
    """The sandbox has these variables meanwhile."""
    initialize(sandbox, variables)
    try:
        yield
    finally:
        initialize(sandbox, {})
