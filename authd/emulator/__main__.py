"""`python -m authd.emulator`: the emulator as a process of its own."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.task import react

from authd.emulator.directory.errors import EmulatorError
from authd.emulator.directory.json_file import load_directory
from authd.emulator.directory.sample import sample_directory
from authd.emulator.options import read_options
from authd.emulator.server import STSEmulator
from authd.emulator.sts.hosts import HostRegions

if TYPE_CHECKING:
    import argparse


def main(arguments: list[str]) -> None:
    """Run an emulator until SIGTERM or SIGINT. Exits with status 1 and a message if it can't start."""
    options = read_options(arguments)
    with ExitStack() as at_end:
        react(lambda reactor: Deferred.fromCoroutine(_serve(reactor, options, at_end)))


async def _serve(reactor: Any, options: argparse.Namespace, at_end: ExitStack) -> None:
    try:
        certificate, key, ca = _certificate(options, at_end)
        emulator = _emulator(reactor, options, certificate, key)
        for injection in options.fault:
            emulator.plan(injection)
        await emulator.start()
    except (EmulatorError, CannotListenError, OSError) as error:
        sys.stderr.write(f"authd.emulator: {error}\n")
        raise SystemExit(1) from None
    ready = {"address": f"https://{_bracketed(options.listen)}:{emulator.port}", "port": emulator.port, "ca": ca}
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()
    await Deferred()


def _emulator(reactor: Any, options: argparse.Namespace, certificate: bytes, key: bytes) -> STSEmulator:
    return STSEmulator(
        reactor,
        load_directory(options.directory) if options.directory else sample_directory(),
        certificate_chain_pem=certificate,
        key_pem=key,
        hosts=HostRegions(home_region=options.home_region, extra=dict(options.host)),
        interface=options.listen,
        port=options.port,
        with_control=options.control,
    )


def _certificate(options: argparse.Namespace, at_end: ExitStack) -> tuple[bytes, bytes, str | None]:
    if options.certificate is not None:
        return options.certificate.read_bytes(), options.key.read_bytes(), None
    # Imported here: with a certificate on the command line, the CA is not needed.
    from authd.emulator.throwaway_ca import make_throwaway

    made = make_throwaway([name for name, _ in options.host])
    ca = options.ca_out
    if ca is None:
        ca = Path(at_end.enter_context(tempfile.TemporaryDirectory(prefix="sts-emulator-"))) / "ca.pem"
    ca.write_bytes(made.authority_pem)
    return made.certificate_pem, made.key_pem, str(ca)


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


if __name__ == "__main__":
    main(sys.argv[1:])
