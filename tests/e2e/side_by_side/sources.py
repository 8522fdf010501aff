"""The same mappings for the other sources: a dynamic file, the ConfigMap aws-auth and custom resources."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from tests.e2e.side_by_side.company import CANARY_ACCOUNT
from tests.e2e.side_by_side.settings import SETTINGS

CANARY_ARN = f"arn:aws:iam::{CANARY_ACCOUNT}:user/canary"
_LISTS = ("mapRoles", "mapUsers", "mapAccounts")
#: The settings files whose mappings the other formats can express.
NAMES = (
    "roles and users",
    "placeholders",
    "session's name of callers without a session",
    "ARNs in another case",
    "accounts",
    "accounts beside rules",
    "scrubbed accounts",
    "reserved prefixes",
    "roles by their ARNs with paths",
    "roles with paths by their names",
    "users without their paths",
    "ARNs of sessions",
    "roots and federated users",
    "roles and users in each other's list",
    "the same ARN twice",
    "the same ARN in both lists",
    "wildcards",
    "names with special characters",
)
#: Custom resources have no accounts and no lists, and the Go program picks either of two for the same ARN.
NAMES_OF_RESOURCES = tuple(name for name in NAMES if "the same ARN" not in name and name != "accounts")


def mappings(name: str) -> dict[str, Any]:
    """Return the three lists of a settings file with EKS's keys, and a rule for the canary."""
    server = yaml.safe_load(SETTINGS[name])
    lists = {key: server.get(key) or [] for key in _LISTS}
    for key in _LISTS[:2]:
        lists[key] = [{word.lower(): value for word, value in entry.items()} for entry in lists[key]]
    lists["mapUsers"].append({"userarn": CANARY_ARN, "username": "canary", "groups": []})
    return lists


def other_settings(name: str, source: str, **more: str) -> str:
    """Return a settings file's other settings for another source."""
    server = {key: value for key, value in yaml.safe_load(SETTINGS[name]).items() if key not in _LISTS}
    for reserved in server.get("reservedPrefixConfig", []):
        reserved["backendMode"] = source
    return yaml.safe_dump({**server, "backendMode": [source], **more}, allow_unicode=True)


def dynamic_file(name: str) -> str:
    """Return the dynamic file."""
    return json.dumps({"LastUpdatedDateTime": "1764288000", "Version": "1", **mappings(name)})


def config_map(name: str) -> dict[str, Any]:
    """Return the ConfigMap aws-auth, whose lists are YAML texts."""
    data = {key: yaml.safe_dump(value, allow_unicode=True) for key, value in mappings(name).items()}
    metadata = {"name": "aws-auth", "namespace": "kube-system"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def custom_resources(name: str) -> Iterator[Mapping[str, Any]]:
    """Yield an IAMIdentityMapping for each rule."""
    lists = mappings(name)
    for number, rule in enumerate([*lists["mapRoles"], *lists["mapUsers"]]):
        arn = rule.get("rolearn") or rule.get("userarn")
        yield {
            "apiVersion": "iamauthenticator.k8s.aws/v1alpha1",
            "kind": "IAMIdentityMapping",
            "metadata": {"name": f"rule-{number}"},
            "spec": {"arn": arn, "username": rule["username"], "groups": rule["groups"]},
        }
