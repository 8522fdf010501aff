"""Spans of a real daemon in an OTLP receiver, and collectors that are down, slow or redirect."""

from __future__ import annotations

import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trustme

from authd.emulator.directory.sample import ALICE_KEY, BOB_KEY, MALLORY_KEY
from authd.emulator.faults.plan import Fault
from authd.emulator.kube_apiserver import token_review
from tests.integration.rig.collector import Collector, SpanRecord, collector
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.minting import bare_environment, script
from tests.integration.rig.polling import wait_until
from tests.integration.rig.settings import ALICE, settings_text

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
#: Batches are exported at once instead of after five seconds.
PROMPT = {"OTEL_BSP_SCHEDULE_DELAY": "50"}
SERVER, CLIENT = 2, 3
RIG = Path(__file__).parents[1] / "rig"
API_KEY = "otel-key-0123456789abcdef"


@pytest.fixture
def receiver(evidence: Any) -> Iterator[Collector]:
    with collector() as running:
        yield running
        for body in running.bodies:
            evidence.said("the exported spans", body)


@pytest.fixture
def traced(make_daemon: Any) -> Any:
    """Make a daemon that exports to a URL, with environment variables and settings."""

    def make(url: str, environment: dict[str, str] | None = None, launcher: Any = (), **tracing: Any) -> DaemonProcess:
        process = {"environment": {**PROMPT, **(environment or {})}, "launcher": launcher}
        daemon: DaemonProcess = make_daemon(process=process, tracing={"endpoint": url, **tracing})
        return daemon

    return make


def review(daemon: DaemonProcess, token: str, traceparent: str) -> None:
    with daemon.client() as client:
        client.request("POST", client.url.path, token_review(token), {"traceparent": traceparent})


def spans_of(daemon: DaemonProcess) -> dict[str, float]:
    """Return the numbers of spans by outcome."""
    text = daemon.health("/metrics").body.decode()
    return {
        outcome: float(value)
        for outcome, value in re.findall(r'^authd_trace_spans_total\{outcome="(\w+)"\} (\S+)$', text, re.MULTILINE)
    }


def by_name(spans: list[SpanRecord]) -> dict[str, SpanRecord]:
    return {span.name: span for span in spans}


def test_spans_of_a_login(traced, mint, receiver) -> None:
    """A review is a child of kube-apiserver's span, and its call to STS is a child of the review."""
    with traced(receiver.url) as daemon:
        review(daemon, mint.by_signer(ALICE_KEY), f"00-{TRACE}-{SPAN}-01")
        spans = by_name(receiver.wait_for(2))
        (event,) = [event for event in daemon.events() if "decision" in event]
        assert spans_of(daemon) == {"exported": 2, "export_failed": 0, "queue_full": 0, "flood": 0}
    served, called = spans["POST /authenticate"], spans["STS/GetCallerIdentity"]
    assert (served.trace, served.parent, served.kind) == (TRACE, SPAN, SERVER)
    assert (called.trace, called.parent, called.kind) == (TRACE, served.span, CLIENT)
    assert (event["trace_id"], event["span_id"]) == (TRACE, SPAN)
    assert 0 < called.seconds <= served.seconds
    assert served.attributes == {
        "http.request.method": "POST",
        "http.route": "/authenticate",
        "url.scheme": "https",
        "http.response.status_code": 200,
        "authd.decision": "allowed",
        "authd.reason": "allowed",
        "authd.reference": event["reference"],
        "authd.source": "sts",
        "authd.rule": event["rule"],
        "authd.arn": ALICE,
        "authd.canonical_arn": ALICE,
        "user.name": "alice",
    }
    assert called.attributes == {
        "rpc.system.name": "aws-api",
        "rpc.method": "STS/GetCallerIdentity",
        "http.request.method": "GET",
        "server.address": "sts.us-east-1.amazonaws.com",
        "server.port": 443,
        "url.full": "https://sts.us-east-1.amazonaws.com/",
        "http.response.status_code": 200,
        "aws.request_id": event["sts_request_id"],
    }
    assert served.resource["service.name"] == "authd"
    assert served.resource["authd.cluster_id"] == "prod.example.com"
    assert not served.failed
    ((path, headers),) = receiver.heads
    assert (path, headers["content-type"]) == ("/v1/traces", "application/x-protobuf")


def test_a_review_without_traceparent_has_a_trace_of_its_own(traced, mint, receiver, emulator) -> None:
    """The log has the IDs of the new span. Failed calls are errors with their reason, and refusals are not errors."""
    with traced(receiver.url) as daemon:
        emulator.inject(Fault.THROTTLE, times=1)
        assert daemon.review(mint.by_signer(ALICE_KEY)).status == 429
        daemon.review(mint.by_signer(MALLORY_KEY))
        spans = receiver.wait_for(4)
        events = [event for event in daemon.events() if "decision" in event]
    reviews = {span.attributes["authd.reason"]: span for span in spans if span.kind == SERVER}
    calls = {span.trace: span for span in spans if span.kind == CLIENT}
    assert reviews.keys() == {"sts_throttled", "identity_not_mapped"}
    assert [(e["trace_id"], e["span_id"]) for e in events] == [(r.trace, r.span) for r in reviews.values()]
    throttled, unmapped = (calls[span.trace] for span in reviews.values())
    assert (throttled.failed, throttled.attributes["error.type"]) == (True, "sts_throttled")
    assert (unmapped.failed, unmapped.attributes["http.response.status_code"]) == (False, 200)
    assert {span.parent for span in reviews.values()} == {""}
    assert reviews["sts_throttled"].attributes["http.response.status_code"] == 429
    assert "user.name" not in reviews["identity_not_mapped"].attributes


@pytest.mark.parametrize(
    ("tracing", "environment", "kept"),
    [
        ({"sampleRatio": 0}, {}, {"sampled"}),
        ({"sampleRatio": 1}, {}, {"sampled", "own"}),
        ({}, {}, {"sampled", "own"}),
        ({}, {"OTEL_TRACES_SAMPLER": "parentbased_always_off"}, {"sampled"}),
        ({"sampleRatio": 1}, {"OTEL_TRACES_SAMPLER": "always_off"}, {"sampled", "own"}),
        ({}, {"OTEL_SDK_DISABLED": "true"}, set()),
    ],
)
def test_sampling(traced, mint, receiver, tracing, environment, kept) -> None:
    """The caller's sampled flag has precedence, then sampleRatio, then OTEL_TRACES_SAMPLER. The log always has the IDs."""
    keys = {"own": ALICE_KEY, "sampled": BOB_KEY, "unsampled": MALLORY_KEY}
    with traced(receiver.url, environment, **tracing) as daemon:
        daemon.review(mint.by_signer(keys["own"]))
        review(daemon, mint.by_signer(keys["sampled"]), f"00-{TRACE}-{SPAN}-01")
        review(daemon, mint.by_signer(keys["unsampled"]), f"00-{TRACE[::-1]}-{SPAN}-00")
        events = [event for event in daemon.events() if "decision" in event]
    arns = {"own": ALICE, "sampled": events[1]["arn"]}
    assert {span.attributes["authd.arn"] for span in receiver.spans if span.kind == SERVER} == {arns[k] for k in kept}
    assert [event.get("trace_id", "none") for event in events][1:] == [TRACE, TRACE[::-1]]
    assert ("trace_id" in events[0]) == ("own" in kept)


def test_the_variables_of_the_sdk(traced, mint, receiver) -> None:
    """Names, headers and compression are set by the standard variables."""
    environment = {
        "OTEL_SERVICE_NAME": "authd-of-prod",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=prod,host.name=cp-1",
        "OTEL_EXPORTER_OTLP_HEADERS": "x-from-environment=1",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
    }
    with traced(f"{receiver.url}/otlp/v1/traces", environment) as daemon:
        daemon.review(mint.by_signer(ALICE_KEY))
        resource = receiver.wait_for(2)[0].resource
    assert (resource["service.name"], resource["host.name"]) == ("authd-of-prod", "cp-1")
    assert resource["deployment.environment.name"] == "prod"
    path, headers = receiver.heads[0]
    assert path == "/otlp/v1/traces"
    assert (headers["x-from-environment"], headers["content-encoding"]) == ("1", "gzip")


@pytest.fixture
def secret_header(tmp_path: Path, evidence: Any) -> str:
    evidence.secret(API_KEY, "the collector's API key")
    file = tmp_path / "headers"
    file.write_text(f"# for the collector\nX-API-Key: {API_KEY}\n")
    file.chmod(0o640)
    return str(file)


def test_tls_and_a_secret_header(traced, mint, evidence, secret_header, tmp_path) -> None:
    """With `caFile`, spans are sent over verified TLS with the headers of the file. Without it nothing is sent."""
    authority = trustme.CA()
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with collector(context) as receiver:
        with traced(receiver.url, caFile=str(ca_file), headersFile=secret_header) as daemon:
            daemon.review(mint.by_signer(ALICE_KEY))
            receiver.wait_for(2)
        assert receiver.heads[0][1]["x-api-key"] == API_KEY
        before = len(receiver.heads)
        with traced(receiver.url, headersFile=secret_header) as daemon:
            assert daemon.review(mint.by_signer(ALICE_KEY)).user["username"] == "alice"
            warning = daemon.wait_for_message("spans were not exported")
            assert "its certificate is refused" in warning["message"]
            assert "see server.tracing.caFile" in warning["message"]
        assert len(receiver.heads) == before


def test_a_redirect_is_not_followed(traced, mint, receiver, secret_header) -> None:
    """The secret header is not sent to another host, and the log names the next step."""
    with collector() as other:
        receiver.status, receiver.location = 307, f"{other.url}/v1/traces"
        with traced(receiver.url, headersFile=secret_header) as daemon:
            daemon.review(mint.by_signer(ALICE_KEY))
            warning = daemon.wait_for_message("spans were not exported")
            assert "set server.tracing.endpoint to the final URL" in warning["message"]
            assert spans_of(daemon)["exported"] == 0
        assert other.heads == []


def test_a_dead_collector(traced, mint, receiver) -> None:
    """Reviews are answered, spans are counted as lost, one line has the reason, and the daemon shuts down."""
    receiver.server_close()
    with traced(receiver.url, {"OTEL_EXPORTER_OTLP_TIMEOUT": "1"}) as daemon:
        for lifetime in range(100, 103):
            token = mint.by_signer(ALICE_KEY, expires=lifetime)
            assert daemon.review(token).user["username"] == "alice"
            lost = 2 * (lifetime - 99)
            wait_until(lambda lost=lost: spans_of(daemon)["export_failed"] == lost, f"{lost} failed spans")
        lines = [event for event in daemon.events() if "spans were not exported" in event["message"]]
        assert [line["problem"] for line in lines] == ["Connection refused"]
        daemon.stop()
        assert daemon.ended_well()
        assert daemon.said().count("Traceback") == 0


def test_a_slow_collector(traced, mint, receiver) -> None:
    """While the collector is silent, spans beyond the bound are dropped, and neither reviews nor the shutdown wait."""
    receiver.silence()
    bound = {"OTEL_BSP_MAX_QUEUE_SIZE": "4", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "2"}
    with traced(receiver.url, bound) as daemon:
        for lifetime in range(100, 110):
            assert daemon.review(mint.by_signer(ALICE_KEY, expires=lifetime)).user["username"] == "alice"
        wait_until(lambda: spans_of(daemon)["queue_full"] == 20 - 4 - 2, "spans that don't fit")
        assert len([e for e in daemon.events() if "it is too slow" in e["message"]]) == 1
        daemon.stop()
        assert daemon.ended_well()
        assert daemon.wait_for_message("before the stop")["unfinished"] == 4 + 2
    assert receiver.is_silent
    assert receiver.spans == []


def test_the_stop_exports_the_last_spans(traced, mint, receiver) -> None:
    """Spans of reviews just before the stop reach the collector."""
    with traced(receiver.url, {"OTEL_BSP_SCHEDULE_DELAY": "3600000"}) as daemon:
        daemon.review(mint.by_signer(ALICE_KEY))
        assert receiver.spans == []
    assert [span.kind for span in receiver.spans] == [CLIENT, SERVER]


def test_a_flood_of_strangers(traced, mint, receiver) -> None:
    """Most spans of foreign tokens are dropped and counted. A login in the flood has its spans."""
    with traced(receiver.url) as daemon:
        with daemon.client() as client:
            for number in range(300):
                client.review(f"foreign-{number}")
            client.review(mint.by_signer(ALICE_KEY))
        wait_until(lambda: any(s.attributes.get("user.name") == "alice" for s in receiver.spans), "the login's span")
        counts = spans_of(daemon)
    assert counts["flood"] >= 100
    assert counts["flood"] + counts["exported"] == 302


def modules_of(make_daemon: Any, mint: Any, file: Path, **server: Any) -> set[str]:
    """Return the top-level packages of a daemon that has reviewed a token."""
    launcher = [sys.executable, str(RIG / "list_modules.py"), str(file), "--nodaemon", "--pidfile="]
    with make_daemon(process={"launcher": launcher}, **server) as daemon:
        assert daemon.review(mint.by_signer(ALICE_KEY)).user["username"] == "alice"
    return {name.partition(".")[0] for name in file.read_text().split()}


def test_no_import_without_configuration(make_daemon, mint, receiver, tmp_path) -> None:
    """Without the section, the daemon imports no package of the extra."""
    otel = {"opentelemetry", "google", "requests", "urllib3"}
    assert modules_of(make_daemon, mint, tmp_path / "without") & otel == set()
    assert modules_of(make_daemon, mint, tmp_path / "with", tracing={"endpoint": receiver.url}) >= otel


def test_missing_packages(traced) -> None:
    """Without the extra, a daemon with the section ends with status 2 and a message with the installing command."""
    launcher = [sys.executable, str(RIG / "run_without_otel.py"), script("twistd"), "--nodaemon", "--pidfile="]
    daemon = traced("http://127.0.0.1:4318", launcher=launcher).launch()
    assert daemon.wait() == 2
    (event,) = [event for event in daemon.events() if event["level"] == "critical"]
    assert re.search(
        r"server\.tracing: .*opentelemetry.* is missing.*pip install .*'\.\[daemon,otel\]'", event["message"]
    )


def test_check_names_missing_packages(tmp_path) -> None:
    """`authd check` reports the same, with status 2, and accepts the file with the extra."""
    file = tmp_path / "config.yaml"
    file.write_text(settings_text(sts={}, tracing={"endpoint": "http://127.0.0.1:4318"}))
    check = [script("authd"), "check", str(file)]
    run = partial(
        subprocess.run, capture_output=True, text=True, env=bare_environment(tmp_path), timeout=60, check=False
    )
    without = run([sys.executable, str(RIG / "run_without_otel.py"), *check])
    assert without.returncode == 2
    assert f"{file}: error: server.tracing: " in without.stdout
    assert "pip install --constraint constraints.txt '.[daemon,otel]'" in without.stdout
    assert f"{file}: not usable: 1 error" in without.stdout
    assert run(check).returncode == 0


@pytest.mark.parametrize(
    ("tracing", "text", "problem"),
    [
        ({"headersFile": "FILE"}, None, "the headers for the collector can't be read: No such file or directory"),
        ({"headersFile": "FILE"}, f"x-api-key {API_KEY}\n", "FILE:1:1: this is not a header: write `Name: value`"),
        ({"headersFile": "FILE"}, "A: b\n\na: c\n", "FILE:3:1: the header a is there twice"),
        ({"headersFile": "FILE"}, "Content-Type: b\n", "FILE:1:1: the header content-type is set by authd"),
        ({"caFile": "FILE"}, None, "the certificate authorities for the collector can't be read: No such file"),
        ({"caFile": "FILE"}, "nothing", "the certificate authorities for the collector can't be read: it holds no PEM"),
    ],
)
def test_files_that_cannot_be_used(traced, evidence, tmp_path, tracing, text, problem) -> None:
    """A missing or broken file ends the start with its name, line and error, without a header's value."""
    evidence.secret(API_KEY, "the collector's API key")
    file = tmp_path / "file"
    if text is not None:
        file.write_text(text)
    named = {name: str(file) for name in tracing}
    daemon = traced("https://127.0.0.1:4318", **named).launch()
    assert daemon.wait() == 2
    (event,) = [event for event in daemon.events() if event["level"] == "critical"]
    assert problem.replace("FILE", str(file)) in event["message"]
    assert str(file) in event["message"]
