"""What came of each token, as a table that fits in 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus

from authd.cli.demo.cases import Case
from authd.cli.demo.webhook_client import Answer

_WHO = 36
_HTTP = 5
_OUTCOME = 57

#: What kube-apiserver makes of a refusal without an error text.
_SILENT = "(silently: kube-apiserver remembers it for 2 minutes)"
#: And of an answer that is no decision.
_RETRIED = "(kube-apiserver asks again)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one case; `reason` is the log's word for it."""

    case: Case
    answer: Answer
    reason: str

    @property
    def surprise(self) -> str:
        """What should have come of it instead, empty where it came as it must."""
        expected, answer = self.case.expected, self.answer
        came = (answer.status, self.reason, answer.username, answer.groups)
        if came == (expected.status, expected.reason, expected.username, expected.groups):
            return ""
        return f"EXPECTED {expected.status} {expected.reason} {expected.username} {', '.join(expected.groups)}".rstrip()


def header() -> str:
    """Return the table's first two lines."""
    titles = f"{'who asks':{_WHO}} {'HTTP':{_HTTP}} who that is in the cluster, or why not"
    return f"{titles}\n{'─' * _WHO} {'─' * (_HTTP - 1)}  {'─' * _OUTCOME}"


def row(outcome: Outcome) -> str:
    """Return the lines of one case."""
    first, *more = [line for text in _texts(outcome) for line in textwrap.wrap(text, _OUTCOME)]
    lines = [f"{outcome.case.who:{_WHO}} {outcome.answer.status:<{_HTTP}} {first}"]
    lines += [f"{'':{_WHO + _HTTP + 2}}{line}" for line in more]
    return "\n".join(lines)


def _texts(outcome: Outcome) -> Iterator[str]:
    answer = outcome.answer
    if answer.username:
        yield f"{answer.username}, in {', '.join(answer.groups) or 'no group'}"
    elif answer.status == HTTPStatus.OK:
        yield f"refused: {outcome.reason}"
        yield _words(answer.error) or _SILENT
    else:
        yield f"no decision: {outcome.reason}"
        yield f"{_words(answer.error)} {_RETRIED}"
    if outcome.surprise:
        yield outcome.surprise


def _words(error: str) -> str:
    """Return an error without the reason's code and the reference at its end."""
    return error.rpartition(" [")[0]
