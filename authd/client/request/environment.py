"""Inputs of the full path: paths are expanded as botocore expands them."""

from __future__ import annotations

import os

from authd.client.fast.errors import UsageError
from authd.client.fast.exec_credential import ExecInfo
from authd.client.fast.flags import Options
from authd.client.fast.inputs import Inputs, effective_environment
from authd.client.fast.sigv4 import NotOnFastPath

# Stands in for a missing home folder: nothing exists below it, and nothing can be created there.
_NO_HOME = os.devnull
_PATH_VARIABLES = (b"AWS_CONFIG_FILE", b"AWS_SHARED_CREDENTIALS_FILE")


def collect_inputs(options: Options, exec_info: ExecInfo) -> Inputs:
    """Return the inputs from the environment of authd-token's own process, which botocore sees with the same changes.

    Raises UsageError if the settings file can't be read.
    """
    return _inputs(options, exec_info, expanded_environment())


def read_inputs(options: Options, exec_info: ExecInfo) -> Inputs:
    """Return the inputs from the environment of another program's process, without changes to it."""
    return _inputs(options, exec_info, _expanded(effective_environment(dict(os.environb))))


def expanded_environment() -> dict[bytes, bytes]:
    """Return this process's environment, with a home folder and with expanded paths. botocore gets the same home."""
    effective = effective_environment(dict(os.environb))
    for ignored in set(os.environb).difference(effective):
        del os.environb[ignored]
    environ = _expanded(effective)
    if environ[b"HOME"] == os.fsencode(_NO_HOME):
        os.environ["HOME"] = _NO_HOME
    return environ


def _inputs(options: Options, exec_info: ExecInfo, environ: dict[bytes, bytes]) -> Inputs:
    try:
        inputs = Inputs(options, exec_info, environ, lenient=True)
    except NotOnFastPath:
        raise UsageError(f"the file given by --config, {options.config}, cannot be read") from None
    if options.config and inputs.settings_file is None:
        raise UsageError(f"the file given by --config, {options.config}, does not exist")
    return inputs


def _expanded(environ: dict[bytes, bytes]) -> dict[bytes, bytes]:
    home = os.path.expanduser("~")
    if not home.startswith("/") or environ.get(b"HOME") == b"":
        # Otherwise botocore would look for credentials below the working directory or the root folder.
        home = _NO_HOME
    environ[b"HOME"] = os.fsencode(home)
    for name in _PATH_VARIABLES:
        path = environ.get(name)
        if path is not None:
            expanded = os.path.expanduser(os.path.expandvars(path))
            # A path that can't be expanded names no file.
            plain = expanded and b"$" not in expanded and not expanded.startswith(b"~")
            environ[name] = expanded if plain else os.fsencode(os.devnull)
    return environ
