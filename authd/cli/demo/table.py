"""The outcomes of the tokens, as a table of up to 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus

from authd.cli.demo.cases import Case
from authd.cli.demo.webhook_client import ReviewResponse

_CALLER = 36
_HTTP = 5
_OUTCOME = 57

#: Effect of a denial without an error text on kube-apiserver.
_SILENT = "(no error text: kube-apiserver caches it for 2 minutes)"
#: Effect of a response without a decision.
_RETRIED = "(kube-apiserver retries)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of one case, with the reason from the log."""

    case: Case
    response: ReviewResponse
    reason: str

    @property
    def difference(self) -> str:
        """The expected outcome if it differs, otherwise an empty text."""
        expected, response = self.case.expected, self.response
        actual = (response.status, self.reason, response.username, response.groups)
        if actual == (expected.status, expected.reason, expected.username, expected.groups):
            return ""
        return f"EXPECTED {expected.status} {expected.reason} {expected.username} {', '.join(expected.groups)}".rstrip()

    def as_json(self) -> dict[str, object]:
        """Return the outcome as JSON."""
        return {
            "caller": self.case.caller,
            "status": self.response.status,
            "reason": self.reason,
            "username": self.response.username,
            "groups": list(self.response.groups),
            "passed": not self.difference,
        }


def header() -> str:
    """Return the table's first two lines."""
    titles = f"{'caller':{_CALLER}} {'HTTP':{_HTTP}} Kubernetes user, or reason of the refusal"
    return f"{titles}\n{'─' * _CALLER} {'─' * (_HTTP - 1)}  {'─' * _OUTCOME}"


def row(outcome: Outcome) -> str:
    """Return the lines of one case."""
    first, *more = [line for text in _texts(outcome) for line in textwrap.wrap(text, _OUTCOME)]
    lines = [f"{outcome.case.caller:{_CALLER}} {outcome.response.status:<{_HTTP}} {first}"]
    lines += [f"{'':{_CALLER + _HTTP + 2}}{line}" for line in more]
    return "\n".join(lines)


def _texts(outcome: Outcome) -> Iterator[str]:
    response = outcome.response
    if response.username:
        yield f"{response.username}, groups: {', '.join(response.groups) or 'none'}"
    elif response.status == HTTPStatus.OK:
        yield f"refused: {outcome.reason}"
        yield _message(response.error) or _SILENT
    else:
        yield f"no decision: {outcome.reason}"
        yield f"{_message(response.error)} {_RETRIED}"
    if outcome.difference:
        yield outcome.difference


def _message(error: str) -> str:
    """Return an error without the reason's code and the reference at its end."""
    return error.rpartition(" [")[0]
