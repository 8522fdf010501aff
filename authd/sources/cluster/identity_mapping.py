"""One custom resource IAMIdentityMapping, and its rule."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from authd.config.document.problems import Problems
from authd.config.rules.entries import EntryReader, node_of_json
from authd.config.rules.validity import VALID_FROM, VALID_UNTIL, slip_for_validity
from authd.core.arn import InvalidArn, PrincipalKind, parse_arn
from authd.core.errors import Problem
from authd.core.mapping.rules import Rule
from authd.core.mapping.templates import Template
from authd.kubernetes.client import JSONObject

API_VERSION = "iamauthenticator.k8s.aws/v1alpha1"
KIND = "IAMIdentityMapping"
_TIMES = frozenset({VALID_FROM, VALID_UNTIL})
COLLECTION = f"/apis/{API_VERSION}/iamidentitymappings"


class RuleContext(NamedTuple):
    """The settings that reading a rule depends on."""

    partitions: tuple[str, ...]
    partition: str
    patterns: bool
    templates: dict[str, Template]


class IdentityMapping:
    """An object from the API server. `read_rule` parses its rule later.

    If the object is broken, it keeps the rule of its last good version.
    """

    __slots__ = (
        "_fingerprint", "_spec", "canonical_arn", "created", "error", "name", "rule", "uid", "unread", "user_id",
        "version", "warnings",
    )  # fmt: skip

    def __init__(self, content: JSONObject, earlier: IdentityMapping | None) -> None:
        metadata = _object(content, "metadata")
        self.name = _text(metadata, "name")
        self.uid = _text(metadata, "uid")
        self.created = _text(metadata, "creationTimestamp")
        self.take_status(content)
        self.error = ""
        self.warnings: tuple[Problem, ...] = ()
        self.rule: Rule | None = earlier.rule if earlier is not None and earlier.uid == self.uid else None
        self.unread = True
        self._spec: JSONObject = _object(content, "spec")
        self._fingerprint = _fingerprint(content)

    @property
    def place(self) -> str:
        """The object's name in messages."""
        return f"iamidentitymapping {self.name}"

    def has_rule_of(self, content: JSONObject) -> bool:
        """Return whether a newer version of the object has the same spec."""
        # After a restore of etcd, the same generation may stand for another spec.
        return self.uid == _text(_object(content, "metadata"), "uid") and self._fingerprint == _fingerprint(content)

    def take_status(self, content: JSONObject) -> None:
        """Update the status and the version from a newer version of the object."""
        status = _object(content, "status")
        self.version = _text(_object(content, "metadata"), "resourceVersion")
        self.canonical_arn = _text(status, "canonicalARN")
        self.user_id = _text(status, "userID")

    def read_rule(self, context: RuleContext) -> None:
        """Parse the rule and set `error` and `warnings`. May be called once."""
        self.unread = False
        spec, self._spec = self._spec, {}
        problems = Problems(self.place)
        rule = _rule(spec, problems, context)
        errors = problems.errors()
        self.warnings = problems.warnings()
        self.error = "; ".join(problem.message for problem in errors)
        if not errors:
            self.rule = rule

    @property
    def problem(self) -> Problem:
        """The error as a problem."""
        return Problem(file=self.place, line=0, column=0, message=self.error)


def _rule(spec: JSONObject, problems: Problems, context: RuleContext) -> Rule | None:
    reader = EntryReader(
        problems, context.partitions, context.partition, patterns=context.patterns, templates=context.templates
    )
    arn, sso = spec.get("arn"), spec.get("sso")
    is_role = _is_role(arn) or (arn is None and sso is not None)
    # Include misspelled keys of times: clusters whose definition has no schema store every key.
    times = {key: spec[key] for key in spec if key in _TIMES or slip_for_validity(key)}
    subject = {**_present("rolearn" if is_role else "userarn", arn), **_present("sso", sso)}
    node = node_of_json({**subject, "username": spec.get("username"), "groups": spec.get("groups"), **times})
    return reader.role(node) if is_role else reader.user(node)


def _present(key: str, value: object) -> dict[str, object]:
    return {} if value is None else {key: value}


def _is_role(arn: object) -> bool:
    try:
        return isinstance(arn, str) and parse_arn(arn).kind is PrincipalKind.ROLE
    except InvalidArn:
        return isinstance(arn, str) and any(kind in arn.lower() for kind in (":role/", ":assumed-role/"))


def _fingerprint(content: JSONObject) -> int:
    """Return a hash of the spec, which is small: the spec itself is not kept."""
    return hash(repr(_object(content, "spec")))


def _object(content: JSONObject, key: str) -> JSONObject:
    value = content.get(key)
    return value if isinstance(value, dict) else {}


def _text(content: JSONObject, key: str) -> str:
    value = content.get(key)
    return value if isinstance(value, str) else ""


def oldest_first(mappings: Iterable[IdentityMapping]) -> list[IdentityMapping]:
    """Sort mappings by age. Creation times have one format in UTC, so they sort as texts."""
    return sorted(mappings, key=lambda mapping: (mapping.created, mapping.name))
