"""Prints the pod of an agent-sandbox `Sandbox` on stdin, after a look at the fields of its own."""

import sys

import yaml

FIELDS = {"podTemplate", "volumeClaimTemplates", "service", "shutdownTime", "shutdownPolicy", "operatingMode"}

sandbox = yaml.safe_load(sys.stdin)
assert (sandbox["apiVersion"], sandbox["kind"]) == ("agents.x-k8s.io/v1beta1", "Sandbox")
assert set(sandbox["spec"]) <= FIELDS, set(sandbox["spec"]) - FIELDS
assert sandbox["spec"].get("shutdownPolicy", "Retain") in ("Delete", "Retain")
template = sandbox["spec"]["podTemplate"]
assert set(template) <= {"spec", "metadata"}, set(template)
metadata = {"name": sandbox["metadata"]["name"], **template.get("metadata", {})}
yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}, sys.stdout)
