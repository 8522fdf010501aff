"""Fingerprints of the other files that a token depends on. If one of them changes, the cached token is not used."""

from __future__ import annotations

import os
import re

from authd.client.fast.inputs import Inputs
from authd.client.fast.token_cache import fingerprint

_TOKEN_FILE_VARIABLES = (
    b"AWS_WEB_IDENTITY_TOKEN_FILE", b"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", b"AWS_CREDENTIAL_FILE", b"BOTO_CONFIG",
)  # fmt: skip
_TOKEN_FILE_KEY = re.compile(rb"^[ \t]*web_identity_token_file[ \t]*[=:][ \t]*([^\r\n]+?)[ \t]*$", re.MULTILINE)
# A login cache has a handful of files.
_MAX_FILES = 64


def watched_lines(inputs: Inputs) -> bytes:
    """Return the fingerprints, one per line, for `token_cache.render_token`."""
    shared = (inputs.config_file or b"") + b"\n" + (inputs.credentials_file or b"")
    paths = [inputs.environ[name] for name in _TOKEN_FILE_VARIABLES if inputs.environ.get(name)]
    paths += map(os.path.expanduser, _TOKEN_FILE_KEY.findall(shared))
    paths += [inputs.home + b"/.boto", b"/etc/boto.cfg"]
    if b"sso_" in shared:
        paths += _folder(inputs.home + b"/.aws/sso/cache")
    if b"login_session" in shared:
        paths += _folder(inputs.environ.get(b"AWS_LOGIN_CACHE_DIRECTORY") or inputs.home + b"/.aws/login/cache")
    return b"".join(fingerprint(path) for path in paths if b"\n" not in path)


def _folder(path: bytes) -> list[bytes]:
    try:
        names = sorted(os.listdir(path))[:_MAX_FILES]
    except OSError:
        return [path]
    return [path, *(os.path.join(path, name) for name in names)]
