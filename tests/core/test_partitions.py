from __future__ import annotations

import dataclasses
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authd.core.partitions import REGION, ExtraEndpoint, STSHosts, UnknownHost, read_partitions

NAMES = ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc"]


def test_every_partition_of_botocore_is_there(partitions):
    """The data of botocore contains each of AWS's partitions."""
    assert sorted(partitions) == sorted(NAMES)
    with pytest.raises(TypeError):
        partitions["aws"] = partitions["aws-cn"]


@pytest.mark.parametrize("name", NAMES)
def test_every_known_region_has_a_regional_and_a_dual_stack_host(partitions, name):
    """Requests to both usual hosts of a region are signed for that region."""
    partition = partitions[name]
    hosts = STSHosts(partition=partition)
    assert partition.regions
    for region in partition.regions:
        assert REGION.fullmatch(region)
        assert hosts.signing_region(f"sts.{region}.{partition.suffix}") == region
        assert hosts.signing_region(f"sts.{region}.{partition.dual_stack_suffix}") == region


@pytest.mark.parametrize("name", NAMES)
def test_variants_of_a_regions_host_are_refused(partitions, name):
    """A host name with any part or full stop changed is refused."""
    partition = partitions[name]
    hosts = STSHosts(partition=partition)
    for region in partition.regions:
        for suffix in (partition.suffix, partition.dual_stack_suffix):
            for host in (f"sts.{region}{suffix}", f"sts{region}.{suffix}", f"sts.{region}.", f"sts.{region}",
                    f"sts.{suffix}.{region}", f"{region}.{suffix}", f".{region}.{suffix}", f"xsts.{region}.{suffix}",
                    f"stsx.{region}.{suffix}", f"sts.x{region}.{suffix}", f"sts.{region}x.{suffix}", f"sts.{region}",
                    f"sts.{region}.x{suffix}", f"sts.{region}.{suffix}x", f"sts..{region}.{suffix}", suffix):  # fmt: skip
                with pytest.raises(UnknownHost):
                    hosts.signing_region(host)


@pytest.mark.parametrize("name", NAMES)
def test_no_partition_accepts_another_ones_regions(partitions, name):
    """A region belongs to one partition, even if two partitions share a suffix."""
    hosts = STSHosts(partition=partitions[name])
    for other in partitions.values():
        for region in other.regions if other.name != name else ():
            for suffix in {p.suffix for p in partitions.values()} | {p.dual_stack_suffix for p in partitions.values()}:
                with pytest.raises(UnknownHost):
                    hosts.signing_region(f"sts.{region}.{suffix}")
                with pytest.raises(UnknownHost):
                    hosts.signing_region(f"sts-fips.{region}.{suffix}")


@pytest.mark.parametrize("name", NAMES)
def test_the_global_host_is_only_in_the_partition_aws(partitions, name):
    """`sts.amazonaws.com` signs for us-east-1, and only in the partition aws."""
    hosts = STSHosts(partition=partitions[name])
    if name == "aws":
        assert hosts.signing_region("sts.amazonaws.com") == "us-east-1"
        return
    with pytest.raises(UnknownHost, match="not an STS endpoint"):
        hosts.signing_region("sts.amazonaws.com")


@pytest.mark.parametrize("name", ["aw", "AWS", "aws2", ""])
def test_the_partitions_name_must_match_exactly(partitions, name):
    """Only the exact partition name `aws` has the global host."""
    with pytest.raises(UnknownHost, match="not an STS endpoint"):
        STSHosts(partition=dataclasses.replace(partitions["aws"], name=name)).signing_region("sts.amazonaws.com")


def test_a_route_to_the_global_host_keeps_its_region(partitions):
    """An endpoint for the global host without a signing region signs for us-east-1."""
    endpoint = ExtraEndpoint(host="sts.amazonaws.com", connect="127.0.0.1:8443")
    hosts = STSHosts(partition=partitions["aws"], extra_endpoints=(endpoint,))
    assert hosts.signing_region("sts.amazonaws.com") == "us-east-1"


def test_fips_hosts(hosts):
    """Only the four regions with a FIPS host of STS have one on the allow-list."""
    for region in ("us-east-1", "us-east-2", "us-west-1", "us-west-2"):
        assert hosts.signing_region(f"sts-fips.{region}.amazonaws.com") == region
    for host in ("sts-fips.eu-west-1.amazonaws.com", "sts-fips.us-east-1.api.aws", "sts-fips.amazonaws.com"):
        with pytest.raises(UnknownHost, match=r"^the host is not an STS endpoint of the partition aws$"):
            hosts.signing_region(host)


def test_future_regions_are_accepted(partitions):
    """A new region needs no release if its name matches its partition's grammar."""
    assert STSHosts(partition=partitions["aws"]).signing_region("sts.eu-north-7.amazonaws.com") == "eu-north-7"
    assert STSHosts(partition=partitions["aws-cn"]).signing_region("sts.cn-west-9.amazonaws.com.cn") == "cn-west-9"


NO_REGIONS = ["moon-base-1", "us-gov-east-1", "cn-north-1", "us-east-1a", "useast1", "us-east-100", "us--1", "us-e-1",
    "us-east-", "global", "s3", "ec2", "execute-api", "us-e_t-1"]  # fmt: skip


@pytest.mark.parametrize("label", NO_REGIONS)
def test_other_labels_are_refused(hosts, label):
    """The label between `sts.` and the suffix must be a region of the partition."""
    with pytest.raises(UnknownHost):
        hosts.signing_region(f"sts.{label}.amazonaws.com")


HOSTS = ["", ".", "sts", "sts.", "localhost", "127.0.0.1", "amazonaws.com", "amazonaws.com.", "sts.us-east-1",
    "sts.us-east-1.amazonaws.com.", ".sts.us-east-1.amazonaws.com", "sts..us-east-1.amazonaws.com",
    "sts.us-east-1..amazonaws.com", "STS.us-east-1.amazonaws.com", "sts.US-EAST-1.amazonaws.com",
    "sts.us-east-1.AMAZONAWS.COM", "sts.us-east-1.amazonaws.com.cn", "sts.us-east-1.amazonaws.com.evil.org",
    "sts.us-east-1.amazonaws.co", "sts.us-east-1.xamazonaws.com", "xsts.us-east-1.amazonaws.com",
    "sts.us-east-1.elb.amazonaws.com", "sts.us-east-1.vpce.amazonaws.com", "sts.us-east-1.s3.amazonaws.com",
    "ec2.us-east-1.amazonaws.com", "s3.us-east-1.amazonaws.com", "iam.amazonaws.com", "sts.s3.amazonaws.com",
    "us-east-1.sts.amazonaws.com", "sts-us-east-1.amazonaws.com", "a.sts.us-east-1.amazonaws.com",
    "sts.us-east-1.api.amazonaws.com", "sts.us-east-1.on.aws", "sts.us-east-1.aws", "sts.api.aws", "sts.aws",
    "sts.us-east-1.amazonaws.com\n", "sts.us-east-1\n.amazonaws.com", "sts.us-east-1.amazonaws.com:443",
    "sts.us-east-1.amazonaws.com@evil.org", "sts。us-east-1.amazonaws.com", "sts.us-east-１.amazonaws.com",
    "sts.us-east-1.amazonaws.com\x00", "sts.us-éast-1.amazonaws.com", "sts.us-east-1/amazonaws.com"]  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
def test_hosts_that_only_look_like_sts_are_refused(hosts, host):
    """Only the exact forms are accepted, and the message does not contain the name."""
    with pytest.raises(UnknownHost) as caught:
        hosts.signing_region(host)
    assert str(caught.value) in (
        "the host is not an STS endpoint of the partition aws",
        "the host name has no region of the partition aws",
    )


def test_extra_regions(partitions):
    """A region from the settings is accepted in the partition's hosts, whatever its grammar."""
    hosts = STSHosts(partition=partitions["aws"], extra_regions=frozenset({"xx-new-1"}))
    assert hosts.signing_region("sts.xx-new-1.amazonaws.com") == "xx-new-1"
    assert hosts.signing_region("sts.xx-new-1.api.aws") == "xx-new-1"
    assert hosts.signing_region("sts.us-east-1.amazonaws.com") == "us-east-1"
    for host in ("sts.xx-new-2.amazonaws.com", "sts.xx-new-1.amazonaws.com.cn", "sts-fips.xx-new-1.amazonaws.com"):
        with pytest.raises(UnknownHost):
            hosts.signing_region(host)


def test_extra_endpoints(partitions):
    """A host from the settings must match exactly. A known host may have another route, and keeps its region."""
    hosts = STSHosts(
        partition=partitions["aws"],
        extra_endpoints=(
            ExtraEndpoint(host="vpce-1.sts.eu-west-1.vpce.amazonaws.com", signing_region="eu-west-1"),
            ExtraEndpoint(host="sts.us-east-1.amazonaws.com", connect="127.0.0.1:8443", ca_file="/ca.pem"),
            ExtraEndpoint(host="sts.amazonaws.com", signing_region="us-west-2"),
        ),
    )
    assert hosts.signing_region("vpce-1.sts.eu-west-1.vpce.amazonaws.com") == "eu-west-1"
    assert hosts.signing_region("sts.us-east-1.amazonaws.com") == "us-east-1"
    assert hosts.signing_region("sts.amazonaws.com") == "us-west-2"
    with pytest.raises(UnknownHost):
        hosts.signing_region("vpce-2.sts.eu-west-1.vpce.amazonaws.com")


def test_named_hosts(partitions):
    """Hosts of known regions and of the settings are named. A region that only fits the grammar is not."""
    hosts = STSHosts(
        partition=partitions["aws"],
        extra_regions=frozenset({"xx-new-1"}),
        extra_endpoints=(
            ExtraEndpoint(host="vpce-1.sts.eu-west-1.vpce.amazonaws.com", signing_region="eu-west-1"),
            ExtraEndpoint(host="sts.eu-new-7.amazonaws.com", connect="127.0.0.1:8443"),
        ),
    )
    assert hosts.named >= {
        "sts.amazonaws.com",
        "sts.us-east-1.amazonaws.com",
        "sts.us-east-1.api.aws",
        "sts-fips.us-east-1.amazonaws.com",
        "sts.xx-new-1.amazonaws.com",
        "sts.xx-new-1.api.aws",
        "vpce-1.sts.eu-west-1.vpce.amazonaws.com",
        "sts.eu-new-7.amazonaws.com",
    }
    assert hosts.signing_region("sts.us-invented-1.amazonaws.com") == "us-invented-1"
    assert "sts.us-invented-1.amazonaws.com" not in hosts.named


def test_an_extra_endpoint_without_a_region_is_refused(partitions):
    """A host without a region in its name or in the settings is refused."""
    hosts = STSHosts(partition=partitions["aws"], extra_endpoints=(ExtraEndpoint(host="sts.example.org"),))
    with pytest.raises(UnknownHost):
        hosts.signing_region("sts.example.org")


def test_a_known_region_may_break_the_grammar(partitions):
    """A region that botocore lists is valid, even if its partition's grammar does not match it."""
    partition = read_partitions(_partitions(regions={"eu-xx-yy-1": {}}, region_regex="^nothing$"), b"{}")["p"]
    assert STSHosts(partition=partition).signing_region("sts.eu-xx-yy-1.p.example") == "eu-xx-yy-1"
    partition.check_region("eu-xx-yy-1")


def test_botocores_expressions_are_tightened():
    r"""Newlines and letters of other scripts are refused, although `$` and `\w` in botocore's expressions match them."""
    partition = read_partitions(_partitions(region_regex=r"^us\-\w+\-\d+$"), b"{}")["p"]
    partition.check_region("us-east-1")
    for label in ("us-east-1\n", "us-éast-1", "us-east-１", "us-e_t-1", "us-EAST-1", "us-east-123", "US-east-1"):
        with pytest.raises(UnknownHost, match=r"^the host name has no region of the partition p$"):
            partition.check_region(label)


@pytest.mark.parametrize("label", ["us-east-12", "aus-east-1", "us-east-2"])
def test_a_partitions_grammar_is_anchored(label):
    """An expression without anchors does not match longer names."""
    partition = read_partitions(_partitions(region_regex="us-east-1"), b"{}")["p"]
    partition.check_region("us-east-1")
    with pytest.raises(UnknownHost):
        partition.check_region(label)


def _partitions(regions=None, region_regex="x", **outputs):
    outputs = {"dnsSuffix": "p.example", "dualStackDnsSuffix": "d.example", **outputs}
    entry = {"id": "p", "outputs": outputs, "regions": regions or {}, "regionRegex": region_regex}
    return json.dumps({"partitions": [entry]}).encode()


def test_pseudo_regions_are_no_regions():
    """`aws-global` and similar entries of the data are not regions of a host."""
    names = ["aws-global", "us-east-1", "us-east-1-fips", "1-us-east-1", "us-east-1\n"]
    partition = read_partitions(_partitions(regions={name: {} for name in names}), b"{}")["p"]
    assert partition.regions == {"us-east-1"}
    assert partition.name == "p"


def test_fips_hosts_are_found_in_the_data():
    """Only STS's own FIPS hosts are read from the endpoints, with any spacing."""
    data = (
        b'{"hostname":"sts-fips.us-east-1.amazonaws.com"},{"hostname" : "sts-fips.eu-x-1.a.b"},{"hostname":"s3-fips.x"}'
    )
    assert read_partitions(_partitions(), data)["p"].fips_hosts == {
        "sts-fips.us-east-1.amazonaws.com",
        "sts-fips.eu-x-1.a.b",
    }


BROKEN = [
    b"[]", b"{}", b"null", b"1", b'{"partitions":1}', b'{"partitions":[1]}', b'{"partitions":[{}]}',
    b'{"partitions":[{"id":"p"}]}', b'{"partitions":[{"id":"p","outputs":[],"regions":{},"regionRegex":"x"}]}',
    b'{"partitions":[{"id":"p","outputs":{"dnsSuffix":"s","dualStackDnsSuffix":"d"},"regions":[],"regionRegex":"x"}]}',
    b'{"partitions":[{"id":"p","outputs":{},"regions":{},"regionRegex":"x"}]}',
    b'{"partitions":[{"id":"p","outputs":{"dnsSuffix":"s","dualStackDnsSuffix":"d"},"regions":{}}]}',
]  # fmt: skip


@pytest.mark.parametrize("data", BROKEN)
def test_broken_partition_data_is_a_value_error(data):
    """Files without the shape of botocore's raise `ValueError`."""
    with pytest.raises(ValueError, match=r"^botocore's partition data has an unexpected shape$") as caught:
        read_partitions(data, b"")
    assert isinstance(caught.value.__cause__, KeyError | TypeError)
    with pytest.raises(ValueError):
        read_partitions(data[:-1], b"")


LABELS = st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=12)


@given(st.text(max_size=60) | st.lists(LABELS, max_size=6).map(".".join) | LABELS.map("sts.{}.amazonaws.com".format))
def test_nothing_but_unknown_host_is_ever_raised(hosts, host):
    """Every name is `sts` in a well-formed region of the partition, or raises `UnknownHost`."""
    try:
        region = hosts.signing_region(host)
    except UnknownHost:
        return
    if host != "sts.amazonaws.com":
        assert re.fullmatch(r"sts(-fips)?\." + re.escape(region) + r"\.(amazonaws\.com|api\.aws)", host)
        assert REGION.fullmatch(region)


LOWER, DIGITS = "abcdefghijklmnopqrstuvwxyz", "0123456789"


@pytest.mark.parametrize(
    ("place", "characters"),
    [
        ("|s-east-1", LOWER),
        ("u|-east-1", LOWER),
        ("us|east-1", "-"),
        ("us-e|st-1", LOWER),
        ("us-ea|st-1", LOWER + "-"),
        ("us-eas|-1", LOWER),
        ("us-east|1", "-"),
        ("us-east-|", DIGITS),
        ("us-east-1|", DIGITS),
    ],
)
def test_each_place_of_a_region_accepts_only_its_characters(place, characters):
    """Each place accepts all characters of its grammar, and no other of the first 256."""
    for character in [*map(chr, range(256)), "\u0131", "\u017f", "\u212a", "\u0661", "\uff11"]:
        assert (REGION.fullmatch(place.replace("|", character)) is not None) == (character in characters)


def test_each_part_of_a_region_has_its_length():
    """A region has two to eight letters, one to three parts of two to twelve letters, and one or two digits."""
    for fits in ("aa-aa-1", "a" * 8 + "-aa-1", "aa-" + "a" * 12 + "-1", "aa-aa-12", "aa-aa-aa-1", "aa-aa-aa-aa-1"):
        assert REGION.fullmatch(fits)
    for wrong in ("a-aa-1", "a" * 9 + "-aa-1", "aa-a-1", "aa-" + "a" * 13 + "-1", "aa-aa-", "aa-aa-123", "aa-1",
                  "aa-aa-aa-aa-aa-1", "-aa-aa-1", "aa-aa-1-", "aa-aa1"):  # fmt: skip
        assert not REGION.fullmatch(wrong)


@pytest.mark.parametrize("suffix", ["s.example", "a.b.c.d.e.f.g", "p-9.example", "a" * 63, "a." + "b" * 63])
def test_a_host_has_at_most_nine_labels_of_63_characters(suffix):
    """A host must be a DNS name of letters, digits and hyphens, whatever botocore's data contains."""
    partition = read_partitions(_partitions(regions={"us-east-1": {}}, dnsSuffix=suffix), b"{}")["p"]
    assert STSHosts(partition=partition).signing_region(f"sts.us-east-1.{suffix}") == "us-east-1"


@pytest.mark.parametrize(
    "suffix", ["S.example", "a.b.c.d.e.f.g.h", "", "s..example", "s.example.", "s_x", "a" * 64, "s:1", "s/x", "s x"]
)
def test_a_suffix_that_is_no_name_is_refused(suffix):
    """A host that is not a DNS name is refused, even if botocore's data contains it."""
    partition = read_partitions(_partitions(regions={"us-east-1": {}}, dnsSuffix=suffix), b"{}")["p"]
    with pytest.raises(UnknownHost, match=r"^the host is not an STS endpoint of the partition p$"):
        STSHosts(partition=partition).signing_region(f"sts.us-east-1.{suffix}")


def test_each_place_of_a_suffix_accepts_only_its_characters():
    """Each place accepts letters, digits and hyphens, and no other of the first 256 characters."""
    for character in [*map(chr, range(256)), "\u0131", "\u017f", "\u212a", "\u0661", "\uff11"]:
        for suffix in (f"a{character}b.example", f"ab.{character}"):
            data = _partitions(regions={"us-east-1": {}}, dnsSuffix=suffix)
            hosts = STSHosts(partition=read_partitions(data, b"{}")["p"])
            if character in LOWER + DIGITS + "-" or suffix == "a.b.example":
                assert hosts.signing_region(f"sts.us-east-1.{suffix}") == "us-east-1"
            else:
                with pytest.raises(UnknownHost):
                    hosts.signing_region(f"sts.us-east-1.{suffix}")


def test_each_character_of_the_data_around_a_fips_host():
    """With any one byte changed, the data has another host of the same form, or none."""
    entry, begin = b'"hostname":"sts-fips.az-09"', b'"hostname":"sts-fips.'
    for place in range(len(entry)):
        for byte in range(256):
            changed = entry[:place] + bytes([byte]) + entry[place + 1 :]
            name, quote, _ = changed[len(begin) :].partition(b'"')
            fits = changed.startswith(begin) and name and quote and {*name} <= {*(LOWER + DIGITS + ".-").encode()}
            found = read_partitions(_partitions(), changed)["p"].fips_hosts
            assert found == ({"sts-fips." + name.decode()} if fits else set())


def test_a_fips_hosts_name_has_its_length():
    """One to 200 characters follow `sts-fips.`."""
    for length in (1, 2, 199, 200):
        data = b'"hostname":"sts-fips.%s"' % (b"a" * length)
        assert read_partitions(_partitions(), data)["p"].fips_hosts == {"sts-fips." + "a" * length}
    for length in (0, 201):
        data = b'"hostname":"sts-fips.%s"' % (b"a" * length)
        assert read_partitions(_partitions(), data)["p"].fips_hosts == frozenset()


@pytest.mark.parametrize(
    "host", ["", "sts-fips.us-east-1.A.b", "sts-fipsx.us-east-1.a.b", "sts.us-east-1.a.b", "sts-fips.us_east-1.a.b"]
)
def test_other_names_in_the_data_are_no_fips_hosts(host):
    """Other forms of names in the endpoints are ignored."""
    partition = read_partitions(_partitions(regions={"us-east-1": {}}), json.dumps({"hostname": host}).encode())["p"]
    assert partition.fips_hosts == frozenset()
    with pytest.raises(UnknownHost):
        STSHosts(partition=partition).signing_region(host)
