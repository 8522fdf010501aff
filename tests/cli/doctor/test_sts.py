from __future__ import annotations

from email.utils import formatdate
from time import time

import pytest

from authd.cli.doctor.sts import examine_sts
from tests.integration.rig.ports import free_port

HOST = "sts.us-east-1.amazonaws.com"


@pytest.fixture
def examine(make_installation, serve, tmp_path):
    """Return a function that checks one endpoint, whose Date is `ahead` seconds in the future, with more headers."""

    def run(ahead=0.0, headers=None):
        def respond(_path):
            date = formatdate(time() + ahead, usegmt=True)
            return 403, {"Date": date, "x-amzn-RequestId": "1", **(headers or {})}, b"{}"

        server = serve(respond)
        ca_file = tmp_path / "ca.pem"
        ca_file.write_bytes(server.ca_pem)
        sts = {"endpoints": [{"host": HOST, "connect": f"127.0.0.1:{server.port}", "caFile": str(ca_file)}]}
        return [(str(each.level), each.message) for each in examine_sts(make_installation({"sts": sts}))]

    return run


def test_a_good_endpoint(examine):
    """An endpoint that responds is ok, and its Date is compared with the clock."""
    endpoint, clock = examine()
    assert endpoint[0] == "ok"
    assert endpoint[1].startswith(f"{HOST} answers in ")
    assert clock == ("ok", "the clock agrees with STS's")


@pytest.mark.parametrize(
    ("ahead", "level", "says"),
    [(60, "warning", "behind STS's"), (-60, "warning", "ahead of STS's"), (3600, "error", "behind STS's")],
)
def test_a_wrong_clock(examine, ahead, level, says):
    """A clock that differs by minutes is an error, one that differs by half a minute a warning."""
    clock = [each for each in examine(ahead) if "clock" in each[1]][-1]
    assert clock[0] == level
    assert says in clock[1]


def test_a_captive_portal(make_installation, serve, tmp_path):
    """A response without a request ID is an error, because it isn't from STS."""
    server = serve(lambda _path: (200, {"Date": "nonsense"}, b"<html>"))
    (tmp_path / "ca.pem").write_bytes(server.ca_pem)
    sts = {
        "caFile": str(tmp_path / "ca.pem"),
        "endpoints": [{"host": HOST, "connect": f"127.0.0.1:{server.port}"}],
    }
    (finding,) = examine_sts(make_installation({"sts": sts}))
    assert finding.level == "error"
    assert "another server than STS responds, with status 200" in finding.message


def test_a_date_that_can_not_be_read(examine):
    """If the Date can't be parsed, there is no finding about the clock."""
    # The server adds its own Date before this one. The last one is used.
    assert [each[0] for each in examine(headers={"Date": "nonsense"})][:1] == ["ok"]


def test_an_unreachable_endpoint(make_installation):
    """An endpoint that can't be reached is an error with its address."""
    port = free_port()
    sts = {"endpoints": [{"host": HOST, "connect": f"127.0.0.1:{port}"}]}
    (finding,) = examine_sts(make_installation({"sts": sts}))
    assert finding.level == "error"
    assert finding.message == f"{HOST}: no process listens on 127.0.0.1:{port}"


def test_an_unusable_ca_file(make_installation):
    """A CA file that can't be read is an error."""
    sts = {"caFile": "/does/not/exist", "endpoints": [{"host": HOST, "connect": "127.0.0.1:1"}]}
    (finding,) = examine_sts(make_installation({"sts": sts}))
    assert finding.level == "error"
    assert "the CA file /does/not/exist" in finding.message


@pytest.mark.parametrize(
    ("server", "regions", "hosts"),
    [
        ({}, (), ["sts.amazonaws.com"]),
        ({}, ("eu-central-1",), ["sts.eu-central-1.amazonaws.com"]),
        ({"partition": "aws-cn"}, (), ["sts.cn-north-1.amazonaws.com.cn"]),
        ({"sts": {"extraRegions": ["xx-new-1"]}}, (), ["sts.xx-new-1.amazonaws.com"]),
    ],
)
def test_the_endpoints(make_installation, server, regions, hosts):
    """The configured endpoints and regions are tested through the proxy, or else the partition's default host."""
    proxy = {"proxy": f"http://127.0.0.1:{free_port()}"}
    installation = make_installation({**server, "sts": {**server.get("sts", {}), **proxy}}, regions=regions)
    findings = list(examine_sts(installation))
    assert [finding.message.split(":")[0] for finding in findings] == hosts
    assert all("no process listens on the proxy" in finding.message for finding in findings)
