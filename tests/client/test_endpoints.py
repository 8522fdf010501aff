from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    ("variables", "arguments", "host", "region"),
    [
        ({}, (), "sts.eu-west-1.amazonaws.com", "eu-west-1"),
        ({"AWS_REGION": ""}, (), "sts.amazonaws.com", "us-east-1"),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-north-1"}, (), "sts.eu-north-1.amazonaws.com", "eu-north-1"),
        ({"AWS_DEFAULT_REGION": "eu-north-1"}, (), "sts.eu-west-1.amazonaws.com", "eu-west-1"),
        ({}, ("--region", "us-iso-east-1"), "sts.us-iso-east-1.c2s.ic.gov", "us-iso-east-1"),
        ({}, ("--region", "us-gov-west-1"), "sts.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ({"AWS_STS_REGIONAL_ENDPOINTS": "regional"}, (), "sts.eu-west-1.amazonaws.com", "eu-west-1"),
        ({"AWS_STS_REGIONAL_ENDPOINTS": "legacy"}, (), "sts.amazonaws.com", "us-east-1"),
        ({"AWS_STS_REGIONAL_ENDPOINTS": "legacy"}, ("--region", "eu-south-1"), "sts.eu-south-1.amazonaws.com", "eu-south-1"),
        ({"AWS_USE_FIPS_ENDPOINT": "true"}, ("--region", "us-east-1"), "sts-fips.us-east-1.amazonaws.com", "us-east-1"),
        ({"AWS_USE_FIPS_ENDPOINT": "true"}, ("--region", "us-gov-west-1"), "sts.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ({"AWS_USE_DUALSTACK_ENDPOINT": "true"}, (), "sts.eu-west-1.api.aws", "eu-west-1"),
        ({}, ("--endpoint", "sts.us-west-2.amazonaws.com"), "sts.us-west-2.amazonaws.com", "us-west-2"),
        ({}, ("--endpoint", "https://sts.amazonaws.com/"), "sts.amazonaws.com", "us-east-1"),
        ({}, ("--endpoint", "vpce-0a-1b.sts.us-west-2.vpce.amazonaws.com"), "vpce-0a-1b.sts.us-west-2.vpce.amazonaws.com", "us-west-2"),
        ({}, ("--endpoint", "sts.internal.example.com"), "sts.internal.example.com", "eu-west-1"),
        # Calls go to the configured endpoint. A token names it only if it has neither port nor path.
        ({"AWS_ENDPOINT_URL_STS": "https://vpce-1.sts.us-west-2.vpce.amazonaws.com"}, (), "vpce-1.sts.us-west-2.vpce.amazonaws.com", "us-west-2"),
        ({"AWS_ENDPOINT_URL": "https://sts.us-west-2.amazonaws.com"}, (), "sts.us-west-2.amazonaws.com", "us-west-2"),
        ({"AWS_ENDPOINT_URL_STS": "http://localhost:4566"}, (), "sts.eu-west-1.amazonaws.com", "eu-west-1"),
        ({"AWS_ENDPOINT_URL_STS": "https://127.0.0.1:8443"}, (), "sts.eu-west-1.amazonaws.com", "eu-west-1"),
        ({"AWS_ENDPOINT_URL_STS": "https://proxy.example.com/sts"}, (), "sts.eu-west-1.amazonaws.com", "eu-west-1"),
        ({"AWS_ENDPOINT_URL_STS": "https://proxy.example.com", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, (), "sts.eu-west-1.amazonaws.com", "eu-west-1"),
        # A malformed endpoint without effect is no error.
        ({"AWS_ENDPOINT_URL": "localhost", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, (), "sts.eu-west-1.amazonaws.com", "eu-west-1"),
        ({"AWS_ENDPOINT_URL": "localhost", "AWS_ENDPOINT_URL_STS": "https://sts.us-west-2.amazonaws.com"}, (), "sts.us-west-2.amazonaws.com", "us-west-2"),
    ],
)  # fmt: skip
def test_endpoint_of_the_token(
    authd_token: Callable,
    keys: dict[str, str],
    variables: dict[str, str],
    arguments: tuple[str, ...],
    host: str,
    region: str,
) -> None:
    """The host is regional by default, the SDKs' settings apply, and a region in the host's name is the signing region."""
    result = authd_token("-i", "prod", *arguments, **variables)
    assert result.status == 0, result.err
    assert (result.host, result.region) == (host, region)


@pytest.mark.parametrize(
    ("line", "host"),
    [
        ("sts_regional_endpoints = legacy", "sts.amazonaws.com"),
        ("use_fips_endpoint = true", "sts-fips.us-east-2.amazonaws.com"),
        ("use_dualstack_endpoint = true", "sts.us-east-2.api.aws"),
        ("endpoint_url = https://sts.us-west-2.amazonaws.com", "sts.us-west-2.amazonaws.com"),
        ("output = json", "sts.us-east-2.amazonaws.com"),
    ],
)
def test_endpoint_settings_of_the_profile(
    authd_token: Callable, environ: dict[str, str], write_aws: Callable, line: str, host: str
) -> None:
    """The keys of the configuration file have the same effect as the variables."""
    write_aws("config", f"[default]\nregion = us-east-2\n{line}\n")
    result = authd_token("-i", "prod", AWS_ACCESS_KEY_ID="AKIA", AWS_SECRET_ACCESS_KEY="s")
    assert result.host == host, result.err
