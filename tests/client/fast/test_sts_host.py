from __future__ import annotations

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authd.client.fast.sigv4 import NotOnFastPath
from authd.client.fast.sts_host import regional_host

_SESSION = botocore.session.Session()
_REGIONS = sorted(
    {
        region
        for partition in _SESSION.get_available_partitions()
        for service in ("sts", "ec2")
        for region in _SESSION.get_available_regions(service, partition, allow_non_regional=True)
    }
)


@pytest.mark.parametrize("region", _REGIONS)
def test_agrees_with_botocore(region: str) -> None:
    """For every region of botocore, the host is that of its client, or left to botocore."""
    client = _SESSION.create_client("sts", region, aws_access_key_id="A", aws_secret_access_key="s")
    try:
        host = regional_host(region)
    except NotOnFastPath:
        return
    assert client.generate_presigned_url("get_caller_identity").startswith(f"https://{host}/")


def test_usual_regions() -> None:
    """The host of a usual region is found without botocore."""
    assert len(_REGIONS) > 30
    for region in ("us-east-1", "eu-west-1", "ap-southeast-5", "il-central-1", "mx-central-1"):
        assert regional_host(region) == f"sts.{region}.amazonaws.com"
    assert regional_host("cn-north-1") == "sts.cn-north-1.amazonaws.com.cn"
    assert regional_host("us-gov-west-1") == "sts.us-gov-west-1.amazonaws.com"


@pytest.mark.parametrize(
    "region",
    ["us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1", "eusc-de-east-1", "aws-global", "us-gov-1", "eu-west",
     "eu-west-11", "eu-west-0", "EU-WEST-1", "eu-west-1 ", "eu-west-１", "eu-west-1.evil.example", "", "-", "local",
     "us-east-1-fips", "us-gov-gov-west-1", "cn-gov-north-1"],
)  # fmt: skip
def test_unusual_names(region: str) -> None:
    """A region that may not be in aws, aws-cn or aws-us-gov is left to botocore."""
    with pytest.raises(NotOnFastPath):
        regional_host(region)


@given(st.text("us-goveatwh12cn.", max_size=20))
def test_no_foreign_host(region: str) -> None:
    """With any name, the host is below Amazon's domains."""
    try:
        host = regional_host(region)
    except NotOnFastPath:
        return
    assert host in (f"sts.{region}.amazonaws.com", f"sts.{region}.amazonaws.com.cn")
    assert region.replace("-", "").isalnum()
