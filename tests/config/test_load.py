from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authd.config.document.problems import InvalidSettings
from authd.config.load import load_settings, loading_settings
from authd.core.errors import ConfigError, Problem
from authd.core.mapping.reserved import ReservedPrefixes
from authd.core.mapping.table import PermissionSet

C = "clusterID: c\n"
HERE = Path(__file__).parent


def test_first_releases_format_loads_with_warnings_only(load):
    """A file in Heptio Authenticator's format loads. A role that is mapped twice is a warning with both lines."""
    loaded = load(HERE.joinpath("heptio-format.yaml").read_bytes())
    (warning,) = loaded.warnings
    assert (warning.line, warning.column) == (18, 5)
    assert "in line 9" in warning.message
    table = loaded.table
    assert table.exact["arn:aws:iam::444455556666:role/clusteradmins"].username.text == "admin:{{SessionName}}"
    assert table.exact["arn:aws:iam::444455556666:user/bob"].where == "f:23:5"
    assert table.accounts == {"012345678901": "f:28:5", "098765432109": "f:29:5"}
    assert loaded.settings.default_role == "arn:aws:iam::444455556666:role/ClusterAdmins"
    assert loaded.settings.state_dir == "/var/heptio-authenticator-aws"


def test_current_format_loads_with_warnings(load):
    """A file in aws-iam-authenticator's format loads. A role's path is a warning."""
    loaded = load(HERE.joinpath("aws-iam-authenticator-format.yaml").read_bytes())
    assert [(warning.line, warning.column) for warning in loaded.warnings] == [(18, 14)]
    assert "(used" not in loaded.warnings[0].message
    assert loaded.settings.ec2_role_arn == "arn:aws:iam::444455556666:role/LooksUpInstances"


def test_names_that_callers_choose(load):
    """Node names from session names are a warning, because callers choose them."""
    text = HERE.joinpath("aws-iam-authenticator-format.yaml").read_text()
    text = text.replace("{{EC2PrivateDNSName}}", "{{SessionName}}")
    loaded = load(text)
    any_node, path = loaded.warnings
    assert "any node" in any_node.message
    assert "path" in path.message
    settings = loaded.settings
    assert settings.scrubbed_accounts == {"777788889999"}
    assert loaded.table.reserved == ReservedPrefixes(usernames=("eks:", "aws:"))
    assert "arn:aws:iam::444455556666:role/developers" in loaded.table.exact
    platform = PermissionSet(partition="aws", account="444455556666", name="Platform")
    assert loaded.table.exact[platform.key].username.text == "sso:{{SessionNameRaw}}"


def test_all_errors_are_reported_in_order(refuse):
    """Errors of the YAML and of the settings are reported together, sorted by place."""
    problems = refuse("server:\n  port: a\n  mapUsers: [{username: *x}]\n  adress: b\nclusterID: !!binary c\n")
    assert [(problem.line, problem.column) for problem in problems] == [(2, 9), (3, 14), (3, 25), (4, 3), (5, 12)]


def test_errors_and_warnings_are_kept_apart(load):
    """A refused file's warnings are reported separately from its errors."""
    with pytest.raises(InvalidSettings) as caught:
        load("clusterID: c\nserver: {port: x, mapAccounts: ['012345678901', '012345678901']}")
    assert [problem.column for problem in caught.value.problems] == [16]
    assert [warning.column for warning in caught.value.warnings] == [49]
    assert str(caught.value) == "f:2:16: server.port must be a whole number from 0 to 65535"
    assert isinstance(caught.value, ConfigError)


def test_problems_are_capped(refuse):
    """The first hundred errors are reported, and the number of the others."""
    text = C + "".join(f"nonsense{number}: 1\n" for number in range(1000))
    problems = refuse(text)
    assert len(problems) == 101
    assert [problem.line for problem in problems[:100]] == list(range(2, 102))
    assert str(problems[-1]) == "f: and 900 more errors"


def test_many_rules_are_loaded_in_steps(partitions):
    """A thousand rules are loaded in dozens of steps."""
    rule = "  - {roleARN: 'arn:aws:iam::111122223333:role/R%d', username: u, groups: [g]}\n"
    text = "clusterID: c\nserver:\n  mapRoles:\n" + "".join(rule % number for number in range(1000))
    assert load_settings(text.encode(), file="f", partitions=partitions).table
    assert sum(1 for _ in loading_settings(text.encode(), file="f", partitions=partitions)) > 60


def test_many_accounts_are_loaded_in_steps(partitions):
    """A long list of accounts is also read in steps after it was parsed."""
    text = f"clusterID: c\nserver: {{mapAccounts: [{','.join(str(10**11 + number) for number in range(2000))}]}}"
    parsed = text.replace("mapAccounts", "audiences")

    def pauses(document):
        return sum(1 for _ in loading_settings(document.encode(), file="f", partitions=partitions))

    assert pauses(text) >= pauses(parsed) + 4


YAML_PIECES = st.sampled_from([
    "clusterID: c\n", "server:\n", "  port: ", "  mapRoles:\n", "  - roleARN: arn:aws:iam::111122223333:role/", "  - sso: ",
    "    username: ", "    groups: ", "sts:\n", "    endpoints:\n", "{{SessionName}}", '"{{', "}}", "[", "]", "{", "}", "\n", " ",
    "- ", ": ", "? ", "<<: ", "*a", "&a ", "!!str ", "'", '"', "|\n", ">\n", "#", "%YAML 1.1\n", "---\n", "...\n", "\t", "~", "null",
    "012345678901", "\\x00", "\\ud800", "\ufeff", "\x85", "\u2028", "é", "\x00", "  backendMode: ", "  reservedPrefixConfig:\n",
    "      signingRegion: ", "  - host: sts.us-east-1.amazonaws.com\n", "  scrubbedAccounts: ",
])  # fmt: skip


@given(st.one_of(st.binary(), st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_any_bytes_are_settings_or_a_config_error(partitions, data):
    """Any bytes give either settings or a ConfigError with a place."""
    _loads_or_refuses(data, partitions)


@given(st.lists(YAML_PIECES, max_size=40).map("".join))
def test_any_pieces_of_yaml_are_settings_or_a_config_error(partitions, text):
    """Any combination of YAML tokens gives either settings or a ConfigError."""
    _loads_or_refuses(text.encode(), partitions)


def _loads_or_refuses(data, partitions):
    try:
        problems = load_settings(data, file="f", partitions=partitions).warnings
    except ConfigError as error:
        problems = (*error.problems, Problem(file="f", line=0, column=0, message="refused"))
    assert all(problem.message and problem.message.isprintable() for problem in problems)
