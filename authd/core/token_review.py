"""Decodes and encodes TokenReview objects of authentication.k8s.io, v1 and v1beta1.

Source: Kubernetes, "Webhook Token Authentication" and the TokenReview API reference.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from json.encoder import encode_basestring_ascii as _quoted
from typing import NamedTuple

from authd.core.caller_identity import CallerIdentity
from authd.core.decision import Decision
from authd.core.errors import SILENT_REASONS, DenialReason, Denied
from authd.core.kubernetes_user import KubernetesUser
from authd.core.strict_json import InvalidJson, parse_object
from authd.core.trace_context import TraceContext

#: In bytes. A TokenReview adds about 200 to its token, and `maxTokenLength` is at most 16,384.
MAX_REVIEW_LENGTH = 65_536
#: More than any API server sends.
_MAX_AUDIENCES = 64

_API_VERSIONS = ("authentication.k8s.io/v1", "authentication.k8s.io/v1beta1")

#: The `extra` of an accepted identity, with placeholders for the values in the order of `_extra`.
_EXTRA = (
    ',"extra":{"arn":[%s],"canonicalArn":[%s],"sessionName":[%s],"accessKeyId":[%s],"principalId":[%s],'
    '"sigs.k8s.io/aws-iam-authenticator/principalId":[%s]}'
)
_LOWERCASE_EXTRA = _EXTRA.lower()


def _response(api_version: str, status: str) -> bytes:
    return f'{{"kind":"TokenReview","apiVersion":"{api_version}","status":{{{status}}}}}'.encode("ascii")


def _list(texts: Iterable[str]) -> str:
    return f"[{','.join(map(_quoted, texts))}]"


_SILENT_RESPONSES = {version: _response(version, '"authenticated":false') for version in _API_VERSIONS}


class InvalidReview(ValueError):
    """The body is not a TokenReview: the client is not kube-apiserver, or its webhook configuration is wrong."""


class UserExtra(StrEnum):
    """Keys of the response's `extra`: those of aws-iam-authenticator, the same in lower case, or none."""

    STANDARD = "standard"
    LOWERCASE = "lowercase"
    NONE = "none"


class ReviewRequest(NamedTuple):
    """The spec of one TokenReview. `token` is secret. `trace` is the trace of its HTTP request, None without one."""

    api_version: str
    token: str
    audiences: tuple[str, ...]
    trace: TraceContext | None = None

    def __repr__(self) -> str:
        return f"<ReviewRequest {self.api_version}>"


def decode_review(body: bytes) -> ReviewRequest:
    """Parse a TokenReview. Raises `InvalidReview`, whose message never contains the body's content."""
    try:
        review = parse_object(body, MAX_REVIEW_LENGTH)
    except InvalidJson as error:
        raise InvalidReview(f"the body is not a TokenReview: {error}") from None
    api_version, spec = review.get("apiVersion"), review.get("spec")
    if review.get("kind") != "TokenReview" or api_version not in _API_VERSIONS:
        raise InvalidReview(f"the body is not a TokenReview of {' or '.join(_API_VERSIONS)}")
    token = spec.get("token") if isinstance(spec, dict) else None
    if not isinstance(spec, dict) or not isinstance(token, str) or not token:
        raise InvalidReview("the TokenReview has no spec.token")
    return ReviewRequest(api_version=str(api_version), token=token, audiences=_audiences(spec.get("audiences")))


def _audiences(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > _MAX_AUDIENCES or not all(isinstance(v, str) for v in value):
        raise InvalidReview("the TokenReview's spec.audiences is not a short list of strings")
    return tuple(value)


def common_audiences(requested: tuple[str, ...], configured: tuple[str, ...]) -> tuple[str, ...]:
    """Return the audiences for the response: none if none are configured or none were requested.

    Raises `Denied(audience_mismatch)` if both are given and have none in common.
    """
    if not configured or not requested:
        return ()
    common = tuple(audience for audience in requested if audience in configured)
    if not common:
        raise Denied(DenialReason.AUDIENCE_MISMATCH, "none of the requested audiences is in server.audiences")
    return common


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewEncoder:
    """Encodes decisions by the settings: the keys of `extra`, and the accounts to omit."""

    user_extra: UserExtra = UserExtra.STANDARD
    scrubbed_accounts: frozenset[str] = frozenset()

    def encode(self, decision: Decision, api_version: str) -> bytes:
        """Return the TokenReview for a decision, in the request's API version."""
        if decision.user is not None and decision.identity is not None:
            audiences = f',"audiences":{_list(decision.audiences)}' if decision.audiences else ""
            user = self._user(decision.user, decision.identity)
            return _response(api_version, f'"authenticated":true,"user":{user}{audiences}')
        if decision.reason in SILENT_REASONS:
            return _SILENT_RESPONSES[api_version]
        return _response(api_version, f'"authenticated":false,"error":{_quoted(error_text(decision))}')

    def _user(self, user: KubernetesUser, identity: CallerIdentity) -> str:
        account = identity.arn.account
        if account in self.scrubbed_accounts:
            uid, extra = f"aws-iam-authenticator:administrative:{user.username}", ""
        else:
            uid, extra = f"aws-iam-authenticator:{account}:{identity.principal_id}", self._extra(identity)
        return f'{{"username":{_quoted(user.username)},"uid":{_quoted(uid)},"groups":{_list(user.groups)}{extra}}}'

    def _extra(self, identity: CallerIdentity) -> str:
        if self.user_extra is UserExtra.NONE:
            return ""
        principal_id = _quoted(identity.principal_id)
        return (_LOWERCASE_EXTRA if self.user_extra is UserExtra.LOWERCASE else _EXTRA) % (
            _quoted(identity.arn_text),
            _quoted(identity.canonical_arn),
            _quoted(identity.session_name),
            _quoted(identity.access_key_id),
            principal_id,
            principal_id,
        )


def error_text(decision: Decision) -> str:
    """Return a refusal in one line: its message, the reason's code, and the reference to search the log for."""
    return f"{decision.message} [{decision.reason}, reference {decision.reference}]"
