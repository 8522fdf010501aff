from __future__ import annotations

import pytest

from authd.client.fast.errors import UsageError
from authd.client.fast.flags import parse_flags


@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        (["-i", "prod"], "cluster_id", "prod"),
        (["-iprod"], "cluster_id", "prod"),
        (["-i=prod"], "cluster_id", "prod"),
        (["--cluster-id", "prod"], "cluster_id", "prod"),
        (["--cluster-id=prod"], "cluster_id", "prod"),
        (["--cluster-id=a=b"], "cluster_id", "a=b"),
        (["-i", "one", "-i", "two"], "cluster_id", "two"),
        (["-r", ""], "role", ""),
        (["-r", "-odd"], "role", "-odd"),
        (["-e", "x"], "external_id", "x"),
        (["-s", "me"], "session_name", "me"),
        (["-c", "/etc/a.yaml"], "config", "/etc/a.yaml"),
        (["-l", "json"], "log_format", "json"),
        (["--region", "eu-west-1"], "region", "eu-west-1"),
        (["--profile", "p"], "profile", "p"),
        (["--duration", "1h"], "duration", "1h"),
        (["--endpoint", "h"], "endpoint", "h"),
        (["--feature-gates", "A=true,B=false"], "feature_gates", "A=true,B=false"),
        (["--cache"], "cache", True),
        (["--cache=false"], "cache", False),
        (["--cache=T"], "cache", True),
        (["--token-only"], "token_only", True),
        (["--forward-session-name"], "forward_session_name", True),
        (["--clear-cache"], "clear_cache", True),
        (["-h"], "help", True),
        (["--version"], "version", True),
        (["--why"], "why", ""),
        (["--why=R1"], "why", "R1"),
        (["token", "-i", "prod"], "cluster_id", "prod"),
        (["-i", "prod", "token"], "cluster_id", "prod"),
        (["--", "token"], "cluster_id", None),
        (["token", "-i", "prod", "--token-only", "true"], "ignored", ["true"]),
        (["token", "token"], "ignored", ["token"]),
        (["token"], "ignored", []),
    ],
)
def test_valid_arguments(arguments: list[str], field: str, value: object) -> None:
    """Every spelling that aws-iam-authenticator accepts has the same meaning."""
    assert getattr(parse_flags(arguments), field) == value


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--bogus"], "--bogus"),
        (["-x"], "-x"),
        (["-i"], "--cluster-id"),
        (["--cache=maybe"], "--cache"),
        (["server"], "server"),
        (["eks", "get-token", "x"], "x"),
        (["--forward-session-name", "-s", "x"], "--session-name"),
    ],
)
def test_invalid_arguments(arguments: list[str], word: str) -> None:
    """The error for an invalid command line names the argument."""
    with pytest.raises(UsageError, match=word):
        parse_flags(arguments)
