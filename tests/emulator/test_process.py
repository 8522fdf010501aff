from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import botocore.exceptions
import botocore.session
import pytest
from botocore.config import Config

from authd.emulator.directory.errors import EmulatorError
from authd.emulator.directory.sample import ACCOUNT, ALICE_KEY
from authd.emulator.faults.plan import Fault, Phase
from authd.emulator.process import EmulatorProcess

ALICE = f"arn:aws:iam::{ACCOUNT}:user/team/alice"


def client_of(emulator: EmulatorProcess, key: tuple[str, str] = ALICE_KEY) -> Any:
    return botocore.session.get_session().create_client(
        "sts",
        region_name="us-east-1",
        endpoint_url=f"https://localhost:{emulator.port}",
        verify=emulator.ca,
        aws_access_key_id=key[0],
        aws_secret_access_key=key[1],
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=5),
    )


def test_controlled_process() -> None:
    """The emulator runs as a process with its own certificate, and is controlled over its port."""
    with EmulatorProcess() as emulator:
        client = client_of(emulator)
        assert client.get_caller_identity()["Arn"] == ALICE
        emulator.inject(Fault.THROTTLE, times=1)
        with pytest.raises(botocore.exceptions.ClientError, match="Throttling"):
            client.get_caller_identity()
        emulator.inject(Fault.RESET, phase=Phase.ACCEPT)
        with (
            pytest.raises(ConnectionResetError),
            socket.create_connection(("127.0.0.1", emulator.port), timeout=5) as reset,
        ):
            reset.recv(1)
        emulator.clear()
        emulator.set_clock_offset(-1000)
        with pytest.raises(botocore.exceptions.ClientError, match="not yet current"):
            client.get_caller_identity()
        counters = emulator.counters()
        assert counters.actions == {"GetCallerIdentity": 3}
        assert counters.faults == {"throttle": 1, "reset": 1}
        with pytest.raises(EmulatorError, match="unknown member 'speed'"):
            emulator.inject(Fault.DELAY, speed=1)
        client.close()
        ca = emulator.ca
        assert Path(ca).exists()
    assert not Path(ca).exists()


def test_all_options(tmp_path: Path, certificate: dict[str, bytes], ca_file: str) -> None:
    """Directory, certificate, region and faults are taken from the command line."""
    directory = {
        "users": [{"account": ACCOUNT, "name": "dora", "accessKeys": [{"id": ALICE_KEY[0], "secret": "dora"}]}]
    }
    for name, content in (
        ("directory.json", json.dumps(directory).encode()),
        ("chain.pem", certificate["certificate_chain_pem"]),
        ("key.pem", certificate["key_pem"]),
    ):
        (tmp_path / name).write_bytes(content)
    arguments = [
        *("--directory", str(tmp_path / "directory.json")),
        *("--certificate", str(tmp_path / "chain.pem"), "--key", str(tmp_path / "key.pem")),
        *("--home-region", "eu-west-1", "--fault", "unavailable,times=1", "--port", "0", "--listen", "127.0.0.1"),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "authd.emulator", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        ready = json.loads(process.stdout.readline())
        assert ready == {"address": f"https://127.0.0.1:{ready['port']}", "port": ready["port"], "ca": None}
        client = botocore.session.get_session().create_client(
            "sts",
            region_name="eu-west-1",
            endpoint_url=f"https://localhost:{ready['port']}",
            verify=ca_file,
            aws_access_key_id=ALICE_KEY[0],
            aws_secret_access_key="dora",
            config=Config(retries={"total_max_attempts": 1}),
        )
        with pytest.raises(botocore.exceptions.ClientError, match="ServiceUnavailable"):
            client.get_caller_identity()
        assert client.get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/dora"
        client.close()
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--listen", "0.0.0.0"], "0.0.0.0 is not a loopback address; the emulator listens nowhere else"),
        (["--directory", "/nonexistent"], "/nonexistent: can't be read as JSON"),
        (["--certificate", "/nonexistent", "--key", "/nonexistent"], "No such file"),
        (["--ca-out", "/nonexistent/ca.pem"], "No such file"),
    ],
)
def test_failed_start(arguments: list[str], words: str) -> None:
    """An emulator that can't start ends with status 1 and one line with the reason."""
    ended = subprocess.run(
        [sys.executable, "-m", "authd.emulator", *arguments], capture_output=True, text=True, check=False, timeout=30
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert words in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_taken_port() -> None:
    """A taken port is reported, with status 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "authd.emulator", "--port", port]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert ended.returncode == 1
    assert f"127.0.0.1:{port}" in ended.stderr


def test_process_that_does_not_start() -> None:
    """A child process that fails to start raises an error at once."""
    with pytest.raises(EmulatorError, match="did not start"), EmulatorProcess("--listen", "192.0.2.1"):
        pass


def test_aws_command_line() -> None:
    """The AWS CLI gets its caller identity, and assumes a role."""
    aws = Path(sys.executable).with_name("aws")
    with EmulatorProcess() as emulator:
        environment = os.environ | {
            "AWS_ACCESS_KEY_ID": ALICE_KEY[0],
            "AWS_SECRET_ACCESS_KEY": ALICE_KEY[1],
            "AWS_CA_BUNDLE": emulator.ca,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL_STS": f"https://localhost:{emulator.port}",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        said = subprocess.run(
            [aws, "sts", "get-caller-identity", "--output", "json"], env=environment, capture_output=True, check=True
        )
        assert json.loads(said.stdout)["Arn"] == ALICE
        role = f"arn:aws:iam::{ACCOUNT}:role/team/Developer"
        said = subprocess.run(
            [aws, "sts", "assume-role", "--role-arn", role, "--role-session-name", "cli", "--output", "json"],
            env=environment,
            capture_output=True,
            check=True,
        )
        assert json.loads(said.stdout)["AssumedRoleUser"]["Arn"].endswith(":assumed-role/Developer/cli")
