from __future__ import annotations

import pytest

from authd.core.errors import (
    SILENT_REASONS,
    AuthdError,
    ConfigError,
    DenialReason,
    Denied,
    Problem,
    Unavailable,
    UnavailableReason,
)


def test_there_is_one_root():
    """The root includes every exception that authd raises on purpose, and no kind includes another one."""
    kinds = (Denied, Unavailable, ConfigError)
    assert all(issubclass(kind, AuthdError) for kind in kinds)
    assert not any(issubclass(one, other) for one in kinds for other in kinds if one is not other)


def test_reasons_are_distinct_snake_case_words():
    """Each reason occurs once, and can be a label of a metric."""
    values = [str(reason) for reason in (*DenialReason, *UnavailableReason)]
    assert len(values) == len(set(values))
    assert all(value.replace("_", "").isalpha() and value.islower() and value.isascii() for value in values)


def test_reasons_are_stable():
    """Dashboards and alerts use the reasons, so none is ever renamed."""
    assert list(DenialReason) == [
        "foreign_token", "malformed_token", "token_expired", "token_not_yet_valid", "signature_mismatch",
        "signature_expired", "credentials_expired", "unknown_access_key", "sts_access_denied", "sts_region_disabled",
        "sts_refused", "audience_mismatch", "unsupported_identity", "identity_not_mapped", "username_not_rendered",
        "username_reserved", "instance_name_unknown", "instance_lookup_refused", "internal_error",
    ]  # fmt: skip
    assert list(UnavailableReason) == [
        "sts_throttled", "sts_error", "sts_bad_answer", "sts_unreachable", "sts_timeout",
        "instance_lookup_throttled", "instance_lookup_failed", "instance_lookup_timeout", "overloaded", "circuit_open",
    ]  # fmt: skip


def test_silent_reasons_depend_on_the_text_alone():
    """kube-apiserver caches silent refusals for two minutes, so no other refusal may be silent."""
    assert {"foreign_token", "malformed_token"} == SILENT_REASONS
    assert isinstance(SILENT_REASONS, frozenset)


@pytest.mark.parametrize(
    "error",
    [
        Denied(DenialReason.SIGNATURE_MISMATCH, "the words"),
        Unavailable(UnavailableReason.STS_TIMEOUT, "the words"),
    ],
)
def test_an_error_has_reason_and_message(error):
    """The reason is for programs and the message for people. A copy has both."""
    again = error.copy()
    assert again is not error
    assert type(again) is type(error)
    for one in (error, again):
        assert (one.reason, one.message, str(one)) == (error.reason, "the words", "the words")


def test_a_problem_has_the_form_of_a_compiler_error():
    """A place is `file:line:column`. Without a place, the message has only the file's name."""
    assert str(Problem(file="m.yaml", line=3, column=7, message="wrong")) == "m.yaml:3:7: wrong"
    assert str(Problem(file="m.yaml", line=0, column=0, message="gone")) == "m.yaml: gone"


def test_a_config_error_lists_every_problem():
    """All problems are listed, one a line, in order."""
    problems = tuple(Problem(file="m.yaml", line=line, column=1, message=f"no {line}") for line in (1, 2))
    error = ConfigError(problems)
    assert error.problems == problems
    assert str(error) == "m.yaml:1:1: no 1\nm.yaml:2:1: no 2"
