"""The program name under which authd was called, and its default paths.

If authd is called by a link as `aws-iam-authenticator` or `heptio-authenticator-aws`, it uses that program's paths.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import NamedTuple

#: aws-iam-authenticator's environment variable for the cluster ID. It takes precedence over the settings file.
CLUSTER_ID_VARIABLE = "KUBERNETES_AWS_AUTHENTICATOR_CLUSTER_ID"


class Program(NamedTuple):
    """A program name. `config` is None if that program reads no settings file without `--config`."""

    name: str
    config: str | None
    state_dir: str
    kubeconfig: str

    @property
    def is_alias(self) -> bool:
        """Whether the name is that of another program."""
        return self is not AUTHD

    @property
    def defaults(self) -> dict[str, str]:
        """The default settings under this name, by their paths."""
        return (
            {"server.stateDir": self.state_dir, "server.generateKubeconfig": self.kubeconfig} if self.is_alias else {}
        )


AUTHD = Program("authd", "/etc/authd/config.yaml", "/var/lib/authd", "/etc/kubernetes/authd/kubeconfig.yaml")
ALIASES = tuple(
    Program(name, None, f"/var/{name}", f"/etc/kubernetes/{name}/kubeconfig.yaml")
    for name in ("aws-iam-authenticator", "heptio-authenticator-aws")
)


def called_as(argument: str) -> Program:
    """Return the program for the first word of a command line."""
    name = PurePath(argument).name
    return next((program for program in ALIASES if program.name == name), AUTHD)
