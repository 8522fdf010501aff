"""Metrics under the names of aws-iam-authenticator, so that its dashboards and alerts keep working.

Source: aws-iam-authenticator, pkg/metrics. Its spelling `uknown_user` is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from authd.core.decision import ALLOWED
from authd.core.errors import DenialReason, UnavailableReason
from authd.daemon.telemetry.histogram import Histogram

_PREFIX = "aws_iam_authenticator_"
#: Regions with series of their own. Tokens name the region, so that their number must have a bound.
_MAX_REGIONS = 64

_UNKNOWN_USER, _INVALID, _MALFORMED = "uknown_user", "invalid_token", "malformed_request"
_STS_ERROR, _STS_THROTTLING = "sts_error", "sts_throttling"
_RESULTS: Mapping[str, str] = MappingProxyType(
    {
        ALLOWED: "success",
        DenialReason.FOREIGN_TOKEN: _INVALID,
        DenialReason.MALFORMED_TOKEN: _INVALID,
        DenialReason.TOKEN_EXPIRED: _INVALID,
        DenialReason.TOKEN_NOT_YET_VALID: _INVALID,
        DenialReason.AUDIENCE_MISMATCH: _INVALID,
        DenialReason.IDENTITY_NOT_MAPPED: _UNKNOWN_USER,
        DenialReason.UNSUPPORTED_IDENTITY: _UNKNOWN_USER,
        DenialReason.USERNAME_NOT_RENDERED: _UNKNOWN_USER,
        DenialReason.USERNAME_RESERVED: _UNKNOWN_USER,
        UnavailableReason.STS_THROTTLED: _STS_THROTTLING,
    }
)
_NO_CONNECTION = frozenset({UnavailableReason.STS_UNREACHABLE, UnavailableReason.STS_TIMEOUT})


class CounterTable:
    """Counts by several labels."""

    def __init__(self, name: str, help_text: str, *labels: str) -> None:
        self.name, self.help_text, self.labels = name, help_text, labels
        self.counts: dict[tuple[str, ...], int] = {}

    def add(self, *values: str) -> None:
        """Count one event."""
        self.counts[values] = self.counts.get(values, 0) + 1


class HistogramTable:
    """Histograms by one label, whose values are known."""

    def __init__(self, name: str, help_text: str, label: str, values: tuple[str, ...]) -> None:
        self.name, self.help_text, self.label = name, help_text, label
        self.by_value = {value: Histogram(name, help_text) for value in values}


class PeerMetrics:
    """Counts the same events as authd's own metrics, by the other program's labels."""

    def __init__(self) -> None:
        results = ("success", _MALFORMED, _INVALID, _STS_ERROR, _STS_THROTTLING, _UNKNOWN_USER)
        self._latency = HistogramTable(
            f"{_PREFIX}authenticate_latency_seconds", "Time to a decision, by result.", "result", results
        )
        self._failures = CounterTable(
            f"{_PREFIX}sts_connection_failures", "Calls to STS without a response.", "StsRegion"
        )
        self._responses = CounterTable(
            f"{_PREFIX}sts_responses", "Responses of STS by status.", "ResponseCode", "StsRegion"
        )
        self._throttling = CounterTable(f"{_PREFIX}sts_throttling", "Responses of STS that throttle.", "StsRegion")
        self._regions: set[str] = set()
        self.families = (self._latency, self._failures, self._responses, self._throttling)

    def decided(self, reason: str, elapsed: float) -> None:
        """Count a decision that took `elapsed` seconds."""
        self._latency.by_value[_RESULTS.get(reason, _STS_ERROR)].observe(elapsed)

    def refused(self) -> None:
        """Count a request that was no TokenReview."""
        self._latency.by_value[_MALFORMED].observe(0.0)

    def responded(self, host: str, status: int) -> None:
        """Count a response of STS."""
        self._responses.add(str(status), self._region(host))

    def failed(self, host: str, reason: str) -> None:
        """Count a call to STS that did not confirm the caller, by the reason."""
        if reason in _NO_CONNECTION:
            self._failures.add(self._region(host))
        elif reason == UnavailableReason.STS_THROTTLED:
            self._throttling.add(self._region(host))

    def _region(self, host: str) -> str:
        region = "global" if host == "sts.amazonaws.com" else host.split(".")[1]
        if region not in self._regions and len(self._regions) >= _MAX_REGIONS:
            return "other"
        self._regions.add(region)
        return region
