"""The rules in the ConfigMap aws-auth, for the commands that list and edit them."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from authd.cli.mappings.change import MERGE_PATCH, Call, Change, text_diff
from authd.cli.mappings.plain_rule import ROLE, USER, PlainRule
from authd.cli.mappings.yaml_list import YAMLList
from authd.kubernetes.client import APIClient, JSONObject
from authd.kubernetes.errors import StatusError
from authd.kubernetes.object_cache import check_object
from authd.sources.cluster.eks_configmap import COLLECTION, NAME, NAMESPACE

LISTS = {USER: "mapUsers", ROLE: "mapRoles"}
_PLACE = f"configmap {NAMESPACE}/{NAME}"


class ConfigMapRules:
    """One version of the ConfigMap. Changes apply to this version only."""

    def __init__(self, config_map: JSONObject | None) -> None:
        self._exists = config_map is not None
        content = config_map or {}
        data = content.get("data")
        self._data: dict[str, str] = data if isinstance(data, dict) else {}
        self._version = str(content.get("metadata", {}).get("resourceVersion", ""))
        self._lists = {
            kind: YAMLList(self._data.get(name) or "", kind, f"{_PLACE} {name}") for kind, name in LISTS.items()
        }

    @classmethod
    async def read(cls, client: APIClient) -> ConfigMapRules:
        """Read the ConfigMap, which may not exist yet. Raises `InvalidResponse` for another object."""
        try:
            content = await client.call("GET", f"{COLLECTION}/{NAME}")
        except StatusError as error:
            if error.code != HTTPStatus.NOT_FOUND:
                raise
            return cls(None)
        check_object(content, "ConfigMap", NAMESPACE, NAME)
        return cls(content)

    @property
    def rules(self) -> list[PlainRule]:
        """All rules."""
        return [rule for each in self._lists.values() for rule in each.rules]

    @property
    def accounts(self) -> str:
        """The text of `mapAccounts`."""
        return self._data.get("mapAccounts") or ""

    def add(self, rules: Iterable[PlainRule]) -> Change:
        """Return the change that adds rules."""
        texts = {kind: each.text for kind, each in self._lists.items()}
        for rule in rules:
            texts[rule.kind] = YAMLList(texts[rule.kind], rule.kind, _PLACE).with_added(rule)
        return self._change(texts)

    def remove(self, key: str) -> Change:
        """Return the change that removes the rules for a principal."""
        return self._change({kind: each.with_removed(key) for kind, each in self._lists.items()})

    def _change(self, texts: dict[str, str]) -> Change:
        changed = {LISTS[kind]: text for kind, text in texts.items() if text != self._lists[kind].text}
        if not changed:
            return Change("", ())
        diffs = [text_diff(f"{_PLACE} {name}", self._data.get(name) or "", text) for name, text in changed.items()]
        return Change("".join(diffs), (self._call(changed),))

    def _call(self, data: dict[str, str]) -> Call:
        metadata: dict[str, Any] = {"name": NAME, "namespace": NAMESPACE}
        if not self._exists:
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
            return Call("POST", COLLECTION, body)
        body = {"metadata": {"resourceVersion": self._version}, "data": data}
        return Call("PATCH", f"{COLLECTION}/{NAME}", body, MERGE_PATCH)
