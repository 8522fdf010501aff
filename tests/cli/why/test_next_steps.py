from __future__ import annotations

from authd.cli.why.next_steps import NEXT_STEPS, next_step
from authd.core.decision import ALLOWED
from authd.core.errors import DenialReason, UnavailableReason


def test_each_reason_has_a_next_step():
    """Every reason has a next step. An unknown reason, of a later version, refers to the documentation."""
    assert set(NEXT_STEPS) == {ALLOWED, *DenialReason, *UnavailableReason}
    assert "docs/reasons.md" in next_step("of_a_later_version")
