"""The daemon's calls over TLS to emulated EC2 and STS that verify signatures, with botocore's credentials."""

from __future__ import annotations

import subprocess
import sys
from urllib.parse import parse_qs

import pytest
from twisted.internet.threads import deferToThreadPool

from authd.aws.ec2 import EC2
from authd.aws.signing import Signer
from authd.core.errors import DenialReason, Denied, Unavailable, UnavailableReason
from authd.core.partitions import ExtraEndpoint
from authd.daemon.sts.endpoints import STSEndpoints
from authd.emulator.directory.directory import AccessKey, Directory, WebIdentity
from authd.emulator.directory.instances import Instance
from authd.emulator.directory.principals import Role, RoleSession, User
from authd.emulator.faults.plan import Fault, Phase
from authd.emulator.thread import EmulatorThread
from authd.emulator.throwaway_ca import make_throwaway
from tests.aws.metadata_server import MetadataServer
from tests.kubernetes.reactor_thread import ReactorThread

ACCOUNT, OTHER = "111122223333", "444455556666"
ONE, TWO, GONE = "i-0123456789abcdef0", "i-12345678", "i-0000000000000dead"
KEY = ("AKIAEMULATORDAEMON00", "daemon/secret+key/of+the+emulator/000000")
ROLE = Role(account=OTHER, name="Describer", trusts=frozenset({f"arn:aws:iam::{ACCOUNT}:root"}))
OWN = Role(account=ACCOUNT, name="Authd")
SESSION = ("ASIAEMULATORDAEMON00", "daemon/secret+key/of+a+session/00000000", "daemons+session/token==")
HOSTS = ("ec2.eu-west-1.amazonaws.com", "sts.eu-west-1.amazonaws.com")


def directory(**more):
    return Directory.of(
        keys=[
            AccessKey(key_id=KEY[0], secret=KEY[1], owner=User(account=ACCOUNT, name="daemon")),
            AccessKey(
                key_id=SESSION[0],
                secret=SESSION[1],
                session_token=SESSION[2],
                owner=RoleSession(role=OWN, session_name="s"),
            ),
        ],
        roles=[ROLE, OWN],
        web_identities=[
            WebIdentity(
                token="a-pods-token", subject="s", provider="p", audience="a", roles=frozenset({OWN.arn("aws")})
            )
        ],
        instances=[
            Instance(instance_id=ONE, account=ACCOUNT, private_dns_name="ip-10-0-0-1.eu-west-1.compute.internal"),
            Instance(instance_id=GONE, account=ACCOUNT, private_dns_name="", state="terminated"),
            Instance(instance_id=TWO, account=OTHER, private_dns_name="two.internal"),
        ],
        **more,
    )


@pytest.fixture(scope="module")
def pem():
    return make_throwaway(HOSTS)


@pytest.fixture
def emulator(pem):
    with EmulatorThread(directory(), certificate_chain_pem=pem.certificate_pem, key_pem=pem.key_pem) as thread:
        yield thread.emulator


@pytest.fixture
def thread():
    with ReactorThread().running() as running:
        yield running


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY[0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY[1])


@pytest.fixture
def make(emulator, thread, tmp_path, pem):
    ca = tmp_path / "ca.pem"
    ca.write_bytes(pem.authority_pem)

    def make(**more):
        reactor = thread.reactor
        extra = [ExtraEndpoint(host=host, connect=f"127.0.0.1:{emulator.port}") for host in HOSTS]
        hosts = STSEndpoints(reactor, connect_timeout=5, ca_file=str(ca), extra=extra)
        signer = Signer(reactor, lambda *work: deferToThreadPool(reactor, reactor.getThreadPool(), *work))
        ec2 = EC2(reactor, hosts, signer, suffix="amazonaws.com", **more)
        return lambda *ids: thread.run(lambda: ec2.private_dns_names(ids))

    return make


def test_names(make):
    """Instances of the daemon's account have names. Unknown and terminated ones have none."""
    describe = make()
    assert describe(ONE, TWO, GONE) == {ONE: "ip-10-0-0-1.eu-west-1.compute.internal"}


def test_role(make, emulator):
    """The role is assumed once, with the headers against confused deputies, and describes its own account."""
    describe = make(role_arn=ROLE.arn("aws"), source_arn=f"arn:aws:eks:eu-west-1:{ACCOUNT}:cluster/c")
    assert describe(ONE, TWO) == {TWO: "two.internal"}
    assert describe(TWO) == {TWO: "two.internal"}
    assume, first, second = emulator.requests
    assert parse_qs(assume.body.decode())["RoleArn"] == [ROLE.arn("aws")]
    assert assume.header(b"x-amz-source-arn") == f"arn:aws:eks:eu-west-1:{ACCOUNT}:cluster/c".encode()
    assert assume.header(b"x-amz-source-account") == ACCOUNT.encode()
    signed = assume.header(b"authorization").decode()
    assert "x-amz-source-account;x-amz-source-arn" in signed
    assert first.header(b"x-amz-security-token") == second.header(b"x-amz-security-token") != None  # noqa: E711  # a header that is missing is None


def test_role_that_may_not_be_assumed(make):
    """If the role can't be assumed, the review is denied."""
    with pytest.raises(Denied, match="AssumeRole with 403 AccessDenied") as caught:
        make(role_arn=f"arn:aws:iam::{ACCOUNT}:role/None")(ONE)
    assert caught.value.reason is DenialReason.INSTANCE_LOOKUP_REFUSED


def test_not_allowed(make, emulator):
    """If a permission is missing, the review is denied."""
    emulator.directory = directory(may_not_describe=[f"arn:aws:iam::{ACCOUNT}:user/daemon"])
    with pytest.raises(Denied, match="403 UnauthorizedOperation"):
        make()(ONE)


def test_wrong_secret(make, monkeypatch):
    """A wrong signature is refused."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(Denied, match="401 AuthFailure"):
        make()(ONE)


def test_rotated_credentials(make, emulator, tmp_path, monkeypatch):
    """If AWS refuses credentials as expired, the next call finds new ones."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    (tmp_path / "credentials").write_text(
        "[default]\naws_access_key_id = ASIAEMULATOROLD00000\naws_secret_access_key = x\naws_session_token = y\n"
    )
    describe = make()
    emulator.inject(Fault.EXPIRED, times=1)
    with pytest.raises(Unavailable, match="ExpiredToken"):
        describe(ONE)
    (tmp_path / "credentials").write_text(
        f"[default]\naws_access_key_id = {KEY[0]}\naws_secret_access_key = {KEY[1]}\n"
    )
    assert list(describe(ONE)) == [ONE]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.THROTTLE, UnavailableReason.INSTANCE_LOOKUP_THROTTLED),
        (Fault.REQUEST_LIMIT, UnavailableReason.INSTANCE_LOOKUP_THROTTLED),
        (Fault.INTERNAL_FAILURE, UnavailableReason.INSTANCE_LOOKUP_FAILED),
        (Fault.BAD_GATEWAY, UnavailableReason.INSTANCE_LOOKUP_FAILED),
        (Fault.UNAVAILABLE, UnavailableReason.INSTANCE_LOOKUP_FAILED),
        (Fault.RESET, UnavailableReason.INSTANCE_LOOKUP_FAILED),
        (Fault.GZIP_BOMB, UnavailableReason.INSTANCE_LOOKUP_FAILED),
        (Fault.ENDLESS, UnavailableReason.INSTANCE_LOOKUP_FAILED),
        (Fault.TRUNCATED, UnavailableReason.INSTANCE_LOOKUP_FAILED),
        (Fault.GARBAGE, UnavailableReason.INSTANCE_LOOKUP_FAILED),
        (Fault.REDIRECT, UnavailableReason.INSTANCE_LOOKUP_FAILED),
        (Fault.STALL, UnavailableReason.INSTANCE_LOOKUP_TIMEOUT),
    ],
)
def test_faults(make, emulator, fault, reason):
    """Faults of the network and of AWS are temporary, and the next call succeeds."""
    describe = make(timeout=1.0 if fault is Fault.STALL else 5.0)
    more = {"location": "localhost"} if fault is Fault.REDIRECT else {}
    more |= {"phase": Phase.HEADERS} if fault in {Fault.RESET, Fault.STALL} else {}
    emulator.inject(fault, times=1, **more)
    with pytest.raises(Unavailable) as caught:
        describe(ONE)
    assert caught.value.reason is reason
    assert list(describe(ONE)) == [ONE]


def test_no_credentials(make, monkeypatch):
    """The message says that the daemon has no credentials."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(Unavailable, match=r"has no AWS credentials|can't be read"):
        make()(ONE)


def test_no_region(make, monkeypatch):
    """If the region is unknown, the message says how to set it."""
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(Unavailable, match="set AWS_REGION"):
        make()(ONE)


def test_slow_credentials(thread):
    """Finding credentials has a deadline, and does not block the reactor."""
    from twisted.internet.defer import Deferred

    signer = Signer(thread.reactor, lambda *_: Deferred(), timeout=0.2)
    with pytest.raises(Unavailable, match="not available within"):
        thread.run(signer.region)


def test_on_demand():
    """The first look-up imports botocore, not the start."""
    code = (
        "import sys, authd.aws.ec2, authd.aws.instance_names, authd.daemon.ec2_setup; print('botocore' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


@pytest.fixture
def metadata():
    with MetadataServer(SESSION).running() as running:
        yield running


@pytest.fixture
def without_keys(monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")


def test_instance_metadata(make, metadata, without_keys, monkeypatch):
    """On an instance, credentials and region come from IMDSv2."""
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.url)
    assert list(make()(ONE)) == [ONE]
    assert "/latest/meta-data/placement/availability-zone/" in metadata.requests


def test_container(make, metadata, without_keys, monkeypatch):
    """In a container, credentials come from its endpoint, as with EKS Pod Identity, and are renewed in time."""
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{metadata.url}/container")
    describe = make()
    metadata.seconds = 60.0
    assert list(describe(ONE)) == [ONE]
    count = len(metadata.requests)
    metadata.seconds = 3600.0
    assert list(describe(ONE)) == [ONE]
    assert len(metadata.requests) > count
    count = len(metadata.requests)
    assert list(describe(ONE)) == [ONE]
    assert len(metadata.requests) == count


def test_web_identity(make, emulator, without_keys, monkeypatch, tmp_path):
    """In a pod with a role for its service account, credentials come from AssumeRoleWithWebIdentity."""
    (tmp_path / "token").write_text("a-pods-token")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", OWN.arn("aws"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"https://localhost:{emulator.port}")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    assert list(make()(ONE)) == [ONE]
    assert emulator.counters.actions["AssumeRoleWithWebIdentity"] == 1
