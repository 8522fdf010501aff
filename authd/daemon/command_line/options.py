"""The command line options of `twistd authd` and `authd server`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from twisted.python import usage

from authd import __version__
from authd.config.fields.values import InvalidValue, cluster_id
from authd.daemon.command_line.flags import SERVER_FLAGS, FlagError, parse_flags
from authd.daemon.command_line.program_name import CLUSTER_ID_VARIABLE, called_as
from authd.daemon.telemetry.log_output import FORMATS

#: The levels of aws-iam-authenticator's log, and authd's. Numbers are klog's verbosity, which is debug from 4.
_LEVELS: Mapping[str, str] = {
    **dict.fromkeys(("trace", "debug", *map(str, range(4, 11))), "debug"),
    **dict.fromkeys(("info", *map(str, range(4))), "info"),
    **dict.fromkeys(("warn", "warning", "error", "fatal", "panic"), "warn"),
}
#: Flags of sources, and the sources that use each.
_OF_SOURCES: Mapping[str, tuple[str, ...]] = {
    "dynamicfilepath": ("DynamicFile",),
    "dynamicfileUserIDStrict": ("DynamicFile",),
    "kubeconfig": ("EKSConfigMap", "CRD"),
    "master": ("EKSConfigMap", "CRD"),
    "ec2-describeInstances-qps": (),
    "ec2-describeInstances-burst": (),
}


class Options(usage.Options):
    """The flags of aws-iam-authenticator's server, in that program's grammar."""

    synopsis = "usage: authd server [flags]\n   or: twistd --nodaemon --pidfile= authd [flags]"
    longdesc = (
        "Serve the TokenReview webhook that verifies AWS IAM identities. Flags override the settings file.\n"
        "Example: authd server --config=/etc/authd/config.yaml"
    )
    optParameters: ClassVar[list[list[str | None]]] = [
        [flag.name, flag.short or None, None, flag.help] for flag in SERVER_FLAGS
    ]

    def __init__(self) -> None:
        super().__init__()
        self.ignored: list[str] = []
        self._given: dict[str, str] = {}

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse a command line for twistd. A usage error exits with status 2, unlike twistd's own."""
        try:
            self.parse(sys.argv[1:] if options is None else options)
        except usage.UsageError as error:
            sys.stderr.write(f"authd: {error}\nTry `authd server --help`.\n")
            raise SystemExit(2) from None

    def parse(self, options: Sequence[str]) -> None:
        """Parse a command line. Raises `usage.UsageError`. Prints help or version and exits if asked to."""
        given = list(options)
        if "--version" in given:
            self.opt_version()
        if {"--help", "-h"} & set(given):
            self.opt_help()
        try:
            self._given, words = parse_flags(given, SERVER_FLAGS)
        except FlagError as error:
            raise usage.UsageError(str(error)) from None
        self.opts.update(self._given)
        self.ignored = words[1:] if words[:1] == ["server"] else words
        if any(word not in {"true", "false"} for word in self.ignored):
            raise usage.UsageError(f"unexpected argument {self.ignored[0][:64]!r}: flags are written --name=value")
        self.postOptions()

    def postOptions(self) -> None:
        """Reject an unknown log format and an invalid cluster ID in the environment."""
        self.opts["log-format"] = self._given.get("log-format") or "auto"
        if self["log-format"] not in FORMATS:
            raise usage.UsageError(f"--log-format takes one of {', '.join(FORMATS)}")
        try:
            cluster_id(self._cluster_id or "-")
        except InvalidValue as wrong:
            raise usage.UsageError(f"{CLUSTER_ID_VARIABLE} {wrong}") from None

    def opt_version(self) -> None:
        """Print authd's version and exit."""
        sys.stdout.write(f"authd {__version__}\n")
        raise SystemExit(0)

    @property
    def overrides(self) -> dict[str, str]:
        """The values of the given flags, by the settings that they override."""
        given = {flag.setting: self._given[flag.name] for flag in SERVER_FLAGS if flag.name in self._given}
        given.pop("", None)
        if self._cluster_id:
            given["clusterID"] = given.get("clusterID") or self._cluster_id
        return given

    @property
    def default_settings(self) -> dict[str, str]:
        """The default settings of the program name under which authd was called."""
        return called_as(sys.argv[0]).defaults

    @property
    def settings_file(self) -> Path | None:
        """The settings file. None if `--config` is missing, and the cluster ID is set otherwise."""
        if self._given.get("config"):
            return Path(self._given["config"]).absolute()
        default = called_as(sys.argv[0]).config
        if default is not None and ("clusterID" not in self.overrides or os.path.lexists(default)):
            return Path(default)
        return None

    def without_effect(self, backends: Sequence[str]) -> list[str]:
        """Return the given flags and words that have no effect with these sources."""
        unused = [name for name, users in _OF_SOURCES.items() if set(users).isdisjoint(backends)]
        if self._given.get("log-verbosity", "info").lower() not in _LEVELS:
            unused.insert(0, "log-verbosity")
        names = [name for name in ("feature-gates", *unused) if name in self._given]
        return [*(f"--{name}={self._given[name]}" for name in names), *self.ignored]

    @property
    def log_level(self) -> str:
        """The initial level of the log."""
        return _LEVELS.get(self._given.get("log-verbosity", "info").lower(), "info")

    @property
    def _cluster_id(self) -> str:
        return os.environ.get(CLUSTER_ID_VARIABLE, "")
