"""The settings of the daemon: values that have been checked and can't be wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType

from authd.core.errors import Problem
from authd.core.mapping import MappingTable
from authd.core.partitions import ExtraEndpoint
from authd.core.token_review import UserExtra

#: The settings that a reload brings into force at once; every other one needs a restart.
_RELOADED = frozenset({"scrubbed_accounts"})

#: Fields that a settings file calls otherwise than by the same words, or outside of `server`.
_SPELLED = MappingProxyType(
    {"cluster_id": "clusterID", "default_role": "defaultRole", "lockout_share": "server.maxLockoutShare"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class STSSettings:
    """How STS is asked; `timeout`, `cache_ttl` and `stale_if_error` are seconds, 0 switches the last two off.

    `ca_file` None means the system's trust store; `proxy` is a host and a port for CONNECT.
    """

    timeout: float = 5.0
    concurrency: int = 64
    calls_per_second: int = 300
    cache_ttl: float = 0.0
    stale_if_error: float = 0.0
    ca_file: str | None = None
    proxy: tuple[str, int] | None = None
    extra_regions: frozenset[str] = frozenset()
    endpoints: tuple[ExtraEndpoint, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that a settings file says besides its mappings, with the defaults for what it leaves out.

    `lockout_share` is the share (0 to 1) of the identities seen in the last hour that a reload may shut out,
    None for no such limit; port 0 stands for any free port.
    """

    cluster_id: str
    default_role: str | None = None
    address: str = "127.0.0.1"
    port: int = 21362
    hostname: str = "localhost"
    health_address: str = "127.0.0.1"
    health_port: int = 21363
    state_dir: str = "/var/lib/authd"
    generate_kubeconfig: str = "/etc/kubernetes/authd/kubeconfig.yaml"
    kubeconfig_pregenerated: bool = False
    partition: str = "aws"
    scrubbed_accounts: frozenset[str] = frozenset()
    backend_mode: tuple[str, ...] = ("MountedFile",)
    require_client_certificate: bool = False
    audiences: tuple[str, ...] = ()
    user_extra: UserExtra = UserExtra.STANDARD
    max_token_length: int = 4096
    start_from_last_good: bool = False
    lockout_share: float | None = 0.5
    sts: STSSettings = field(default_factory=STSSettings)

    @property
    def own_names(self) -> tuple[str, ...]:
        """The names and addresses that a certificate of authd's own is for; clients call the first."""
        return tuple(dict.fromkeys([self.hostname, "localhost", "127.0.0.1", "::1", self.address]))

    @classmethod
    def restart_fields(cls) -> tuple[str, ...]:
        """Return the names of the fields whose change needs a restart: all but what a reload swaps."""
        return tuple(entry.name for entry in fields(cls) if entry.name not in _RELOADED)

    @staticmethod
    def spelled(field_name: str) -> str:
        """Return a field's name as settings files spell it, with its section: `server.stateDir` for `state_dir`."""
        first, *rest = field_name.split("_")
        return _SPELLED.get(field_name) or f"server.{first}{''.join(map(str.capitalize, rest))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A usable settings file: its settings, its mappings, and warnings for the operator."""

    settings: Settings
    table: MappingTable = field(repr=False)
    warnings: tuple[Problem, ...] = ()


#: No overrides at all.
NOTHING: Mapping[str, str] = MappingProxyType({})
