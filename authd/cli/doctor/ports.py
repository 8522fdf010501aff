"""Checks the webhook's port with a request like kube-apiserver's, and the health port."""

from __future__ import annotations

import http.client
import json
import shlex
import ssl
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from authd.cli.doctor.findings import Finding, error, ok, warning
from authd.cli.doctor.https import ConnectionRefused, ProbeError, Response, Route, Untrusted, client_context, probe
from authd.cli.doctor.installation import Installation
from authd.core.errors import ConfigError
from authd.kubernetes.access import ClusterAccess
from authd.kubernetes.kubeconfig import load_kubeconfig
from authd.state.atomic_file import read_regular

_START = "systemctl start authd.socket authd.service"
_LOG = "journalctl -u authd -n 20"
#: The table with the next step for each line of /readyz.
_TABLE = "docs/operations.md, section Readyz lines"
#: The line of /readyz that has the time of the last review.
_REVIEWS = "[+] reviews: ok, "
#: Not a token of any authenticator. It is refused without a call to STS.
_REVIEW = json.dumps(
    {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": "authd-doctor"}}
).encode()


def examine_ports(installation: Installation) -> Iterator[Finding]:
    """Send one TokenReview with the webhook kubeconfig, and read /readyz."""
    health = list(_health(installation))  # first, because the test request changes the time of the last review
    yield _webhook(installation)
    yield from health


def _webhook(installation: Installation) -> Finding:
    found = _webhook_access(installation)
    if isinstance(found, Finding):
        return found
    access, context = found
    route = Route(host=access.server_name or access.host, address=(access.host, access.port))
    try:
        return _response_finding(access.url, probe(route, context, access.path or "/", _REVIEW, installation.timeout))
    except ConnectionRefused as problem:
        return error(f"the webhook does not run: {problem}", _START)
    except Untrusted as problem:
        fix = f"restore the state directory, or {installation.init_command}"
        return error(f"the webhook refuses kube-apiserver or is refused by it: {problem}", fix)
    except ProbeError as problem:
        return error(f"the webhook does not answer: {problem}", f"systemctl restart authd, and see {_LOG}")


def _webhook_access(installation: Installation) -> tuple[ClusterAccess, ssl.SSLContext] | Finding:
    """Return the address and the certificates of the webhook kubeconfig, or a finding if it can't be used."""
    path = installation.kubeconfig
    try:
        read_regular(path)
        access = load_kubeconfig(str(path))
        # Comments beside the certificates may be in any language.
        ca_pem = "" if access.ca is None else access.ca.read().decode("ascii", "ignore")
        return access, client_context(ca_pem=ca_pem, certificate=_client_certificate(access))
    except PermissionError:
        return warning(f"{path} can't be read: Permission denied", "run authd doctor with sudo")
    except ConfigError as problem:
        return error(str(problem.problems[0]), installation.init_command)
    except ssl.SSLError as problem:
        reason = problem.reason or "they are not in PEM"
        return error(f"the certificates in {path} can't be used: {reason}", installation.init_command)
    except OSError as problem:
        return error(f"{path} can't be read: {problem.strerror}", installation.init_command)


def _client_certificate(access: ClusterAccess) -> bytes:
    if access.certificate is None or access.key is None:
        return b""
    return access.certificate.read() + b"\n" + access.key.read()


def _response_finding(url: str, response: Response) -> Finding:
    status = _review_status(response.body)
    if status is None:
        message = f"another program than a webhook responds at {url}, with status {response.status}"
        return error(message, "ss -ltnp, then stop that program or change server.port")
    if response.status == HTTPStatus.FORBIDDEN:
        message = f"aws-iam-authenticator answers at {url}, not authd"
        return warning(message, f"stop aws-iam-authenticator, then {_START}")
    if response.status != HTTPStatus.OK or status.get("authenticated"):
        return error(f"the webhook at {url} answered a test with status {response.status}", _LOG)
    return ok(f"the webhook answers at {url} in {response.seconds * 1000:.0f} ms")


def _review_status(body: bytes) -> dict[str, Any] | None:
    try:
        review = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(review, dict) or review.get("kind", "TokenReview") != "TokenReview":
        return None
    status = review.get("status")
    return status if isinstance(status, dict) else None


def _health(installation: Installation) -> Iterator[Finding]:
    settings = installation.settings
    place = f"{settings.health_address}:{settings.health_port}"
    if not settings.health_port:
        yield warning("server.healthPort is 0, so only the daemon's log has the port", "set server.healthPort")
        return
    try:
        _, lines = _get(installation, "/readyz")
        alive, _ = _get(installation, "/livez")
    except ConnectionRefusedError:
        yield error(f"no process listens on the health port {place}", _START)
        return
    except (OSError, http.client.HTTPException) as problem:
        yield error(f"the health port {place} does not answer: {problem}", f"systemctl restart authd, and see {_LOG}")
        return
    if alive != HTTPStatus.OK or not any(line.startswith("[") for line in lines):
        # aws-iam-authenticator sends `ok` on every path.
        program = "aws-iam-authenticator" if lines == ["ok"] else "something else"
        yield error(f"{program} answers at the health port {place}, not authd", "ss -ltnp, then stop that program")
        return
    yield from _readiness(lines, installation, place)


def _readiness(lines: list[str], installation: Installation, place: str) -> Iterator[Finding]:
    check = f"authd check {shlex.quote(str(installation.config))}"
    broken = [line[len("[-] ") :] for line in lines if line.startswith("[-]")]
    doubtful = [line[len("[!] ") :] for line in lines if line.startswith("[!]")]
    for line in broken:
        yield error(line, check if line.startswith("settings:") else _TABLE)
    for line in doubtful:
        yield warning(line, _TABLE)
    if not broken and not doubtful:
        reviews = next((line for line in lines if line.startswith(_REVIEWS)), "")
        yield ok(f"authd is ready at {place}" + reviews.replace(_REVIEWS, ", reviews of tokens: ", 1))


def _get(installation: Installation, path: str) -> tuple[int, list[str]]:
    settings = installation.settings
    connection = http.client.HTTPConnection(settings.health_address, settings.health_port, timeout=installation.timeout)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read(65_536).decode("utf-8", "replace").splitlines()
    finally:
        connection.close()
