"""No output of the daemon and the client in all tests of this folder contains a secret."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from authd.emulator.directory.sample import ALICE_KEY, FEDERATED_KEY, FEDERATED_TOKEN, MALLORY_KEY
from authd.emulator.faults.plan import Fault
from authd.emulator.process import EmulatorProcess
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.evidence import Evidence
from tests.integration.rig.minting import Mint, bare_environment, credentials_in_environment, script


def test_a_leak_is_found(mint: Mint) -> None:
    """The search finds a token, its signature and its signing keys, in a text and in a file."""
    collected = Evidence()
    own = Mint(home=mint.home, evidence=collected)
    token = own.by_signer((*FEDERATED_KEY, FEDERATED_TOKEN))
    collected.said("someone", f"the token was {token}")
    collected.said("someone else", b"the key is " + FEDERATED_KEY[1].encode())
    file = mint.home / "leak"
    file.write_text("carols%2Bsession%2Ftoken%3D%3D")
    collected.writes("a file", file)
    assert collected.leaks() == [
        "a file shows a session token",
        "someone else shows a secret key",
        "someone shows a token",
    ]


def test_no_output_contains_a_secret(
    make_daemon: Callable[..., DaemonProcess],
    daemon: DaemonProcess,
    emulator: EmulatorProcess,
    mint: Mint,
    evidence: Evidence,
) -> None:
    """No output, log, response, metric or process table of the whole run has a token, a signature or a secret key."""
    tokens = [mint.by_signer(ALICE_KEY), mint.by_signer((*FEDERATED_KEY, FEDERATED_TOKEN)), mint.by_signer(MALLORY_KEY)]
    tokens += [mint.by_script(ALICE_KEY), *(token + "!" for token in tokens), tokens[0][:-3]]
    for token in tokens:
        daemon.review(token)
    emulator.inject(Fault.WRONG_TYPES, times=1)
    daemon.review(mint.by_signer(ALICE_KEY, expires=78))
    with daemon.client() as client:
        client.request("GET", f"/authenticate?token={tokens[0]}")
        client.request("POST", f"/{tokens[0]}", b"{}")
        client.request("POST", "/authenticate", tokens[0].encode())
        client.request("POST", "/authenticate", b'{"kind":"TokenReview","spec":{"token":"%b"}}' % tokens[0].encode())
    for path in ("/livez", "/readyz", "/metrics", f"/{tokens[0]}"):
        daemon.health(path)
    for table in ("cmdline", "environ"):
        with open(f"/proc/{daemon.process.pid}/{table}", "rb") as file:
            evidence.said(f"the process's {table}", file.read())
    _ask_the_script_for_help(mint, evidence, tokens[0])
    secrets, said = evidence.size
    assert secrets > 10
    assert said > 10_000
    assert evidence.leaks() == []


def _ask_the_script_for_help(mint: Mint, evidence: Evidence, token: str) -> None:
    """Make the client print error messages."""
    environment = bare_environment(mint.home, AWS_REGION="us-east-1", **credentials_in_environment(ALICE_KEY))
    for arguments in (["--why"], ["-i", "c", "-r", "nonsense"], ["-i"], ["--nonsense", token], []):
        command = [script("authd-token"), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)
        if token not in arguments:
            evidence.said("authd-token's words", done.stdout if arguments == ["--why"] else b"")
        evidence.said("authd-token's complaints", done.stderr)
