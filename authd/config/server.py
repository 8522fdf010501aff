"""The whole of a settings file: its top level and the section `server`."""

from __future__ import annotations

from collections.abc import Generator, Mapping

from authd.config.addresses import host, ip_address, port
from authd.config.backends import read_backends
from authd.config.document.nodes import Broken, MappingNode, Scalar
from authd.config.problems import Problems
from authd.config.rules.reader import RuleReader
from authd.config.rules.table import reading_accounts, reading_table
from authd.config.schema import SERVER, TOP, UNBUILT
from authd.config.section import Section
from authd.config.settings import Settings
from authd.config.sts import read_sts
from authd.config.values import boolean, cluster_id, integer, name, one_of, path, role_arn, share
from authd.core.mapping import MappingTable
from authd.core.partitions import Partition
from authd.core.token_review import UserExtra

#: The shortest real tokens have about 700 characters; the header limits of peers end at 16 KiB.
_TOKEN_LENGTHS = (1024, 16384)

_DEFAULT = Settings(cluster_id="-")


def reading_settings(
    root: MappingNode, rules: RuleReader, partitions: Mapping[str, Partition], problems: Problems
) -> Generator[None, None, tuple[Settings, MappingTable]]:
    """Read a file's tree and its rules in steps. The result is unusable if an error was noted."""
    top = Section(root, "", TOP, problems)
    cluster = top.required("clusterID", cluster_id, "the name of the cluster that tokens are signed for")
    server = top.section("server", SERVER)
    _refuse_unbuilt(server)
    partition = server.value("partition", one_of(partitions), _DEFAULT.partition)
    backends = read_backends(server)
    scrubbed = yield from reading_accounts(server, "scrubbedAccounts")
    table = yield from reading_table(server, rules, partition, backends)
    settings = Settings(
        cluster_id=cluster or "",
        default_role=top.value("defaultRole", _role_or_nothing, None),
        address=server.value("address", ip_address, _DEFAULT.address),
        port=server.value("port", port, _DEFAULT.port),
        hostname=server.value("hostname", host, _DEFAULT.hostname),
        health_address=server.value("healthAddress", ip_address, _DEFAULT.health_address),
        health_port=server.value("healthPort", port, _DEFAULT.health_port),
        state_dir=_path(server, "stateDir", _DEFAULT.state_dir),
        generate_kubeconfig=_path(server, "generateKubeconfig", _DEFAULT.generate_kubeconfig),
        kubeconfig_pregenerated=server.value("kubeconfigPregenerated", boolean, _DEFAULT.kubeconfig_pregenerated),
        partition=partition,
        scrubbed_accounts=frozenset(scrubbed),
        backend_mode=backends,
        require_client_certificate=server.value(
            "requireClientCertificate", boolean, _DEFAULT.require_client_certificate
        ),
        audiences=tuple(dict.fromkeys(audience for _, audience in server.values("audiences", name))),
        user_extra=server.value("userExtra", one_of(UserExtra), _DEFAULT.user_extra),
        max_token_length=server.value("maxTokenLength", integer(*_TOKEN_LENGTHS), _DEFAULT.max_token_length),
        start_from_last_good=server.value("startFromLastGood", boolean, _DEFAULT.start_from_last_good),
        lockout_share=server.value("maxLockoutShare", share, _DEFAULT.lockout_share),
        sts=read_sts(server, partitions[partition]),
    )
    return settings, table


def _refuse_unbuilt(server: Section) -> None:
    """Note settings of what isn't built, unless they say the same as if they weren't there."""
    for setting, reason in UNBUILT.items():
        node = server.node_of(setting)
        absent = node is None or isinstance(node, Broken) or (isinstance(node, Scalar) and _is_unset(node))
        if not absent and node is not None:
            server.problems.error(node, f"server.{setting} is not supported yet, remove it: {reason}")


def _is_unset(node: Scalar) -> bool:
    return node.is_null or node.text in {"", "false"}


def _role_or_nothing(text: str) -> str | None:
    return role_arn(text) if text else None


def _path(server: Section, setting: str, default: str) -> str:
    value, node = server.value(setting, path, default), server.node_of(setting)
    if node is not None and not node.option and not value.startswith("/"):
        server.problems.warn(node, f"server.{setting} depends on the directory that the daemon is started in")
    return value
