"""The command line options of `twistd authd`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import ClassVar

from twisted.python import usage

from authd import __version__
from authd.daemon.telemetry.log_output import FORMATS


class Options(usage.Options):
    """Options of `twistd authd`, named like those of aws-iam-authenticator's server."""

    synopsis = "[--config FILE] [options]"
    longdesc = (
        "Serve the TokenReview webhook that verifies AWS IAM identities. Options override the settings file.\n"
        "Example: twistd --nodaemon --pidfile= authd --config /etc/authd/config.yaml"
    )
    optParameters: ClassVar[list[list[str | None]]] = [
        ["config", "c", "/etc/authd/config.yaml", "The settings file; its mappings are reloaded when it changes."],
        ["cluster-id", "i", None, "The cluster's id, which tokens are signed for (clusterID)."],
        ["address", None, None, "The address to listen on (server.address)."],
        ["port", None, None, "The port to listen on (server.port)."],
        ["state-dir", None, None, "Where certificates are kept (server.stateDir)."],
        ["generate-kubeconfig", None, None, "Where the webhook kubeconfig is written (server.generateKubeconfig)."],
        ["partition", None, None, "The AWS partition (server.partition)."],
        ["backend-mode", None, None, "Where mappings come from (server.backendMode)."],
        ["log-format", "l", "auto", "text, json, or auto: text on a terminal, JSON elsewhere."],
    ]
    optFlags: ClassVar[list[list[str | None]]] = [
        ["kubeconfig-pregenerated", None, "Write no webhook kubeconfig (server.kubeconfigPregenerated)."]
    ]

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse the command line. A usage error ends the process with status 2; twistd itself would return 0."""
        try:
            super().parseOptions(options)
        except usage.UsageError as error:
            sys.stderr.write(f"twistd authd: {error}\nTry `twistd authd --help`.\n")
            raise SystemExit(2) from None

    def postOptions(self) -> None:
        """Reject an unknown log format."""
        if self["log-format"] not in FORMATS:
            raise usage.UsageError(f"--log-format takes one of {', '.join(FORMATS)}")

    def opt_version(self) -> None:
        """Print authd's version and exit."""
        sys.stdout.write(f"authd {__version__}\n")
        raise SystemExit(0)

    @property
    def overrides(self) -> dict[str, str]:
        """The values of the given options, by the settings that they override."""
        given = {setting: self[option] for option, setting in _SETTINGS.items() if self[option] is not None}
        if self["kubeconfig-pregenerated"]:
            given["server.kubeconfigPregenerated"] = "true"
        return given


_SETTINGS = {
    "cluster-id": "clusterID",
    "address": "server.address",
    "port": "server.port",
    "state-dir": "server.stateDir",
    "generate-kubeconfig": "server.generateKubeconfig",
    "partition": "server.partition",
    "backend-mode": "server.backendMode",
}
