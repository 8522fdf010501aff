"""Builds the archive of the krew plugin, and its manifest with the archive's checksum.

    python tools/release/krew.py            write deploy/krew/authd.yaml
    python tools/release/krew.py FOLDER     write the archive for the release into FOLDER too

Times, owners and order are fixed, so that the archive is the same on every machine.
"""

from __future__ import annotations

import hashlib
import io
import struct
import sys
import tarfile
import zlib
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from authd import __version__  # noqa: E402 -- needs the path

ARCHIVE = "kubectl-authd.tar.gz"
MANIFEST = ROOT / "deploy" / "krew" / "authd.yaml"
_TEMPLATE = """\
# Written by tools/release/krew.py. Install it by hand: kubectl krew install --manifest=authd.yaml
apiVersion: krew.googlecontainertools.github.com/v1alpha2
kind: Plugin
metadata:
  name: authd
spec:
  version: v{version}
  homepage: https://authd.example.com/
  shortDescription: Set up and test logins with AWS IAM
  description: |
    Writes the kubeconfig user of a cluster that logs in with AWS IAM (add), changes users of
    aws-iam-authenticator and the AWS CLI into such users (convert), and tests a login (test).
  caveats: |
    The plugin needs authd on PATH: install it from its clone or wheel (pipx install .)
  platforms:
  - selector:
      matchExpressions:
      - key: os
        operator: In
        values: [linux, darwin]
    uri: https://authd.example.com/releases/v{version}/{archive}
    sha256: {checksum}
    bin: kubectl-authd
    files:
    - from: "*"
      to: .
"""


def archive() -> bytes:
    """Return the plugin's archive."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for source, mode in ((ROOT / "LICENSE", 0o644), (ROOT / "deploy" / "krew" / "kubectl-authd", 0o755)):
            data = source.read_bytes()
            entry = tarfile.TarInfo(source.name)
            entry.size, entry.mode = len(data), mode
            tar.addfile(entry, io.BytesIO(data))
    return _stored(content.getvalue())


def _stored(data: bytes) -> bytes:
    """Return a gzip file (RFC 1952) without compression: compressed data differs between versions of zlib."""
    size = 0xFFFF
    blocks = [data[start : start + size] for start in range(0, len(data), size)]
    body = b"".join(
        struct.pack("<BHH", number == len(blocks), len(block), len(block) ^ 0xFFFF) + block
        for number, block in enumerate(blocks, 1)
    )
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + body + struct.pack("<II", zlib.crc32(data), len(data))


def manifest(content: bytes) -> str:
    """Return the manifest for an archive."""
    return _TEMPLATE.format(version=__version__, archive=ARCHIVE, checksum=hashlib.sha256(content).hexdigest())


def main(arguments: list[str]) -> int:
    """Write the manifest, and the archive if a folder is given."""
    content = archive()
    MANIFEST.write_text(manifest(content), "utf-8")
    for folder in arguments:
        (Path(folder) / ARCHIVE).write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
