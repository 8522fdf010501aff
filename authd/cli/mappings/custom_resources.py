"""The rules in custom resources IAMIdentityMapping, for the commands that list and edit them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

import yaml

from authd.cli.mappings.change import Call, Change, Creation, text_diff
from authd.cli.mappings.plain_rule import TIMES, PlainRule, rule_of_spec
from authd.cli.shared.errors import CommandError
from authd.kubernetes.client import APIClient, JSONObject
from authd.kubernetes.listing import Listing, Resource
from authd.sources.cluster.identity_mapping import API_VERSION, COLLECTION, KIND

_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")
#: Names of objects have up to 253 characters.
_MAX_NAME = 200


class CustomResourceRules:
    """The custom resources, at the time of reading."""

    def __init__(self, objects: Iterable[JSONObject]) -> None:
        self._objects = list(objects)

    @classmethod
    async def read(cls, client: APIClient) -> CustomResourceRules:
        """Read all objects."""
        objects: list[JSONObject] = []
        await Listing(client, Resource(path=COLLECTION, kind=KIND), objects.append).read()
        return cls(objects)

    @property
    def rules(self) -> list[PlainRule]:
        """All rules."""
        return [self._rule(each) for each in self._objects]

    @property
    def accounts(self) -> str:
        """Always empty, because custom resources can't map accounts."""
        return ""

    def add(self, rules: Iterable[PlainRule]) -> Change:
        """Return the change that creates an object for each rule."""
        made = [_object(rule) for rule in rules]
        diffs = [text_diff(each["metadata"]["name"], "", yaml.safe_dump(each, sort_keys=False)) for each in made]
        return Change("".join(diffs), tuple(_creation(each) for each in made))

    def remove(self, key: str) -> Change:
        """Return the change that deletes the objects for a principal, if they have not changed since reading."""
        found = [each for each in self._objects if self._rule(each).key == key]
        diffs = [text_diff(_name(each), _shown(each), "") for each in found]
        return Change("".join(diffs), tuple(_deletion(each) for each in found))

    def _rule(self, content: JSONObject) -> PlainRule:
        spec = content.get("spec")
        return rule_of_spec(spec if isinstance(spec, dict) else {}, f"iamidentitymapping {_name(content)}")


def _object(rule: PlainRule) -> JSONObject:
    if rule.user_id:
        raise CommandError(f"custom resources have no userId: {rule.subject} can't be one")
    subject: dict[str, Any] = {"sso": dict(rule.sso)} if rule.sso else {"arn": rule.arn}
    spec = {**subject, "username": rule.username, "groups": list(rule.groups), **dict(rule.times)}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": _name_for(rule)}, "spec": spec}


def _creation(content: JSONObject) -> Call | Creation:
    recent = any(name in content["spec"] for name in ("sso", *TIMES))  # older versions of the schema lack these members
    return Creation(COLLECTION, content) if recent else Call("POST", COLLECTION, content)


def _name_for(rule: PlainRule) -> str:
    """Return a name with the principal's name, unique to the ARN or permission set."""
    resource = f"sso-{dict(rule.sso).get('permissionSetName')}" if rule.sso else rule.arn.rpartition(":")[2]
    words = _NOT_IN_NAMES.sub("-", resource.lower()).strip("-")[:_MAX_NAME].strip("-")
    return f"{words}-{sha256((rule.arn or rule.key).lower().encode()).hexdigest()[:8]}"


def _deletion(content: JSONObject) -> Call:
    metadata: dict[str, Any] = content["metadata"]
    preconditions = {key: metadata[key] for key in ("uid", "resourceVersion") if key in metadata}
    body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}
    return Call("DELETE", f"{COLLECTION}/{_name(content)}", body)


def _name(content: JSONObject) -> str:
    return str(content.get("metadata", {}).get("name", ""))


def _shown(content: JSONObject) -> str:
    shown = {"metadata": {"name": _name(content)}, "spec": content.get("spec")}
    return str(yaml.safe_dump(shown, sort_keys=False))
