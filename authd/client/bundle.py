"""The packages inside the single file `authd-token.pyz`, unpacked into the cache folder at their first use.

botocore reads its data and certificates by path, so it can't run from an archive. `tools/release/pyz.py` writes the
file.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
import zipfile
from hashlib import sha256
from zipimport import zipimporter

from authd.client.cache.store import UNPACKED_PREFIX, open_store
from authd.client.fast.errors import ClientError
from authd.client.fast.token_cache import open_folder
from authd.client.request.environment import expanded_environment

#: Entries of the archive: an archive of the packages, and the SHA-256 of its bytes in hex.
PACKAGES = "packages.zip"
DIGEST = "packages.sha256"
#: The packages that authd-token itself imports.
_IMPORTED = ("botocore", "yaml")


def use_bundled_packages(loader: object) -> None:
    """Make the packages of the single file importable. `loader` is the loader of a module in that file.

    They are unpacked only if one of them is imported, because static credentials need none.
    """
    assert isinstance(loader, zipimporter)
    sys.meta_path.insert(0, _FirstImport(loader))


class _FirstImport:
    """A meta path finder that finds no module. It unpacks the packages before the first import of one of them."""

    def __init__(self, archive: zipimporter) -> None:
        self._archive = archive
        self._unpacked = False

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
        """Unpack if `name` is a package that authd-token imports. Raises ClientError if that fails."""
        if name in _IMPORTED and not self._unpacked:
            self._unpacked = True
            _add_packages(self._archive)


def _add_packages(loader: zipimporter) -> None:
    try:
        sys.path.insert(0, _unpacked(loader))
    except zipfile.BadZipFile:
        raise ClientError(f"{loader.archive} is damaged; download it again and compare its SHA-256") from None
    except OSError as error:
        place = f"{os.fsdecode(error.filename)}: " if error.filename else ""
        raise ClientError(
            f"cannot unpack botocore, which all but static credentials need: {place}{error.strerror}; "
            "set AUTHD_CACHE_DIR to a folder of your own that can be written"
        ) from None


def _unpacked(archive: zipimporter) -> str:
    environ = expanded_environment()
    with contextlib.closing(open_store(environ, environ[b"HOME"].rstrip(b"/"))) as store:
        digest = _entry(archive, DIGEST).decode()
        # Each version has its own folder.
        folder = os.path.join(store.path, UNPACKED_PREFIX + digest[:16])
        if not os.path.isdir(folder):
            _unpack(_entry(archive, PACKAGES), digest, folder)
    os.close(open_folder(os.fsencode(folder)))
    return folder


def _entry(archive: zipimporter, name: str) -> bytes:
    return archive.get_data(os.path.join(archive.archive, name))


def _unpack(content: bytes, digest: str, folder: str) -> None:
    if sha256(content).hexdigest() != digest:
        raise zipfile.BadZipFile
    unfinished = f"{folder}.{os.getpid()}"
    shutil.rmtree(unfinished, ignore_errors=True)
    os.mkdir(unfinished, 0o700)
    try:
        zipfile.ZipFile(io.BytesIO(content)).extractall(unfinished)
        os.rename(unfinished, folder)
    except OSError:
        # Another process may have been faster. Its folder has the same content.
        if not os.path.isdir(folder):
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
