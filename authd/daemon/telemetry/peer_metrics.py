"""Metrics under the names of aws-iam-authenticator, so that its dashboards and alerts keep working.

Source: aws-iam-authenticator, pkg/metrics. Its spelling `uknown_user` is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from authd.core.decision import ALLOWED
from authd.core.errors import DenialReason, UnavailableReason
from authd.daemon.telemetry.histogram import Histogram

_PREFIX = "aws_iam_authenticator_"

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
#: Counters without labels, with their help texts.
_COUNTS: Mapping[str, str] = MappingProxyType(
    {
        "sts_connection_failures": "Calls to STS without a response.",
        "sts_throttling": "Responses of STS that throttle.",
        "configmap_watch_failures": "Failures to follow the ConfigMap aws-auth.",
        "dynamicfile_failures": "Contents of the dynamic file that can't be used.",
        "ec2_describe_instances_calls": "Calls of DescribeInstances.",
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
    """Histograms by one label with fixed values."""

    def __init__(self, name: str, help_text: str, label: str, values: tuple[str, ...]) -> None:
        self.name, self.help_text, self.label = name, help_text, label
        self.by_value = {value: Histogram(name, help_text) for value in values}


class PeerMetrics:
    """Counts the same events as authd's own metrics, with the labels of aws-iam-authenticator."""

    def __init__(self) -> None:
        results = ("success", _MALFORMED, _INVALID, _STS_ERROR, _STS_THROTTLING, _UNKNOWN_USER)
        self._latency = HistogramTable(
            f"{_PREFIX}authenticate_latency_seconds", "Time to a decision, by result.", "result", results
        )
        self._responses = CounterTable(f"{_PREFIX}sts_responses", "Responses of STS by status.", "ResponseCode")
        self._counts = dict.fromkeys(_COUNTS, 0)
        self.families = (self._latency,)
        # promtool rejects the label's name. aws-iam-authenticator serves its metrics only on the webhook's port, so its
        # dashboards find this one there.
        self.webhook_families = (self._responses,)

    @property
    def totals(self) -> Mapping[str, tuple[str, Callable[[], float]]]:
        """Counters without labels: by name, the help text and a reader of the value."""
        return {f"{_PREFIX}{name}": (text, partial(self._counts.__getitem__, name)) for name, text in _COUNTS.items()}

    def decided(self, reason: str, elapsed: float) -> None:
        """Count a decision that took `elapsed` seconds."""
        self._latency.by_value[_RESULTS.get(reason, _STS_ERROR)].observe(elapsed)

    def refused(self) -> None:
        """Count a request that is not a TokenReview."""
        self._latency.by_value[_MALFORMED].observe(0.0)

    def responded(self, status: int) -> None:
        """Count a response of STS."""
        self._responses.add(str(status))

    def failed(self, reason: str) -> None:
        """Count a call to STS that did not confirm the caller, by the reason."""
        if reason in _NO_CONNECTION:
            self.count("sts_connection_failures")
        elif reason == UnavailableReason.STS_THROTTLED:
            self.count("sts_throttling")

    def count(self, name: str) -> None:
        """Count an event of a counter without labels, by its name without the prefix."""
        self._counts[name] += 1
