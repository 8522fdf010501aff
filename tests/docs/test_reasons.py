from __future__ import annotations

import re
from pathlib import Path

import pytest

from authd.core.errors import SILENT_REASONS, DenialReason, UnavailableReason
from authd.daemon.webhook import STATUS

TEXT = (Path(__file__).parents[2] / "docs" / "reasons.md").read_text("utf-8")
ROW = re.compile(r"^\| `([a-z_]+)` \| ([0-9]{3}) \| ([a-z, ]+) \| (.+) \|$", re.MULTILINE)
ROWS = {reason: (int(status), does, meaning) for reason, status, does, meaning in ROW.findall(TEXT)}
#: The reaction of kube-apiserver to each status. It caches a denial without an error text.
DOES = {200: "logs the error", 429: "retries", 502: "retries", 503: "does not retry", 504: "retries"}


def test_the_list_is_closed():
    """The document has exactly the reasons of the code, in the same order."""
    assert [row[0] for row in ROW.findall(TEXT)] == [*DenialReason, *UnavailableReason]


@pytest.mark.parametrize("reason", [*DenialReason, *UnavailableReason])
def test_each_reason_has_its_status(reason):
    """A reason's status, and the reaction of kube-apiserver, match the webhook's response."""
    status, does, _ = ROWS[reason]
    assert status == STATUS.get(reason, 200)
    assert does == ("caches, no error" if reason in SILENT_REASONS else DOES[status])
