from __future__ import annotations

import pytest

from authd.cli.doctor.settings import examine_settings

RULE = "{roleARN: arn:aws:iam::111122223333:role/Admin, username: admin}"


@pytest.fixture
def examine(tmp_path):
    def run(text=None):
        config = tmp_path / "config.yaml"
        if text is not None:
            config.write_text(text)
        return examine_settings(config, tmp_path / "state")

    return run


def levels(result):
    return [str(finding.level) for finding in result.findings]


def test_usable_settings(examine):
    """Usable settings are one ok finding."""
    result = examine(f"clusterID: c\nserver: {{mapRoles: [{RULE}]}}\n")
    assert levels(result) == ["ok"]
    assert "1 mapping, sources MountedFile" in result.findings[0].message
    assert result.loaded is not None


def test_no_mapping(examine):
    """Settings without a mapping are an error, because nobody can log in."""
    result = examine("clusterID: c\n")
    assert levels(result) == ["ok", "warning", "error"]


def test_warnings(examine):
    """Each warning of the file is a warning."""
    result = examine(f"clusterID: c\nserver: {{mapRoles: [{RULE}, {RULE}]}}\n")
    assert levels(result) == ["ok", "warning"]
    assert "mapped in line 2 already" in result.findings[1].message


def test_ends_of_rules(examine, tmp_path):
    """A rule that has ended is a warning, in the settings file and in the dynamic file."""
    ended = RULE.replace("username: admin", "username: admin, validUntil: 2020-01-01")
    dynamic = tmp_path / "dynamic.yaml"
    dynamic.write_text(f"mapRoles: [{ended}]\n")
    server = f"mapRoles: [{ended}], backendMode: [MountedFile, DynamicFile], dynamicFilePath: '{dynamic}'"
    result = examine(f"clusterID: c\nserver: {{{server}}}\n")
    assert levels(result) == ["ok", "warning", "ok", "warning"]
    assert f"{tmp_path}/config.yaml:2:21: the rule ended at 2020-01-01T00:00:00Z" in result.findings[1].message
    assert f"{dynamic}:1:12: the rule ended at 2020-01-01T00:00:00Z" in result.findings[3].message
    assert result.findings[3].fix == f"correct the dynamic file {dynamic}"


def test_a_broken_file(examine, tmp_path):
    """Errors of a broken file are reported with their places, and the last good copy is used for the other checks."""
    assert examine("clusterID: c\nserver: {mapRole: []}\n").loaded is None
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "last-good.yaml").write_text(f"clusterID: c\nserver: {{mapRoles: [{RULE}]}}\n")
    result = examine()
    assert levels(result) == ["error", "warning"]
    assert ":2:10: unknown setting server.mapRole" in result.findings[0].message
    assert result.loaded is not None


def test_a_missing_file(examine):
    """A missing file is an error."""
    result = examine()
    assert levels(result) == ["error"]
    assert "can't be read: No such file or directory" in result.findings[0].message


@pytest.mark.parametrize(
    ("content", "level", "says"),
    [
        ('{"mapRoles": [{"rolearn": "arn:aws:iam::111122223333:role/Admin", "username": "a"}]}', "ok", "1 mapping"),
        ('{"mapRoles": 1}', "error", "mapRoles"),
        (None, "error", "can't be read: No such file or directory"),
    ],
)
def test_the_dynamic_file(examine, tmp_path, content, level, says):
    """The dynamic file is read too, if it is a source."""
    file = tmp_path / "dynamic.json"
    if content is not None:
        file.write_text(content)
    result = examine(f"clusterID: c\nserver: {{backendMode: DynamicFile, dynamicFilePath: {file}}}\n")
    assert levels(result) == ["ok", level]
    assert says in result.findings[1].message
