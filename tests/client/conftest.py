"""A clean home folder, authd-token as a real process, and AWS's endpoints on loopback."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from moto.server import ThreadedMotoServer

from tests.client.rig.layout import BASE_PYTHON, VERSIONED, install
from tests.client.rig.result import Result
from tests.client.rig.samples import KEY_ID, SECRET
from tests.client.rig.terminal import run_in_terminal
from tests.integration.rig.tls_server import serving


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Create the empty home folder of a user without AWS settings."""
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture
def environ(home: Path) -> dict[str, str]:
    """Return the environment of a process with that home: no AWS settings, and no instance metadata to wait for."""
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@pytest.fixture
def write_aws(home: Path) -> Callable[[str, str], Path]:
    """Write a file below ~/.aws."""

    def write(name: str, content: str) -> Path:
        path = home / ".aws" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    return write


@pytest.fixture(scope="session")
def command(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Install the compiled authd-token, and return the path of the command.

    AUTHD_TOKEN names another build to test, such as the single file in `dist`.
    """
    if build := os.environ.get("AUTHD_TOKEN"):
        return str(Path(build).resolve())
    return str(install(tmp_path_factory.mktemp("usr"), f"lib/{VERSIONED}/site-packages", shebang=BASE_PYTHON))


@pytest.fixture
def authd_token(command: str, environ: dict[str, str], tmp_path: Path) -> Callable[..., Result]:
    """Run authd-token as a process of its own with the environment `environ`."""

    def run(*arguments: str, **more: str) -> Result:
        done = subprocess.run(
            [command, *arguments],
            env={**environ, **more},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def in_terminal(command: str, environ: dict[str, str]) -> Callable[..., tuple[int, str, bytes]]:
    """Run authd-token in a terminal with typed input and arguments, see `run_in_terminal`."""
    return lambda typed, *arguments: run_in_terminal([command, *arguments], environ, typed)


@dataclass(slots=True)
class Endpoint:
    """A loopback HTTP server: `respond` is called with method, path, headers and body."""

    respond: Callable[[str, str, dict[str, str], str], tuple[int, dict[str, str], str]]
    requests: list[tuple[str, str, dict[str, str], str]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[..., tuple[int, dict[str, str], str]]], Endpoint]]:
    """Start HTTP servers on loopback, which are stopped after the test."""
    stack = ExitStack()

    def start(respond: Callable[..., tuple[int, dict[str, str], str]]) -> Endpoint:
        endpoint = Endpoint(respond)
        server = ThreadingHTTPServer(("127.0.0.1", 0), _request_class(endpoint))
        server.daemon_threads = True
        stack.enter_context(serving(server))
        endpoint.url = f"http://127.0.0.1:{server.server_port}"
        return endpoint

    with stack:
        yield start


def _request_class(endpoint: Endpoint) -> type[BaseHTTPRequestHandler]:
    class Request(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = (self.command, self.path, headers, body)
            endpoint.requests.append(request)
            status, extra, content = endpoint.respond(*request)
            self.send_response_only(status)
            extra.setdefault("Date", self.date_time_string())
            for name, value in {"Content-Length": str(len(content.encode())), **extra}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content.encode())

        do_GET = do_POST = do_PUT = _respond  # noqa: N815  # http.server's names

        def log_message(self, *arguments: object) -> None:
            pass

    return Request


def in_future(minutes: float) -> str:
    return (dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(slots=True)
class FakeSTS:
    """An STS for AssumeRole, AssumeRoleWithWebIdentity and GetCallerIdentity.

    If `refusal` is set, role requests get an error response with this code and message.
    """

    endpoint: Endpoint
    minutes: float = 60
    refusal: tuple[str, str] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    user_id: str = "AIDAEXAMPLE"

    def calls(self, action: str) -> list[dict[str, str]]:
        forms = [{k: v[0] for k, v in parse_qs(body).items()} for _, _, _, body in self.endpoint.requests]
        return [form for form in forms if form.get("Action") == action]

    def respond(self, method: str, path: str, headers: dict[str, str], body: str) -> tuple[int, dict[str, str], str]:
        form = {key: values[0] for key, values in parse_qs(body).items()}
        if self.refusal is not None and form["Action"] != "GetCallerIdentity":
            code, message = self.refusal
            return (
                403,
                dict(self.headers),
                (
                    f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
                    "<RequestId>r</RequestId></ErrorResponse>"
                ),
            )
        return 200, dict(self.headers), self._document(form)

    def _document(self, form: dict[str, str]) -> str:
        action = form["Action"]
        if action == "GetCallerIdentity":
            inner = (
                f"<Arn>arn:aws:iam::123456789012:user/alice</Arn><UserId>{self.user_id}</UserId>"
                "<Account>123456789012</Account>"
            )
        else:
            number = len(self.calls(action))
            session = form["RoleSessionName"]
            inner = (
                f"<Credentials><AccessKeyId>ASIA{action[-4:].upper()}{number:04d}</AccessKeyId>"
                f"<SecretAccessKey>assumed-secret-{number}</SecretAccessKey><SessionToken>session/token+{number}==</SessionToken>"
                f"<Expiration>{in_future(self.minutes)}</Expiration></Credentials><AssumedRoleUser>"
                f"<Arn>arn:aws:sts::123456789012:assumed-role/KubernetesAdmin/{session}</Arn>"
                f"<AssumedRoleId>AROAEXAMPLE:{session}</AssumedRoleId></AssumedRoleUser>"
            )
        return (
            f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result>{inner}</{action}Result>'
            f"<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{action}Response>"
        )


@pytest.fixture
def sts(serve: Callable[..., Endpoint], environ: dict[str, str]) -> FakeSTS:
    """Run an STS on loopback for authd-token's calls. Its tokens still name AWS's own hosts."""
    fake = FakeSTS(Endpoint(lambda *_: (500, {}, "")))
    fake.endpoint = serve(fake.respond)
    environ["AWS_ENDPOINT_URL_STS"] = fake.endpoint.url
    return fake


@pytest.fixture
def keys(environ: dict[str, str]) -> dict[str, str]:
    """Add static credentials and a region to the environment."""
    environ.update(AWS_ACCESS_KEY_ID=KEY_ID, AWS_SECRET_ACCESS_KEY=SECRET, AWS_REGION="eu-west-1")
    return environ


@pytest.fixture(scope="session")
def emulator() -> Iterator[dict[str, str]]:
    """Run `python -m authd.emulator` as a process of its own."""
    with subprocess.Popen([sys.executable, "-m", "authd.emulator"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.terminate()


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """Run moto's server in a thread, and return its address."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()
