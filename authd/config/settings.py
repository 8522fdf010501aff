"""The daemon's settings as checked values.

docs/settings.md has the `#:` comments of the fields: `make reference` copies them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType

from authd.core.errors import Problem
from authd.core.mapping.reserved import NO_PREFIXES, ReservedPrefixes
from authd.core.mapping.table import MappingTable
from authd.core.partitions import ExtraEndpoint
from authd.core.token_review import UserExtra

#: The fields that a reload applies. All others need a restart.
_RELOADED = frozenset({"scrubbed_accounts", "role_patterns"})

#: The paths of fields that are not in `server`, or that have another name there.
_SPELLED = MappingProxyType(
    {
        "cluster_id": "clusterID",
        "default_role": "defaultRole",
        "lockout_share": "server.maxLockoutShare",
        "dynamic_file_user_id_strict": "server.dynamicFileUserIDStrict",
        "reserved_prefixes": "server.reservedPrefixConfig",
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

    #: One deadline for the connection, the request and the whole response.
    timeout: float = 5.0
    #: Calls in flight to each STS host. Known users get a quarter more, and tokens that STS has confirmed before twice
    #: as many.
    concurrency: int = 64
    #: Calls per second to all STS hosts together, after a burst of two seconds' worth. The default is more than one
    #: process can make, so that logins of mapped users never wait. Set a lower value if the daemon shares AWS's quota
    #: with others: by default an account may make 600 calls per second to STS in each Region. In any case, at most 100
    #: calls per second, or a third of this rate if that is less, are spent on tokens that STS refuses or no mapping
    #: matches. The same limit applies to forged tokens with the access key of a known user.
    calls_per_second: int = 10_000
    #: How long STS's response for a token is reused for the same token. `0s` switches the cache off. Mappings are
    #: applied each time.
    cache_ttl: float = 0.0
    #: How long the response may be reused if STS can't be reached. Log and metrics mark such logins.
    stale_if_error: float = 0.0
    #: PEM file of the certificate authorities to trust for STS. By default these are the system's.
    ca_file: str | None = None
    #: An HTTP proxy through which STS is reached (CONNECT).
    proxy: tuple[str, int] | None = None
    #: Regions that botocore does not know yet.
    extra_regions: frozenset[str] = frozenset()
    #: More hosts that tokens may name, or other addresses for known hosts, see below.
    endpoints: tuple[ExtraEndpoint, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TracingSettings:
    """The export of spans by OTLP over HTTP. `endpoint` is the whole URL, with the path of traces.

    `ca_file` None means certifi's trust store, and `sample_ratio` None the SDK's own choice.
    """

    #: The URL of a collector that takes OTLP over HTTP, such as `http://127.0.0.1:4318`. Without a path, spans go to
    #: `/v1/traces`. Use `https` for another host. It is required if the section is there.
    endpoint: str
    #: A file with headers for the collector, such as an API key: one `Name: value` a line. It is read at the start.
    headers_file: str | None = None
    #: PEM file of the certificate authorities to trust for the collector. By default these are certifi's.
    ca_file: str | None = None
    #: The share of reviews without a `traceparent` that have spans. By default `OTEL_TRACES_SAMPLER` decides, or all
    #: have.
    sample_ratio: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The content of a settings file apart from its mappings, with defaults for absent settings.

    `address` and `health_address` may be host names. Port 0 stands for any free port. `backend_mode` has the sources in
    their order, and `reserved_prefixes` the reserved prefixes by source. `lockout_share` is the share (0 to 1)
    of the identities of the last hour that a reload may shut out, None for no limit. `ec2_qps` is per second.
    `audit_log` is a path, empty for no audit log. `tracing` is None if no spans are exported.
    """

    #: The ID that tokens are signed for. Each of your clusters needs its own.
    cluster_id: str
    #: For `authd-token --config`: the role to assume if you name no other. The daemon ignores it.
    default_role: str | None = None
    #: The address of the webhook, or a host name of this machine. If `authd.socket` runs, systemd decides.
    address: str = "127.0.0.1"
    #: The port of the webhook. `0` is any free port.
    port: int = 21362
    #: The name or address by which kube-apiserver calls the webhook, for the certificate and the kubeconfig.
    hostname: str = "localhost"
    #: The address of `/livez`, `/readyz`, `/healthz` and `/metrics`, in plain HTTP. `0.0.0.0` is every interface.
    health_address: str = "127.0.0.1"
    #: The port of health and metrics. `0` is any free port.
    health_port: int = 21363
    #: The folder of the certificates (the last good one too), the last good settings and the last good mappings of the
    #: cluster.
    state_dir: str = "/var/lib/authd"
    #: The webhook kubeconfig that the daemon or `authd init` writes.
    generate_kubeconfig: str = "/etc/kubernetes/authd/kubeconfig.yaml"
    #: `true`: the daemon does not write the webhook kubeconfig, because `authd init` already did.
    kubeconfig_pregenerated: bool = False
    #: The AWS partition of the callers and of STS.
    partition: str = "aws"
    #: Accounts that appear neither in the log nor in responses.
    scrubbed_accounts: frozenset[str] = frozenset()
    #: The sources of mappings in their order, see [below](#other-sources). `MountedFile` is this file.
    backend_mode: tuple[str, ...] = ("MountedFile",)
    #: Prefixes that the mappings of a source may not give to user names and groups: `{backendMode: MountedFile,
    #: usernamePrefixReserveList: ["eks:"], groupPrefixReserveList: ["eks:"]}`. The names are checked after placeholders
    #: are filled in.
    reserved_prefixes: Mapping[str, ReservedPrefixes] = field(default_factory=lambda: MappingProxyType({}))
    #: `true`: `*` (any characters) and `?` (one) in the name of a role are wildcards. Otherwise they are literal
    #: characters, as in aws-iam-authenticator, and such a rule matches nobody.
    role_patterns: bool = False
    #: The file of `DynamicFile`.
    dynamic_file_path: str | None = None
    #: `true`: `DynamicFile` matches callers by `userId`, their unique ID (`AROA…`, `AIDA…`), and by the ARN too if the
    #: rule has one.
    dynamic_file_user_id_strict: bool = False
    #: A JSON or YAML file with `backendMode`, such as `{"backendMode": "DynamicFile EKSConfigMap"}`. Its list replaces
    #: `server.backendMode` at run time, once all new sources have their mappings. A broken or deleted file changes
    #: nothing.
    dynamic_backend_mode_path: str | None = None
    #: The kubeconfig of `EKSConfigMap` and `CRD`. Without it, the pod's service account is used.
    kubeconfig: str | None = None
    #: The API server's address, instead of the kubeconfig's or the pod's.
    master: str | None = None
    #: A role to assume for the look-ups.
    ec2_role_arn: str | None = None
    #: Calls per second, each for up to 100 instances.
    ec2_qps: int = 15
    #: Calls that may be made at once.
    ec2_burst: int = 5
    #: Sent with AssumeRole as `x-amz-source-arn`, with its account, for the role's trust policy.
    source_arn: str | None = None
    #: `true`: `/metrics` is also served on the webhook's port, as aws-iam-authenticator does. `false`: on the health
    #: port only.
    webhook_metrics: bool = True
    #: `true`: only clients with a certificate of the state directory's CA may connect, see [mutual
    #: TLS](operations.md#mutual-tls).
    require_client_certificate: bool = False
    #: The audiences that tokens are valid for. You need them only if kube-apiserver's `--api-audiences` must match.
    audiences: tuple[str, ...] = ()
    #: The keys of the response's `extra`: aws-iam-authenticator's, the same in `lowercase` (they survive
    #: impersonation), or `none`.
    user_extra: UserExtra = UserExtra.STANDARD
    #: The longest token, in characters.
    max_token_length: int = 4096
    #: `true`: start with the last good settings if the file is broken.
    start_from_last_good: bool = False
    #: A reload that locks out more than this share of the identities of the last hour, or removes every mapping, is
    #: refused until `authd reload --force`. A single identity may always be removed. `off`: never refuse.
    lockout_share: float | None = 0.5
    #: The path of the [audit log](operations.md#audit-log), such as `/var/log/authd/audit.jsonl`. Without it, there is
    #: none.
    audit_log: str = ""
    #: The audit log rotates at this size. The last nine files stay beside it, as `FILE.1` to `FILE.9`.
    audit_log_max_megabytes: int = 100
    #: The export of spans, see below. Without it, nothing is traced.
    tracing: TracingSettings | None = None
    #: The settings of the calls to STS, see below.
    sts: STSSettings = field(default_factory=STSSettings)

    @property
    def own_names(self) -> tuple[str, ...]:
        """The names and addresses in authd's own certificate. Clients use the first."""
        return tuple(dict.fromkeys([self.hostname, "localhost", "127.0.0.1", "::1", self.address]))

    def reserved_by(self, source: str) -> ReservedPrefixes:
        """Return the reserved prefixes of a source."""
        return self.reserved_prefixes.get(source, NO_PREFIXES)

    @classmethod
    def restart_fields(cls) -> tuple[str, ...]:
        """Return the names of the fields whose change needs a restart."""
        return tuple(entry.name for entry in fields(cls) if entry.name not in _RELOADED)

    @staticmethod
    def spelled(field_name: str) -> str:
        """Return the path of a field's setting: `server.stateDir` for `state_dir`."""
        first, *others = field_name.split("_")
        return _SPELLED.get(field_name) or f"server.{first}{''.join(map(str.capitalize, others))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A usable settings file: its settings, its mappings, and warnings for the operator."""

    settings: Settings
    table: MappingTable = field(repr=False)
    warnings: tuple[Problem, ...] = ()


#: The default of overrides and defaults.
NOTHING: Mapping[str, str] = MappingProxyType({})
