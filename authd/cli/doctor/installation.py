"""The installation that `authd doctor` examines."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from authd.config.settings import Loaded, Settings
from authd.state.certificate_store import StateFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """The settings in use, and the paths of the rest of the installation.

    `now` has a timezone. `timeout` is in seconds, for each connection. `regions` are additional STS regions to test.
    """

    config: Path
    loaded: Loaded
    now: datetime
    timeout: float = 5.0
    regions: tuple[str, ...] = ()
    manifest: Path = Path("/etc/kubernetes/manifests/kube-apiserver.yaml")
    proc: Path = Path("/proc")

    @property
    def settings(self) -> Settings:
        """The settings without the mappings."""
        return self.loaded.settings

    @property
    def files(self) -> StateFiles:
        """The state directory."""
        return StateFiles(folder=Path(self.settings.state_dir))

    @property
    def kubeconfig(self) -> Path:
        """The webhook kubeconfig."""
        return Path(self.settings.generate_kubeconfig)

    @property
    def init_command(self) -> str:
        """The command that writes missing certificates and the webhook kubeconfig."""
        return f"authd init -c {shlex.quote(str(self.config))}, then restart kube-apiserver"
