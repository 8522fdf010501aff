"""Reads the top level of a settings file and the section `server`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

from authd.config.backends import BACKENDS, MOUNTED_FILE, read_backends, read_prefixes, warn_of_idle_options
from authd.config.document.nodes import MappingNode, Scalar
from authd.config.document.problems import Problems
from authd.config.fields.addresses import host_name, listen_address, port
from authd.config.fields.schema import FREE_PREFIX, SERVER, TOP
from authd.config.fields.section import Section
from authd.config.fields.values import InvalidValue, boolean, cluster_id, integer, name, one_of, path, role_arn, share
from authd.config.rules.reader import RuleReader
from authd.config.rules.table import reading_accounts, reading_table
from authd.config.settings import Settings
from authd.config.sts import read_sts
from authd.config.tracing import read_tracing
from authd.core.arn import LiteralArn
from authd.core.mapping.reserved import NO_PREFIXES
from authd.core.mapping.table import MappingTable
from authd.core.partitions import Partition
from authd.core.token_review import UserExtra

#: Real tokens have at least about 700 characters. Other servers limit headers to 16 KiB.
_TOKEN_LENGTHS = (1024, 16384)
#: The upper bound is more calls per second than EC2 allows an account.
_EC2_RATE = integer(1, 10_000)
#: Sizes at which the audit log may rotate. Ten files exist at most.
_AUDIT_MEGABYTES = (1, 1_000_000)

_NO_MAPPINGS = MappingTable(exact=MappingProxyType({}))
_DEFAULT = Settings(cluster_id="-")

_NO_INSTANCE_NAMES = "no rule has {{EC2PrivateDNSName}}"

Value = TypeVar("Value")
Default = TypeVar("Default", str, None)


def reading_settings(
    root: MappingNode, rules: RuleReader, partitions: Mapping[str, Partition], problems: Problems
) -> Generator[None, None, tuple[Settings, MappingTable]]:
    """Read a file's tree and its rules in steps. The result is only valid if `problems` has no errors."""
    top = Section(root, "", TOP, problems, FREE_PREFIX)
    cluster = top.required("clusterID", cluster_id, "the name of the cluster that tokens are signed for")
    server = top.section("server", SERVER)
    partition = server.value("partition", one_of(partitions), _DEFAULT.partition)
    backends = read_backends(server)
    files = _files(server)
    # The file of `dynamicBackendModePath` may switch to any source at run time.
    possible = BACKENDS if files["dynamic_backend_mode_path"] else backends
    prefixes = read_prefixes(server, possible)
    scrubbed = yield from reading_accounts(server, "scrubbedAccounts")
    table = yield from reading_table(server, rules, partition, prefixes.get(MOUNTED_FILE, NO_PREFIXES))
    warn_of_idle_options(server, possible)
    _warn_of_no_mapping(problems, table, possible)
    settings = Settings(
        cluster_id=cluster or "",
        default_role=_unused(top, "defaultRole", role_arn, None, reason="the daemon does not use it"),
        partition=partition,
        scrubbed_accounts=frozenset(scrubbed),
        backend_mode=backends,
        reserved_prefixes=prefixes,
        sts=read_sts(server, partitions[partition]),
        tracing=read_tracing(server),
        **_listening(server),
        **files,
        **_answers(server),
        **_sources(server, with_instance_names=rules.use_instance_names or backends != (MOUNTED_FILE,)),
    )
    return settings, table if MOUNTED_FILE in possible else _NO_MAPPINGS


def _listening(server: Section) -> dict[str, Any]:
    return {
        "address": server.value("address", listen_address, _DEFAULT.address),
        "port": server.value("port", port, _DEFAULT.port),
        "hostname": server.value("hostname", host_name, _DEFAULT.hostname),
        "health_address": server.value("healthAddress", listen_address, _DEFAULT.health_address),
        "health_port": server.value("healthPort", port, _DEFAULT.health_port),
        "webhook_metrics": server.value("webhookMetrics", boolean, _DEFAULT.webhook_metrics),
    }


def _files(server: Section) -> dict[str, Any]:
    return {
        "state_dir": _path(server, "stateDir", _DEFAULT.state_dir),
        "generate_kubeconfig": _path(server, "generateKubeconfig", _DEFAULT.generate_kubeconfig),
        "kubeconfig_pregenerated": server.value("kubeconfigPregenerated", boolean, _DEFAULT.kubeconfig_pregenerated),
        "dynamic_file_path": _path(server, "dynamicFilePath", None),
        "dynamic_backend_mode_path": _path(server, "dynamicBackendModePath", None),
        "kubeconfig": _path(server, "kubeconfig", None),
    }


def _answers(server: Section) -> dict[str, Any]:
    return {
        "require_client_certificate": server.value(
            "requireClientCertificate", boolean, _DEFAULT.require_client_certificate
        ),
        "audiences": tuple(dict.fromkeys(audience for _, audience in server.values("audiences", name))),
        "user_extra": server.value("userExtra", one_of(UserExtra), _DEFAULT.user_extra),
        "max_token_length": server.value("maxTokenLength", integer(*_TOKEN_LENGTHS), _DEFAULT.max_token_length),
        "start_from_last_good": server.value("startFromLastGood", boolean, _DEFAULT.start_from_last_good),
        "lockout_share": server.value("maxLockoutShare", share, _DEFAULT.lockout_share),
        "role_patterns": server.value("rolePatterns", boolean, _DEFAULT.role_patterns),
        "audit_log": _path(server, "auditLog", _DEFAULT.audit_log),
        "audit_log_max_megabytes": server.value(
            "auditLogMaxMegabytes", integer(*_AUDIT_MEGABYTES), _DEFAULT.audit_log_max_megabytes
        ),
    }


def _sources(server: Section, *, with_instance_names: bool) -> dict[str, Any]:
    read: Any = server.value if with_instance_names else partial(_unused, server, reason=_NO_INSTANCE_NAMES)
    return {
        "dynamic_file_user_id_strict": server.value(
            "dynamicFileUserIDStrict", boolean, _DEFAULT.dynamic_file_user_id_strict
        ),
        "master": server.value("master", name, None),
        "ec2_role_arn": read("ec2DescribeInstancesRoleARN", role_arn, None),
        "ec2_qps": read("ec2DescribeInstancesQps", _EC2_RATE, _DEFAULT.ec2_qps),
        "ec2_burst": read("ec2DescribeInstancesBurst", _EC2_RATE, _DEFAULT.ec2_burst),
        "source_arn": server.value("sourceARN", name, None),
    }


def _unused(
    section: Section, setting: str, read: Callable[[str], Value], default: Value | None, *, reason: str
) -> Value | None:
    """Read a setting without effect. A wrong value is only a warning, with the reason why it is ignored."""
    node = section.node_of(setting)
    if not isinstance(node, Scalar):
        return section.value(setting, read, default)
    try:
        return read(node.text)
    except InvalidValue as wrong:
        section.problems.warn(node, f"{section.path}{setting} {wrong}; it is ignored, since {reason}")
        return default


def _warn_of_no_mapping(problems: Problems, table: MappingTable, backends: tuple[str, ...]) -> None:
    """Warn if nobody can log in, because no rule of the file can match and there is no other source."""
    if problems.has_errors or backends != (MOUNTED_FILE,):
        return
    if table.accounts or table.patterns or any(not isinstance(r.subject, LiteralArn) for r in table.exact.values()):
        return
    problems.warn(
        Scalar(0, 0, ""),
        "no mapping can match, so nobody can log in: add server.mapRoles, mapUsers or mapAccounts",
    )


def _path(server: Section, setting: str, default: Default) -> str | Default:
    value, node = server.value(setting, path, default), server.node_of(setting)
    if node is not None and node.origin is None and not str(value).startswith("/"):
        server.problems.warn(node, f"server.{setting} is relative to the daemon's directory: write an absolute path")
    return value
