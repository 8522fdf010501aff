"""The settings of the daemon, as checked values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType

from authd.core.errors import Problem
from authd.core.mapping.table import MappingTable
from authd.core.partitions import ExtraEndpoint
from authd.core.token_review import UserExtra

#: The fields that a reload brings into force at once. Every other one needs a restart.
_RELOADED = frozenset({"scrubbed_accounts", "role_patterns"})

#: Fields that have another name in settings files, or another section than `server`.
_SPELLED = MappingProxyType(
    {
        "cluster_id": "clusterID",
        "default_role": "defaultRole",
        "lockout_share": "server.maxLockoutShare",
        "dynamic_file_user_id_strict": "server.dynamicFileUserIDStrict",
        "reserved_prefixes": "server.reservedPrefixConfig",
        "reserved_group_prefixes": "server.reservedPrefixConfig",
        "ec2_role_arn": "server.ec2DescribeInstancesRoleARN",
        "ec2_qps": "server.ec2DescribeInstancesQps",
        "ec2_burst": "server.ec2DescribeInstancesBurst",
        "source_arn": "server.sourceARN",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class STSSettings:
    """The calls to STS. `timeout`, `cache_ttl` and `stale_if_error` are in seconds, and 0 switches the last two off.

    `ca_file` None means the system's trust store. `proxy` is a host and a port for CONNECT.
    """

    timeout: float = 5.0
    concurrency: int = 64
    calls_per_second: int = 10_000
    cache_ttl: float = 0.0
    stale_if_error: float = 0.0
    ca_file: str | None = None
    proxy: tuple[str, int] | None = None
    extra_regions: frozenset[str] = frozenset()
    endpoints: tuple[ExtraEndpoint, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TracingSettings:
    """The export of spans by OTLP over HTTP. `endpoint` is the whole URL. `headers_file` holds secret headers.

    `ca_file` None means requests' trust store. `sample_ratio` is a share (0 to 1) of the reviews without a
    `traceparent`, None for the SDK's own choice.
    """

    endpoint: str
    headers_file: str | None = None
    ca_file: str | None = None
    sample_ratio: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The content of a settings file apart from its mappings, with defaults for absent settings.

    `address` and `health_address` may be host names. Port 0 stands for any free port. `backend_mode` has the sources in
    their order, `reserved_prefixes` the prefixes of user names that each may not give, and `reserved_group_prefixes`
    those of groups. `lockout_share` is the share (0 to 1) of
    the identities of the last hour that a reload may shut out, None for no limit. `ec2_qps` is per second.
    `audit_log` is a path, empty for no audit log. `tracing` is None if no spans are exported.
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
    reserved_prefixes: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    reserved_group_prefixes: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    role_patterns: bool = False
    dynamic_file_path: str | None = None
    dynamic_file_user_id_strict: bool = False
    dynamic_backend_mode_path: str | None = None
    kubeconfig: str | None = None
    master: str | None = None
    ec2_role_arn: str | None = None
    ec2_qps: int = 15
    ec2_burst: int = 5
    source_arn: str | None = None
    webhook_metrics: bool = True
    require_client_certificate: bool = False
    audiences: tuple[str, ...] = ()
    user_extra: UserExtra = UserExtra.STANDARD
    max_token_length: int = 4096
    start_from_last_good: bool = False
    lockout_share: float | None = 0.5
    audit_log: str = ""
    audit_log_max_megabytes: int = 100
    tracing: TracingSettings | None = None
    sts: STSSettings = field(default_factory=STSSettings)

    @property
    def own_names(self) -> tuple[str, ...]:
        """The names and addresses for a certificate of authd's own. Clients use the first."""
        return tuple(dict.fromkeys([self.hostname, "localhost", "127.0.0.1", "::1", self.address]))

    @classmethod
    def restart_fields(cls) -> tuple[str, ...]:
        """Return the names of the fields whose change needs a restart."""
        return tuple(entry.name for entry in fields(cls) if entry.name not in _RELOADED)

    @staticmethod
    def spelled(field_name: str) -> str:
        """Return a field's name as in settings files, with its section: `server.stateDir` for `state_dir`."""
        first, *others = field_name.split("_")
        return _SPELLED.get(field_name) or f"server.{first}{''.join(map(str.capitalize, others))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A usable settings file: its settings, its mappings, and warnings for the operator."""

    settings: Settings
    table: MappingTable = field(repr=False)
    warnings: tuple[Problem, ...] = ()


#: No overrides or defaults.
NOTHING: Mapping[str, str] = MappingProxyType({})
