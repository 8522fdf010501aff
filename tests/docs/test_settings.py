from __future__ import annotations

import re
from pathlib import Path

import pytest

from authd.config.fields import schema as names
from authd.config.load import load_settings
from authd.config.settings import Settings
from authd.core.mapping.templates import PLACEHOLDERS
from authd.partition_data import load_partitions

TEXT = (Path(__file__).parents[2] / "docs" / "settings.md").read_text("utf-8")
ROW = re.compile(r"^\| `([A-Za-z0-9.]+)` \| (?:`([^`]*)`|([^|]*)) \|", re.MULTILINE)
DOCUMENTED = {name: code or plain for name, code, plain in ROW.findall(TEXT)}
#: Names in a table of their own, without a path.
SECTIONS = {"mapRoles": names.ROLE, "endpoints": names.ENDPOINT}
#: Names that are described where they are used.
INLINE = [*names.USER.values(), *names.SSO.values(), *names.RESERVED.values()]


def known():
    """Return every setting's path."""
    return [
        *names.TOP.values(), *(f"server.{name}" for name in names.SERVER.values() if name not in {"sts", "tracing"}),
        *(f"server.sts.{name}" for name in names.STS.values()),
        *(f"server.tracing.{name}" for name in names.TRACING.values()),
    ]  # fmt: skip


@pytest.mark.parametrize("setting", known())
def test_each_setting_is_documented(setting):
    """Every setting has a row with its path."""
    assert setting in DOCUMENTED


@pytest.mark.parametrize("name", [name for section in SECTIONS.values() for name in section.values()])
def test_each_name_in_a_list_is_documented(name):
    """Every name in a rule or an endpoint has a row."""
    assert re.search(rf"^\| `{name}` \| ", TEXT, re.MULTILINE)


@pytest.mark.parametrize("name", INLINE)
def test_each_other_name_is_mentioned(name):
    """Every other name is mentioned."""
    assert re.search(rf"\b{name}\b", TEXT)


def test_nothing_unknown_is_documented():
    """No row is about a setting that does not exist."""
    listed = {name for section in SECTIONS.values() for name in section.values()}
    assert set(DOCUMENTED) - listed == set(known())


@pytest.mark.parametrize("name", PLACEHOLDERS)
def test_each_placeholder_is_documented(name):
    """Every placeholder is mentioned literally."""
    assert f"{{{{{name}}}}}" in TEXT


def test_each_partition_is_documented():
    """Every partition that botocore knows is mentioned."""
    assert [name for name in load_partitions() if f"`{name}`" not in TEXT] == []


def seconds(text):
    return float(text.removesuffix("s"))


@pytest.mark.parametrize(
    ("setting", "field", "read"),
    [
        ("server.address", "address", str),
        ("server.port", "port", int),
        ("server.hostname", "hostname", str),
        ("server.healthAddress", "health_address", str),
        ("server.healthPort", "health_port", int),
        ("server.stateDir", "state_dir", str),
        ("server.generateKubeconfig", "generate_kubeconfig", str),
        ("server.kubeconfigPregenerated", "kubeconfig_pregenerated", "true".__eq__),
        ("server.requireClientCertificate", "require_client_certificate", "true".__eq__),
        ("server.partition", "partition", str),
        ("server.rolePatterns", "role_patterns", "true".__eq__),
        ("server.webhookMetrics", "webhook_metrics", "true".__eq__),
        ("server.dynamicFileUserIDStrict", "dynamic_file_user_id_strict", "true".__eq__),
        ("server.ec2DescribeInstancesQps", "ec2_qps", int),
        ("server.ec2DescribeInstancesBurst", "ec2_burst", int),
        ("server.backendMode", "backend_mode", lambda text: tuple(text.strip("[]").split(", "))),
        ("server.userExtra", "user_extra", str),
        ("server.maxTokenLength", "max_token_length", int),
        ("server.startFromLastGood", "start_from_last_good", "true".__eq__),
        ("server.maxLockoutShare", "lockout_share", float),
        ("server.auditLogMaxMegabytes", "audit_log_max_megabytes", int),
        ("server.sts.timeout", "timeout", seconds),
        ("server.sts.concurrency", "concurrency", int),
        ("server.sts.callsPerSecond", "calls_per_second", int),
        ("server.sts.cacheTTL", "cache_ttl", seconds),
        ("server.sts.staleIfError", "stale_if_error", seconds),
    ],
)
def test_defaults(setting, field, read):
    """The defaults in the document are those of the code."""
    settings = Settings(cluster_id="c")
    assert read(DOCUMENTED[setting]) == getattr(settings.sts if ".sts." in setting else settings, field)


def test_the_example_loads():
    """The settings at the beginning of the document load without a warning."""
    example = re.search(r"^    clusterID: (?:.*\n    )*.*$", TEXT, re.MULTILINE)[0].replace("\n    ", "\n").strip()
    assert load_settings(example.encode(), file="example", partitions=load_partitions()).warnings == ()
