from __future__ import annotations

import dataclasses
import re

import pytest

from authd.config.fields.schema import SERVER, TOP
from authd.config.load import load_settings
from authd.config.settings import Settings, STSSettings, TracingSettings
from authd.core.mapping.reserved import ReservedPrefixes
from authd.core.partitions import ExtraEndpoint
from authd.core.token_review import UserExtra

C = "clusterID: c\n"


def notable(loaded):
    """Return the warnings except the one that nobody can log in, which most of these files have."""
    return tuple(warning for warning in loaded.warnings if "nobody can log in" not in warning.message)


def test_defaults(load):
    """A file with only a cluster ID has the documented defaults."""
    assert load(C).settings == Settings(
        cluster_id="c",
        default_role=None,
        address="127.0.0.1",
        port=21362,
        hostname="localhost",
        health_address="127.0.0.1",
        health_port=21363,
        state_dir="/var/lib/authd",
        generate_kubeconfig="/etc/kubernetes/authd/kubeconfig.yaml",
        kubeconfig_pregenerated=False,
        partition="aws",
        scrubbed_accounts=frozenset(),
        backend_mode=("MountedFile",),
        reserved_prefixes={},
        role_patterns=False,
        dynamic_file_path=None,
        dynamic_file_user_id_strict=False,
        dynamic_backend_mode_path=None,
        kubeconfig=None,
        master=None,
        ec2_role_arn=None,
        ec2_qps=15,
        ec2_burst=5,
        source_arn=None,
        webhook_metrics=True,
        require_client_certificate=False,
        audiences=(),
        user_extra=UserExtra.STANDARD,
        max_token_length=4096,
        start_from_last_good=False,
        lockout_share=0.5,
        tracing=None,
        sts=STSSettings(
            timeout=5.0,
            concurrency=64,
            calls_per_second=10_000,
            cache_ttl=0.0,
            stale_if_error=0.0,
            ca_file=None,
            proxy=None,
            extra_regions=frozenset(),
            endpoints=(),
        ),
    )


@pytest.mark.parametrize("server", ["", "~", "{}", "{mapRoles: , mapUsers: ~, mapAccounts: [], sts: }"])
def test_sections_and_lists_may_be_empty(load, server):
    """An empty value for a section or list counts as an empty one."""
    assert load(f"{C}server: {server}").settings == load(C).settings


GOOD = {
    "clusterID": ("clusterID: 'a b:c/d'", "cluster_id", "a b:c/d"),
    "clusterID long": (f"clusterID: {'x' * 1024}", "cluster_id", "x" * 1024),
    "defaultRole": (
        C + "defaultRole: arn:aws:iam::111122223333:role/p/A", "default_role", "arn:aws:iam::111122223333:role/p/A",
    ),
    "defaultRole empty": (C + "defaultRole: ''", "default_role", None),
    "address": (C + "server: {address: 0.0.0.0}", "address", "0.0.0.0"),
    "address name": (C + "server: {address: LocalHost}", "address", "localhost"),
    "address IPv6 in brackets": (C + "server: {address: '[::1]'}", "address", "::1"),
    "hostname IPv6 in brackets": (C + "server: {hostname: '[fd00::1]'}", "hostname", "fd00::1"),
    "port underscore": (C + "server: {port: 21_362}", "port", 21362),
    "port float": (C + "server: {port: 443.0}", "port", 443),
    "address IPv6": (C + "server: {address: '::'}", "address", "::"),
    "port": (C + "server: {port: 443}", "port", 443),
    "port quoted": (C + "server: {port: '443'}", "port", 443),
    "port any": (C + "server: {port: 0}", "port", 0),
    "port last": (C + "server: {port: 65535}", "port", 65535),
    "hostname": (C + "server: {hostname: Node-1.Example.ORG}", "hostname", "node-1.example.org"),
    "hostname of a container": (C + "server: {hostname: Node_1}", "hostname", "node_1"),
    "port hexadecimal": (C + "server: {port: 0x5372}", "port", 21362),
    "account with underscores": (
        C + "server: {scrubbedAccounts: [111_122_223_333]}", "scrubbed_accounts", {"111122223333"},
    ),
    "hostname longest": (C + f"server: {{hostname: {'a.' * 126}a}}", "hostname", "a." * 126 + "a"),
    "hostname IP": (C + "server: {hostname: 10.0.0.1}", "hostname", "10.0.0.1"),
    "hostname IPv6": (C + "server: {hostname: 'fd00::1'}", "hostname", "fd00::1"),
    "healthAddress": (C + "server: {healthAddress: 10.0.0.1}", "health_address", "10.0.0.1"),
    "healthPort": (C + "server: {healthPort: 8080}", "health_port", 8080),
    "stateDir": (C + "server: {stateDir: /s}", "state_dir", "/s"),
    "stateDir longest": (C + f"server: {{stateDir: /{'a' * 4095}}}", "state_dir", "/" + "a" * 4095),
    "generateKubeconfig": (C + "server: {generateKubeconfig: /k}", "generate_kubeconfig", "/k"),
    "kubeconfigPregenerated": (C + "server: {kubeconfigPregenerated: true}", "kubeconfig_pregenerated", True),
    "kubeconfigPregenerated yes": (C + "server: {kubeconfigPregenerated: Yes}", "kubeconfig_pregenerated", True),
    "kubeconfigPregenerated 1": (C + "server: {kubeconfigPregenerated: 1}", "kubeconfig_pregenerated", True),
    "kubeconfigPregenerated f": (C + "server: {kubeconfigPregenerated: F}", "kubeconfig_pregenerated", False),
    "kubeconfigPregenerated off": (C + "server: {kubeconfigPregenerated: off}", "kubeconfig_pregenerated", False),
    "partition": (C + "server: {partition: aws-us-gov}", "partition", "aws-us-gov"),
    "scrubbedAccounts one": (C + "server: {scrubbedAccounts: 111122223333}", "scrubbed_accounts", {"111122223333"}),
    "scrubbedAccounts several": (
        C + "server: {scrubbedAccounts: '111122223333,444455556666,777788889999'}", "scrubbed_accounts",
        {"111122223333", "444455556666", "777788889999"},
    ),
    "scrubbedAccounts in floating point": (
        C + "server: {scrubbedAccounts: [1.11122223333e+11, 4.5E11, 777788889999.0]}", "scrubbed_accounts",
        {"111122223333", "450000000000", "777788889999"},
    ),
    "scrubbedAccounts one in floating point": (
        C + "server: {scrubbedAccounts: 1.11122223333e+11}", "scrubbed_accounts", {"111122223333"},
    ),
    "scrubbedAccounts null": (C + "server: {scrubbedAccounts: [~, '']}", "scrubbed_accounts", frozenset()),
    "scrubbedAccounts": (
        C + "server: {scrubbedAccounts: ['000000000001', 111122223333]}", "scrubbed_accounts",
        frozenset({"000000000001", "111122223333"}),
    ),
    "backendMode": (C + "server: {backendMode: [MountedFile]}", "backend_mode", ("MountedFile",)),
    "backendMode old": (C + "server: {backendMode: [File]}", "backend_mode", ("MountedFile",)),
    "backendMode one": (C + "server: {backendMode: MountedFile}", "backend_mode", ("MountedFile",)),
    "backendMode empty text": (C + "server: {backendMode: ''}", "backend_mode", ("MountedFile",)),
    "backendMode empty": (C + "server: {backendMode: []}", "backend_mode", ("MountedFile",)),
    "requireClientCertificate": (C + "server: {requireClientCertificate: 'true'}", "require_client_certificate", True),
    "audiences": (C + "server: {audiences: [b, a, b]}", "audiences", ("b", "a")),
    "audiences one": (C + "server: {audiences: a}", "audiences", ("a",)),
    "audiences by commas": (C + "server: {audiences: 'a,b,'}", "audiences", ("a", "b")),
    "audiences null": (C + "server: {audiences: [~, a, '']}", "audiences", ("a",)),
    "userExtra": (C + "server: {userExtra: lowercase}", "user_extra", UserExtra.LOWERCASE),
    "userExtra none": (C + "server: {userExtra: none}", "user_extra", UserExtra.NONE),
    "maxTokenLength": (C + "server: {maxTokenLength: 16384}", "max_token_length", 16384),
    "startFromLastGood": (C + "server: {startFromLastGood: true}", "start_from_last_good", True),
    "maxLockoutShare": (C + "server: {maxLockoutShare: 0.25}", "lockout_share", 0.25),
    "maxLockoutShare all": (C + "server: {maxLockoutShare: 1}", "lockout_share", 1.0),
    "maxLockoutShare off": (C + "server: {maxLockoutShare: off}", "lockout_share", None),
    "auditLog": (C + "server: {auditLog: /var/log/a.jsonl}", "audit_log", "/var/log/a.jsonl"),
    "auditLogMaxMegabytes": (C + "server: {auditLogMaxMegabytes: 5}", "audit_log_max_megabytes", 5),
    "tracing": (
        C + "server: {tracing: {endpoint: 'https://otel.example.org', headersFile: /h, caFile: /c, sampleRatio: 0.25}}",
        "tracing",
        TracingSettings(
            endpoint="https://otel.example.org/v1/traces", headers_file="/h", ca_file="/c", sample_ratio=0.25
        ),
    ),
    "tracing of a path": (
        C + "server: {tracing: {endpoint: 'http://LOCALHOST:4318/otlp/v1/traces/'}}", "tracing",
        TracingSettings(endpoint="http://localhost:4318/otlp/v1/traces"),
    ),
    "tracing by IPv6": (
        C + "server: {tracing: {endpoint: 'http://[::1]:4318/', sampleRatio: 1.0}}", "tracing",
        TracingSettings(endpoint="http://[::1]:4318/v1/traces", sample_ratio=1.0),
    ),
    "no tracing": (C + "server: {tracing: ~}", "tracing", None),
    "case of keys": (C + "SERVER: {PORT: 1}", "port", 1),
    "sources' options unset": (
        C + "server: {kubeconfig: '', master: ~, dynamicFileUserIDStrict: false, sourceARN: ''}", "master", None,
    ),
    "rolePatterns": (C + "server: {rolePatterns: true}", "role_patterns", True),
    "webhookMetrics": (C + "server: {webhookMetrics: false}", "webhook_metrics", False),
    "EC2 role": (
        C + "server: {ec2DescribeInstancesRoleARN: arn:aws:iam::111122223333:role/Describe}", "ec2_role_arn",
        "arn:aws:iam::111122223333:role/Describe",
    ),
    "EC2 rate": (C + "server: {ec2DescribeInstancesQps: 7}", "ec2_qps", 7),
    "EC2 burst": (C + "server: {ec2DescribeInstancesBurst: '3'}", "ec2_burst", 3),
    "sourceARN": (C + "server: {sourceARN: 'arn:aws:eks:us-east-1:111122223333:cluster/c'}", "source_arn",
                  "arn:aws:eks:us-east-1:111122223333:cluster/c"),
    "null everywhere": (
        C + "defaultRole: ~\nserver: {address: ~, port: null, hostname: , stateDir: '', partition: '', backendMode: ~}",
        "port", 21362,
    ),
    "keys with anchors": ("x-a: &a [1, 2]\nX-b: *a\n" + C, "port", 21362),
}  # fmt: skip


@pytest.mark.parametrize(("text", "field", "value"), GOOD.values(), ids=GOOD)
def test_good_values(load, text, field, value):
    """Each valid value is parsed."""
    loaded = load(text)
    assert getattr(loaded.settings, field) == value
    assert notable(loaded) == ()


BAD = {
    "clusterID empty": ("clusterID: ''", 1, 1, "clusterID is missing"),
    "clusterID null": ("clusterID:", 1, 1, "clusterID is missing"),
    "clusterID word null": ("clusterID: null", 1, 1, "clusterID is missing"),
    "address": (C + "server: {address: a:b}", 2, 19, "server.address must be an IP address, such as 127.0.0.1"),
    "kubeconfigPregenerated": (C + "server: {kubeconfigPregenerated: 2}", 2, 34, "must be true or false"),
    "account with hyphens": (C + "server: {mapAccounts: [1111-2222-3333]}", 2, 24, "without hyphens"),
    "names that are there": (
        "clusterID: c\nclusterid2: d", 2, 1, "unknown setting clusterid2: the settings here are clusterID, defaultRole, server",
    ),
    "a free key below the top": (C + "server: {x-a: 1}", 2, 10, "unknown setting server.x-a"),
    "clusterID too long": (f"clusterID: {'x' * 1025}", 1, 12, "clusterID must be"),
    "clusterID space": ("clusterID: 'a '", 1, 12, "clusterID must be"),
    "clusterID newline": ('clusterID: "a\\nb"', 1, 12, "clusterID must be"),
    "clusterID no ASCII": ("clusterID: é", 1, 12, "clusterID must be"),
    "clusterID list": ("clusterID: [a]", 1, 12, "clusterID must be a single value, not a list"),
    "clusterID mapping": ("clusterID: {a: b}", 1, 12, "clusterID must be a single value, not a mapping"),
    "clusterID missing": ("server: {}", 1, 1, "clusterID is missing"),
    "server a list": (C + "server: []", 2, 9, "server must be a mapping"),
    "server a text": (C + "server: a", 2, 9, "server must be a mapping"),
    "address zeros": (C + "server: {address: 127.0.0.01}", 2, 19, "server.address must be an IP address"),
    "port": (C + "server: {port: http}", 2, 16, "server.port must be a whole number from 0 to 65535"),
    "port octal": (C + "server: {port: 021362}", 2, 16, "server.port must be"),
    "port other digits": (C + "server: {port: '\u0661\u0662'}", 2, 16, "server.port must be"),
    "port negative": (C + "server: {port: -1}", 2, 16, "server.port must be"),
    "port space": (C + "server: {port: ' 1'}", 2, 16, "server.port must be"),
    "port too large": (C + "server: {port: 65536}", 2, 16, "server.port must be"),
    "port enormous": (C + f"server: {{port: {'9' * 5000}}}", 2, 16, "server.port must be"),
    "hostname": (C + "server: {hostname: a b}", 2, 20, "server.hostname must be a DNS name or an IP address"),
    "hostname no ASCII": (C + "server: {hostname: '\u212aube'}", 2, 20, "server.hostname must be"),
    "hostname long": (C + f"server: {{hostname: {'a.' * 126}ab}}", 2, 20, "server.hostname must be"),
    "hostname IP with port": (C + "server: {hostname: '10.0.0.1:1'}", 2, 20, "server.hostname must be"),
    "hostname number": (C + "server: {hostname: 1.2.3.4.5}", 2, 20, "server.hostname must be"),
    "stateDir control": (C + 'server: {stateDir: "/a\\0"}', 2, 20, "server.stateDir must be a path"),
    "stateDir long": (C + f"server: {{stateDir: /{'a' * 4096}}}", 2, 20, "server.stateDir must be a path"),
    "kubeconfigPregenerated no ASCII": (C + "server: {kubeconfigPregenerated: '\u017fo'}", 2, 34, "must be true or false"),
    "partition": (C + "server: {partition: amazon}", 2, 21, "server.partition must be aws, aws-cn"),
    "scrubbedAccounts": (C + "server: {scrubbedAccounts: [1234]}", 2, 29, "zeros at the beginning were lost"),
    "scrubbedAccounts text of a number": (
        C + "server: {scrubbedAccounts: ['1.11122223333e+11']}", 2, 29, "is in scientific notation, as Helm writes"
    ),
    "scrubbedAccounts too short": (C + "server: {scrubbedAccounts: [1.1112222333e+10]}", 2, 29, "scientific notation"),
    "scrubbedAccounts word": (C + "server: {scrubbedAccounts: [all]}", 2, 29, "must be an AWS account's number of 12 digits"),
    "scrubbedAccounts longer": (C + "server: {scrubbedAccounts: [1111222233334]}", 2, 29, "must be an AWS account's number"),
    "scrubbedAccounts mapping": (C + "server: {scrubbedAccounts: {a: b}}", 2, 28, "server.scrubbedAccounts must be a list"),
    "backendMode unknown": (C + "server: {backendMode: [Mountedfile]}", 2, 24, "did you mean MountedFile?"),
    "backendMode nonsense": (C + "server: {backendMode: [zzz]}", 2, 24, "known are MountedFile, EKSConfigMap, CRD or DynamicFile"),
    "audiences": (C + 'server: {audiences: ["a\\tb"]}', 2, 22, "server.audiences must not have control"),
    "userExtra": (C + "server: {userExtra: all}", 2, 21, "server.userExtra must be standard, lowercase or none"),
    "maxTokenLength": (C + "server: {maxTokenLength: 1023}", 2, 26, "must be a whole number from 1024 to 16384"),
    "maxTokenLength large": (C + "server: {maxTokenLength: 16385}", 2, 26, "must be a whole number from 1024 to 16384"),
    "maxLockoutShare": (C + "server: {maxLockoutShare: 1.5}", 2, 27, "must be a number from 0 to 1, such as 0.5, or off"),
    "maxLockoutShare percent": (C + "server: {maxLockoutShare: 50%}", 2, 27, "must be a number from 0 to 1"),
    "unknown": (C + "server: {mapRole: []}", 2, 10, "unknown setting server.mapRole: did you mean mapRoles?"),
    "unknown, far from any": (C + "zzzz: 1", 2, 1, "unknown setting zzzz: the settings here are clusterID, defaultRole, server"),
    "unknown, of below": (C + "mapRoles: []", 2, 1, "unknown setting mapRoles: move it under server"),
    "unknown, of two below": (C + "cacheTTL: 1s", 2, 1, "unknown setting cacheTTL: move it under server.sts"),
    "unknown, of above": (C + "server: {clusterID: c}", 2, 10, "move it to the top of the file"),
    "unknown, other letters": (C + "\u212aubeconfig: 1", 2, 1, "unknown setting \u212aubeconfig"),
    "unknown, invisible": (C + '"a\\u202eb": 1', 2, 1, "unknown setting 'a\\u202eb'"),
    "unknown, endless": (C + f"? {'z' * 500}\n: 1", 2, 3, f"unknown setting {'z' * 64}…"),
    "reserved, unknown backend": (C + "server: {reservedPrefixConfig: [{backendMode: Fil}]}", 2, 47, "unknown backend"),
    "reserved, no backend": (C + "server: {reservedPrefixConfig: [{}]}", 2, 33, "backendMode is missing"),
    "reserved, no mapping": (C + "server: {reservedPrefixConfig: [a]}", 2, 33, "server.reservedPrefixConfig must be a mapping"),
    "reserved, everything": (
        C + 'server: {reservedPrefixConfig: [{backendMode: MountedFile, usernamePrefixReserveList: ["a\\tb"]}]}', 2, 88,
        "server.reservedPrefixConfig.usernamePrefixReserveList must not have control",
    ),
    "reserved, unknown": (
        C + "server: {reservedPrefixConfig: [{backendMode: MountedFile, reserved: []}]}", 2, 60, "unknown setting",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "line", "column", "message"), BAD.values(), ids=BAD)
def test_bad_values(refuse, text, line, column, message):
    """Each wrong value is one error at its place that says what is allowed."""
    (problem,) = refuse(text)
    assert (problem.line, problem.column) == (line, column)
    assert message in problem.message


def test_reserved_prefixes_count_for_backends_in_use(load):
    """Prefixes of an unused backend have a warning. Later prefixes of a backend replace earlier ones."""
    loaded = load(
        f"{C}server:\n  reservedPrefixConfig:\n"
        "  - {backendMode: DynamicFile, usernamePrefixReserveList: [d]}\n"
        "  - {backendMode: File, usernamePrefixReserveList: [a]}\n"
        "  - {backendMode: MountedFile, usernamePrefixReserveList: [b, c]}\n"
    )
    assert loaded.table.reserved == ReservedPrefixes(usernames=("b", "c"))
    assert [(warning.line, warning.message) for warning in notable(loaded)] == [
        (4, "the prefixes have no effect: DynamicFile is not among server.backendMode"),
        (6, "MountedFile already has reserved prefixes: these replace them"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("server: {backendMode: [MountedFile, File]}", "MountedFile appears twice in server.backendMode"),
        ("server: {ec2DescribeInstancesRoleARN: Describe}", "it is ignored, since no rule has {{EC2PrivateDNSName}}"),
        ("server: {ec2DescribeInstancesQps: 0}", "server.ec2DescribeInstancesQps must be a whole number"),
        ("defaultRole: Admin", "defaultRole is not an ARN, which begins with arn:"),
        ("defaultRole: arn:aws:iam::111122223333:user/A", "defaultRole must be the ARN of an IAM role"),
    ],
)
def test_wrong_values_without_effect_are_warnings(load, text, message):
    """A wrong value of a setting without effect is a warning, and the default is used."""
    loaded = load(C + text)
    assert [message in warning.message for warning in notable(loaded)] == [True]
    assert loaded.settings == load(C).settings


def test_values_that_rules_need_are_checked(refuse):
    """If a rule needs instance names, wrong settings for their look-up are errors."""
    rule = "{roleARN: 'arn:aws:iam::111122223333:role/N', username: 'system:node:{{EC2PrivateDNSName}}'}"
    (problem,) = refuse(f"{C}server: {{mapRoles: [{rule}], ec2DescribeInstancesQps: 0}}")
    assert "must be a whole number from 1 to 10000" in problem.message


@pytest.mark.parametrize(
    ("accounts", "messages"),
    [
        ("['012345670123', 098765432109, 111122223333]", []),
        ("012345670123", ["aws-iam-authenticator reads an octal number and another account: quote it"]),
        ("[012345670123]", ["aws-iam-authenticator reads an octal number and another account: quote it"]),
        ("'111122223333,444455556666'", []),
        ("'111122223333, 444455556666'", ["white space separates accounts here, but is a part of the numbers"]),
        ('"111122223333\\n444455556666\\n"', ["white space separates accounts here, but is a part of the numbers"]),
    ],
)
def test_accounts_with_another_meaning_elsewhere_are_warned_of(load, accounts, messages):
    """Accounts that aws-iam-authenticator reads as other ones are in force, with a warning."""
    loaded = load(f"{C}server: {{mapAccounts: {accounts}}}")
    assert set(re.findall("[0-9]{12}", accounts)) == set(loaded.table.accounts)
    warnings = [warning.message for warning in notable(loaded)]
    assert len(warnings) == len(messages)
    assert all(message in warning for message, warning in zip(messages, warnings, strict=True))


def test_a_relative_path_is_a_warning(load):
    """A path relative to the working directory is used, with a warning."""
    loaded = load(C + "server: {stateDir: state}")
    assert loaded.settings.state_dir == "state"
    assert notable(loaded)[0].message.startswith("server.stateDir is relative to the daemon's directory")


def test_a_duplicate_account_is_a_warning(load):
    """A duplicate account is a warning with both lines."""
    loaded = load(f"{C}server:\n  mapAccounts:\n  - '111122223333'\n  - 111122223333\n")
    assert [str(warning) for warning in notable(loaded)] == ["f:5:5: the account is already in mapAccounts, in line 4"]
    assert loaded.table.accounts == {"111122223333": "f:5:5"}


def test_options_override_the_file(load):
    """A command line option is parsed like the file's value and replaces it."""
    settings = load(
        "clusterID: c\nserver: {PORT: nonsense, stateDir: /s}",
        server__port="1",
        clusterID="d",
        server__kubeconfigPregenerated="true",
        server__backendMode="MountedFile",
        server__stateDir="relative",
        server__sts__timeout="2s",
    ).settings
    assert (settings.port, settings.cluster_id, settings.kubeconfig_pregenerated) == (1, "d", True)
    assert (settings.backend_mode, settings.state_dir) == (("MountedFile",), "relative")
    assert settings.sts.timeout == 2.0


def test_a_relative_path_in_an_option_has_no_warning(load):
    """A relative path in a command line option has no warning."""
    assert notable(load(C, server__stateDir="state")) == ()


@pytest.mark.parametrize("text", ["", "server:", "server: {sts: ~}"])
def test_options_need_no_section_in_the_file(load, text):
    """Options may set what the file lacks."""
    settings = load(text, clusterID="d", server__sts__concurrency="7").settings
    assert (settings.cluster_id, settings.sts.concurrency) == ("d", 7)


def test_an_option_is_a_quoted_text(load):
    """An option's value is a text without YAML's special words, as if quoted."""
    assert load(C, server__stateDir="~").settings.state_dir == "~"


@pytest.mark.parametrize(
    ("number", "lost"), [("1234", True), ("12345678901", True), ("1111222233334", False), ("all", False)]
)
def test_zeros_lost_from_an_account(refuse, number, lost):
    """The error of an account number that is too short names lost zeros as the likely cause."""
    (problem,) = refuse(f"{C}server: {{mapAccounts: [{number}]}}")
    assert ("zeros at the beginning were lost" in problem.message) is lost


def test_errors_of_options_name_the_option(refuse):
    """The error of a wrong option names the option instead of a line."""
    problems = refuse(C, server__port="x", server__stateDir="\t", server__backendMode="MountedFile,CRT")
    assert {problem.file for problem in problems} == {"--port", "--backend-mode", "--state-dir"}
    assert {problem.line for problem in problems} == {0}
    assert "--port: server.port must be a whole number from 0 to 65535" in map(str, problems)


def test_a_wrong_default_role_is_a_warning(load):
    """A wrong defaultRole is only a warning, because the daemon does not use it."""
    loaded = load(C + "defaultRole: Admin")
    assert loaded.settings.default_role is None
    assert any("since the daemon does not use it" in str(warning) for warning in loaded.warnings)


def test_an_option_does_not_hide_a_broken_section(refuse):
    """A section that is not a mapping is an error, even if an option sets one of its settings."""
    (problem,) = refuse(C + "server: []", server__port="1")
    assert str(problem).startswith("f:2:9: server must be a mapping")


def test_an_empty_option_counts_as_not_given(load):
    """An empty option, as rendered by templates, leaves the file's value."""
    assert load(C + "server: {port: 1}", server__port="", clusterID="").settings.port == 1


@pytest.mark.parametrize(
    ("setting", "warned"),
    [("kubeconfig: /k", 1), ("master: 'https://m'", 1), ("dynamicFilePath: /f", 1), ("dynamicFileUserIDStrict: true", 1),
     ("dynamicFileUserIDStrict: false", 0), ("backendMode: [CRD], kubeconfig: /k", 0)],
)  # fmt: skip
def test_options_of_sources_that_are_not_used(load, setting, warned):
    """A setting of an unused source is a warning."""
    found = [warning for warning in notable(load(f"{C}server: {{{setting}}}")) if "has no effect" in warning.message]
    assert len(found) == warned


def test_options_of_unused_sources_from_the_command_line(load):
    """An option of an unused source has no warning here, because the daemon logs its own."""
    assert notable(load(C, server__kubeconfig="/k")) == ()


def test_defaults_of_another_program(partitions):
    """Defaults are used for settings that neither the file nor an option has."""
    defaults = {"server.stateDir": "/var/other", "server.generateKubeconfig": "/k"}
    loaded = load_settings(
        b"clusterID: c\nserver: {generateKubeconfig: /mine}", file="f", partitions=partitions, defaults=defaults
    )
    assert (loaded.settings.state_dir, loaded.settings.generate_kubeconfig) == ("/var/other", "/mine")
    assert "/var/other" not in loaded.settings.own_names


def test_what_needs_a_restart(load):
    """Everything but the mappings, rolePatterns and scrubbedAccounts needs a restart."""
    names = {field.name for field in dataclasses.fields(Settings)}
    assert names - set(Settings.restart_fields()) == {"scrubbed_accounts", "role_patterns"}
    old, new = load(C).settings, load(C + "server: {port: 1, mapAccounts: ['111122223333']}").settings
    assert [name for name in Settings.restart_fields() if getattr(old, name) != getattr(new, name)] == ["port"]


def test_paths_of_fields():
    """The path of each field is that of a setting."""
    known = {*TOP.values(), *(f"server.{name}" for name in SERVER.values())}
    spelled = {Settings.spelled(name) for name in Settings.restart_fields()}
    assert spelled <= known
    assert {"clusterID", "server.stateDir", "server.maxLockoutShare", "server.sts"} <= spelled


@pytest.mark.parametrize(
    ("tracing", "problem"),
    [
        ("{}", "server.tracing.endpoint is missing: the collector's URL, such as http://127.0.0.1:4318"),
        ("http://127.0.0.1:4318", "server.tracing must be a mapping"),
        ("{endpoint: '127.0.0.1:4318'}", "server.tracing.endpoint must be http://host:port or https://host:port"),
        ("{endpoint: 'grpc://127.0.0.1:4317'}", "server.tracing.endpoint must be http://host:port"),
        ("{endpoint: 'http://127.0.0.1:99999'}", "server.tracing.endpoint must be http://host:port"),
        ("{endpoint: 'http://h:1/v1/traces?key=1'}", "server.tracing.endpoint must be http://host:port"),
        ("{endpoint: 'http://h:1:2'}", "server.tracing.endpoint must be http://host:port"),
        ("{endpoint: 'https://u:p@h:1'}", "server.tracing.endpoint must not hold a user name or password"),
        ("{endpoint: 'http://h:1', headersFile: h}", "server.tracing.headersFile must be an absolute path"),
        ("{endpoint: 'http://h:1', sampleRatio: 2}", "server.tracing.sampleRatio must be a number from 0 to 1"),
        ("{endpoint: 'http://h:1', sampleRatio: off}", "server.tracing.sampleRatio must be a number from 0 to 1"),
        ("{endpiont: 'http://h:1'}", "unknown setting server.tracing.endpiont: did you mean endpoint?"),
    ],
)
def test_wrong_tracing(refuse, tracing, problem):
    """Each wrong setting of the section is an error that names it."""
    assert any(problem in str(each) for each in refuse(f"{C}server: {{tracing: {tracing}}}"))


@pytest.mark.parametrize(
    ("tracing", "warning"),
    [
        ("{endpoint: 'http://127.0.0.1:4318'}", ""),
        ("{endpoint: 'http://localhost:4318'}", ""),
        ("{endpoint: 'https://otel.example.org', caFile: /c}", ""),
        ("{endpoint: 'http://otel.example.org'}", "ARNs would cross the network as plain text: use https"),
        ("{endpoint: 'http://127.0.0.1:4318', caFile: /c}", "caFile has no effect, because the endpoint is plain http"),
    ],
)
def test_tracing_in_plain_text(load, tracing, warning):
    """Plain HTTP to another host is a warning, and so are certificate authorities with plain HTTP."""
    found = [str(each) for each in notable(load(f"{C}server: {{tracing: {tracing}}}"))]
    assert [warning in each for each in found] == ([True] if warning else [])


def sts(text):
    return f"{C}server:\n  sts:\n    {text}"


STS_GOOD = {
    "timeout": ("timeout: 500ms", "timeout", 0.5),
    "timeout most": ("timeout: 0.5m", "timeout", 30.0),
    "timeout parts": ("timeout: 1s500ms", "timeout", 1.5),
    "concurrency": ("concurrency: 10000", "concurrency", 10000),
    "callsPerSecond": ("callsPerSecond: 100000", "calls_per_second", 100_000),
    "cacheTTL": ("cacheTTL: 15m", "cache_ttl", 900.0),
    "cacheTTL off": ("cacheTTL: 0s", "cache_ttl", 0.0),
    "staleIfError": ("staleIfError: 5m", "stale_if_error", 300.0),
    "caFile": ("caFile: /etc/ca.pem", "ca_file", "/etc/ca.pem"),
    "proxy": ("proxy: http://proxy.example.org:3128", "proxy", ("proxy.example.org", 3128)),
    "proxy slash": ("proxy: HTTP://Proxy:3128/", "proxy", ("proxy", 3128)),
    "proxy IPv6": ("proxy: 'http://[::1]:3128'", "proxy", ("::1", 3128)),
    "extraRegions": ("extraRegions: [xx-new-1]", "extra_regions", frozenset({"xx-new-1"})),
    "endpoint": (
        "endpoints: [{host: sts.us-east-1.amazonaws.com, connect: '127.0.0.1:8443', caFile: /ca, signingRegion: us-east-1}]",
        "endpoints",
        (
            ExtraEndpoint(
                host="sts.us-east-1.amazonaws.com", connect="127.0.0.1:8443", ca_file="/ca", signing_region="us-east-1"
            ),
        ),
    ),
    "endpoint known": (
        "endpoints: [{host: sts.amazonaws.com, connect: '[::1]:8443'}]", "endpoints",
        (ExtraEndpoint(host="sts.amazonaws.com", connect="[::1]:8443"),),
    ),
    "endpoint of a new region": (
        "{endpoints: [{host: sts.xx-new-1.amazonaws.com}, {host: v.org, signingRegion: xx-new-1}], extraRegions: [xx-new-1]}",
        "endpoints",
        (
            ExtraEndpoint(host="sts.xx-new-1.amazonaws.com"),
            ExtraEndpoint(host="v.org", signing_region="xx-new-1"),
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "field", "value"), STS_GOOD.values(), ids=STS_GOOD)
def test_good_values_for_sts(load, text, field, value):
    """Each valid value under server.sts is parsed."""
    loaded = load(sts(text))
    assert getattr(loaded.settings.sts, field) == value
    assert notable(loaded) == ()


STS_BAD = {
    "timeout number": ("timeout: 5", 14, "server.sts.timeout needs a unit, such as 5s, 5ms or 5m"),
    "timeout zero": ("timeout: 0s", 14, "server.sts.timeout must be a duration from 0.001s to 30s"),
    "timeout long": ("timeout: 31s", 14, "server.sts.timeout must be a duration from 0.001s to 30s"),
    "timeout negative": ("timeout: -1s", 14, "server.sts.timeout must be a duration, such as"),
    "timeout words": ("timeout: 5 seconds", 14, "server.sts.timeout must be a duration, such as"),
    "timeout other digits": ("timeout: \u0665s", 14, "server.sts.timeout must be a duration, such as"),
    "concurrency": ("concurrency: 0", 18, "must be a whole number from 1 to 10000"),
    "callsPerSecond": ("callsPerSecond: 0", 21, "must be a whole number from 1 to 100000"),
    "callsPerSecond large": ("callsPerSecond: 100001", 21, "must be a whole number from 1 to 100000"),
    "cacheTTL": ("cacheTTL: 16m", 15, "must be a duration from 0s to 900s"),
    "staleIfError": ("staleIfError: 1h", 19, "must be a duration from 0s to 900s"),
    "caFile": ("caFile: ca.pem", 13, "server.sts.caFile must be an absolute path"),
    "proxy TLS": ("proxy: https://p:1", 12, "must be http://host:port"),
    "proxy bare": ("proxy: p:1", 12, "must be http://host:port"),
    "proxy user": ("proxy: http://u:p@h:1", 12, "must not have a user name or password"),
    "proxy path": ("proxy: http://h:1/x", 12, "such as http://proxy.example.com:3128"),
    "proxy port": ("proxy: http://h", 12, "such as http://proxy.example.com:3128"),
    "extraRegions": ("extraRegions: [Europe]", 20, "server.sts.extraRegions must be the name of an AWS region"),
    "endpoints": ("endpoints: a", 16, "server.sts.endpoints must be a list"),
    "endpoint": ("endpoints: [a]", 17, "server.sts.endpoints must be a mapping"),
    "endpoint null": ("endpoints: [~]", 17, "server.sts.endpoints must be a mapping"),
    "endpoint without host": ("endpoints: [{}]", 17, "server.sts.endpoints.host is missing"),
    "endpoint case": ("endpoints: [{host: STS.amazonaws.com}]", 24, "must be a DNS name in lower case"),
    "endpoint IP": ("endpoints: [{host: 127.0.0.1}]", 24, "must be a DNS name in lower case"),
    "endpoint connect": ("endpoints: [{host: sts.amazonaws.com, connect: a}]", 52, "must be host:port"),
    "endpoint connect port": ("endpoints: [{host: sts.amazonaws.com, connect: 'a:0'}]", 52, "must be host:port"),
    "endpoint connect IPv6": ("endpoints: [{host: sts.amazonaws.com, connect: '[1]:1'}]", 52, "must be host:port"),
    "endpoint caFile": ("endpoints: [{host: sts.amazonaws.com, caFile: a}]", 51, "must be an absolute path"),
    "endpoint elsewhere": (
        "endpoints: [{host: vpce.example.org}]", 17,
        "needs a signingRegion, because the host is not an STS endpoint of the partition aws",
    ),
    "endpoint of another region": (
        "endpoints: [{host: sts.eu-west-1.amazonaws.com, signingRegion: us-east-1}]", 68,
        "signingRegion must be eu-west-1: that is the region in the host's name",
    ),
    "endpoint of another partition": (
        "endpoints: [{host: vpce.example.org, signingRegion: cn-north-1}]", 57, "is not a region of the partition aws",
    ),
    "endpoint wrong region": (
        "endpoints: [{host: vpce.example.org, signingRegion: x}]", 57, "signingRegion must be the name of an AWS region",
    ),
    "endpoint twice": (
        "endpoints: [{host: sts.amazonaws.com}, {host: sts.amazonaws.com}]", 44, "appears twice in server.sts.endpoints",
    ),
    "unknown": ("timeouts: 1s", 5, "unknown setting server.sts.timeouts: did you mean timeout?"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "column", "message"), STS_BAD.values(), ids=STS_BAD)
def test_bad_values_for_sts(refuse, text, column, message):
    """Each wrong value under server.sts is one error at its place."""
    (problem,) = refuse(sts(text))
    assert (problem.line, problem.column) == (4, column)
    assert message in problem.message


def test_a_broken_partition_is_one_error(refuse):
    """If the partition is unknown, settings that depend on it have no further errors."""
    (problem,) = refuse(C + "server: {partition: x, sts: {endpoints: [{host: a.b, signingRegion: us-east-1}]}}")
    assert "server.partition must be" in problem.message
