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
_PATH_VARIABLES = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")


def collect_inputs(options: Options, exec_info: ExecInfo) -> Inputs:
    """Return the inputs from this process's environment. Raises UsageError if the settings file can't be read."""
    environ = expanded_environment()
    try:
        inputs = Inputs(options, exec_info, environ, lenient=True)
    except NotOnFastPath:
        raise UsageError(f"the file given by --config, {options.config}, cannot be read") from None
    if options.config and inputs.settings_file is None:
        raise UsageError(f"the file given by --config, {options.config}, does not exist")
    return inputs


def expanded_environment() -> dict[bytes, bytes]:
    """Return this process's environment, with a home folder and with expanded paths."""
    home = os.path.expanduser("~")
    if not home.startswith("/") or os.environ.get("HOME") == "":
        # Otherwise botocore would look for credentials below the working directory or the root folder.
        home = os.environ["HOME"] = _NO_HOME
    effective = effective_environment(dict(os.environb))
    for ignored in set(os.environb).difference(effective):
        # botocore reads the process's environment.
        del os.environb[ignored]
    environ = effective
    environ[b"HOME"] = os.fsencode(home)
    for name in _PATH_VARIABLES:
        path = os.environ.get(name)
        if path is not None:
            expanded = os.path.expanduser(os.path.expandvars(path))
            # A path that can't be expanded names no file.
            plain = expanded and "$" not in expanded and not expanded.startswith("~")
            environ[os.fsencode(name)] = os.fsencode(expanded if plain else os.devnull)
    return environ
