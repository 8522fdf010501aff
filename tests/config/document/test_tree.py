from __future__ import annotations

import pytest
import yaml

from authd.config.document import tree
from authd.config.document.decoding import MAX_BYTES

C = "clusterID: c\n"

REFUSED = {
    "alias of nothing": (C + "server: *s", 2, 9, "*s has no anchor above"),
    "alias of what comes later": (C + "server: *s\nx-s: &s {}", 2, 9, "*s has no anchor above"),
    "alias of itself": (C + "x-a: &a [*a]", 2, 10, "*a has no anchor above"),
    "merge of a text": (C + "server: {<<: a}", 2, 14, "a merge key (<<) takes a mapping or a list of mappings"),
    "merge key in quotes": (C + "server: {'<<': {port: 1}}", 2, 10, "unknown setting server.<<"),
    "two merge keys": (C + "server: {<<: {port: 1}, <<: {port: 2}}", 2, 25, "<< is duplicated, first in line 2"),
    "key that is an unknown alias": (C + "*a : b", 2, 1, "*a has no anchor above"),
    "a value by an alias": (
        C + "x-p: &p a\nserver: {port: *p}", 2, 6,
        "server.port must be a whole number from 0 to 65535 (used by the alias *p in line 3, column 16)",
    ),
    "a value by a merge": (
        C + "x-p: &p {port: a}\nserver:\n  <<: *p", 2, 16, "(used by the alias *p in line 4, column 7)",
    ),
    "too deep by aliases": (
        C + "x-0: &a0 [1]\n" + "".join(f"x-{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 25)), 20, 13,
        "nests more than 20 deep",
    ),
    "an alias for too much": (
        C + "x-0: &a0 [" + "1," * 4000 + "]\nx-1: &a1 [*a0, *a0]\nx-2: *a1", 4, 6, "*a1 expands to more than 5000 values",
    ),
    "aliases for too much": (
        C + "x-0: &a0 [" + "1," * 4000 + "]\nx-1: [" + "*a0," * 50 + "]", 3, 203, "more than 200000 values",
    ),
    "an alias of a broken value": ("x-a: &a [!!binary YQ==]\nclusterID: c\nserver: {audiences: *a}", 1, 10, "the tag !!binary"),
    "tag of a list for a text": ("clusterID: !!seq c", 1, 12, "the tag !!seq is not supported"),
    "duplicate section": (C + "server: {}\nserver: {}", 3, 1, "server is duplicated, first in line 2"),
    "duplicate key in another case": (C + "CLUSTERID: d", 2, 1, "CLUSTERID is duplicated, first in line 1"),
    "duplicate keys of a rule": (
        C + "server:\n  mapRoles:\n  - roleARN: arn:aws:iam::111122223333:role/A\n    username: u\n    rolearn: x",
        6, 5, "rolearn is duplicated, first in line 4",
    ),
    "tag of a mapping": (C + "server: !!omap {}", 2, 9, "the tag !!omap is not supported"),
    "tag of a list": (C + "server: {audiences: !!set []}", 2, 21, "the tag !!set is not supported"),
    "key that is a list": (C + "? [a]\n: b", 2, 3, "the name of a setting must be a string"),
    "key that is a mapping": (C + "? {a: b}\n: b", 2, 3, "the name of a setting must be a string"),
    "key that is empty": (C + '"": b', 2, 1, "a setting's name is missing"),
    "too deep": ("[" * 30, 1, 21, "nested more than 20 levels deep"),
    "too deep in a rule": (C + "server: {mapRoles: [{groups: " + "[" * 30, 2, 46, "nested more than 20 levels deep"),
    "unquoted template": (
        C + "server: {mapUsers: [{userARN: 'arn:aws:iam::111122223333:user/A', username: {{SessionName}}}]}",
        2, 77, 'quote it: "{{SessionName}}"',
    ),
    "unquoted template in a list": (
        C + "server:\n  audiences:\n  - {{AccountID}}", 4, 5, 'quote it: "{{AccountID}}"',
    ),
    "unquoted template without a name": ("clusterID: {{}}", 1, 12, 'quote it: "{{SessionName}}"'),
    "unquoted template as a key": (C + "server: {{{AccountID}}: x}", 2, 10, 'quote it: "{{AccountID}}"'),
    "template as the name of a setting": (C + "{{a}}: b", 2, 1, 'quote it: "{{a}}"'),
    "a list as the file": ("- a", 1, 1, "a settings file must be a mapping"),
    "a text as the file": ("a", 1, 1, "a settings file must be a mapping"),
    "a tagged text as the file": ("!!binary YQ==", 1, 1, "the tag !!binary is not supported"),
    "an unquoted template as the file": ("{{a}}", 1, 1, 'quote it: "{{a}}"'),
}  # fmt: skip


@pytest.fixture(params=[yaml.CBaseLoader, yaml.BaseLoader], ids=["C", "Python"])
def parser(request, monkeypatch):
    monkeypatch.setattr(tree, "PARSER", request.param)


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(("text", "line", "column", "message"), REFUSED.values(), ids=REFUSED)
def test_misleading_yaml_is_refused(refuse, text, line, column, message):
    """Misleading YAML is one error at its place."""
    (problem,) = refuse(text)
    assert (problem.line, problem.column) == (line, column)
    assert message in problem.message


BROKEN = {
    "template before more text": (
        C + "server:\n  mapRoles:\n  - username: {{SessionName}}:x", 4, "quote texts that begin with braces",
    ),
    "tab": (C + "server:\n\tport: 1", 3, "indent with spaces"),
    "reserved character": ("clusterID: @c", 1, "quote texts that begin with this character"),
    "open quote": (C + "server:\n  hostname: 'a\n", 4, "not YAML: found unexpected end of stream"),
    "open list": (C + "server: [\n", 3, "not YAML: "),
    "bad escape": ('clusterID: "\\q"', 1, "not YAML: "),
    "unknown YAML version": ("%YAML 3.0\n--- {}", 1, "not YAML: "),
}  # fmt: skip


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(("text", "line", "message"), BROKEN.values(), ids=BROKEN)
def test_broken_yaml_is_explained(refuse, text, line, message):
    """Broken YAML is reported with the parser's message, its place and the usual cause."""
    problem = refuse(text)[-1]
    assert problem.line == line
    assert message in problem.message
    assert problem.message.startswith("not YAML: ")


def test_problems_before_broken_yaml(refuse):
    """Problems before the YAML breaks are reported too."""
    assert [problem.line for problem in refuse("clusterID: !!binary c\nserver: [")] == [1, 3]


def test_an_error_of_the_parser_without_a_place(refuse, monkeypatch):
    """An error for which PyYAML has no place is reported without one."""

    class Failing:
        def __init__(self, _):
            raise yaml.YAMLError

    monkeypatch.setattr(tree, "PARSER", Failing)
    (problem,) = refuse("clusterID: c")
    assert str(problem) == "f: not YAML: it can't be parsed"


UNREADABLE = {
    "not UTF-8": (b"clusterID: c\n#\xff", 2, 2, "not text in UTF-8"),
    "UTF-16": ("clusterID: c".encode("utf-16"), 1, 1, "not text in UTF-8"),
    "not UTF-8 after other letters": ("#éé".encode() + b"\xc3", 1, 4, "not text in UTF-8"),
    "surrogates": (b"#\xed\xa0\x80", 1, 2, "not text in UTF-8"),
    "NUL": (b"clusterID: c\n \0", 2, 2, "the control character U+0000 is not allowed here"),
    "escape": (b"clusterID: \x1b[2J", 1, 12, "the control character U+001B is not allowed here"),
    "byte order mark inside": ("clusterID: \ufeff".encode(), 1, 12, "the control character U+FEFF is not allowed here"),
    "no character": ("#\U0001f512\ufffe".encode(), 1, 3, "the control character U+FFFE is not allowed here"),
    "the first of several": ("#\uffff\x7f\ufeff".encode(), 1, 2, "the control character U+FFFF is not allowed here"),
    "the first of others": ("#\x7f\uffff\ufeff".encode(), 1, 2, "the control character U+007F is not allowed here"),
    "C1 control": ("\r\n\r#\x90".encode(), 3, 2, "the control character U+0090 is not allowed here"),
    "late": (b"#" * 70_000 + b"\0", 1, 70_001, "the control character U+0000 is not allowed here"),
    "late, no character": (
        b"#" * 70_000 + "\ufeff".encode(),
        1,
        70_001,
        "the control character U+FEFF is not allowed here",
    ),
}


@pytest.mark.parametrize(("data", "line", "column", "message"), UNREADABLE.values(), ids=UNREADABLE)
def test_invalid_text_is_refused(refuse, data, line, column, message):
    """Invalid UTF-8 and control characters are an error at the first one."""
    (problem,) = refuse(data)
    assert (problem.line, problem.column) == (line, column)
    assert message in problem.message


def test_a_file_too_large_is_refused(refuse):
    """A file over the size limit is refused before it is parsed."""
    (problem,) = refuse(b"\xff" * (MAX_BYTES + 1))
    assert problem.line == 0
    assert "larger than 8 MiB" in problem.message


def test_a_file_of_the_largest_size_is_read(load):
    """A file of exactly the size limit is read."""
    text = b"clusterID: c\n"
    filler = (b"#" * 1000 + b"\n") * (MAX_BYTES // 1001)
    assert load(text + filler[: MAX_BYTES - len(text)]).settings.cluster_id == "c"


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "~", "--- null\n...\n"])
def test_an_empty_file_has_no_settings(refuse, text):
    """The only error of an empty file is the missing required setting."""
    (problem,) = refuse(text)
    assert str(problem).startswith("f:1:1: clusterID is missing")


@pytest.mark.usefixtures("parser")
def test_scalars_stay_texts(load):
    """Values that YAML takes for numbers, booleans or times stay texts."""
    settings = load(
        "clusterID: 12:30:45\nserver:\n  scrubbedAccounts: [012345678901, 000000000010]\n  hostname: no\n"
        "  audiences: [yes, 0x10, 1e3, 'null', 2020-01-01]\n"
    ).settings
    assert settings.cluster_id == "12:30:45"
    assert settings.scrubbed_accounts == {"012345678901", "000000000010"}
    assert settings.hostname == "no"
    assert settings.audiences == ("yes", "0x10", "1e3", "null", "2020-01-01")


def test_a_byte_order_mark_and_any_line_ends_are_accepted(load):
    """A byte order mark and the line ends of other systems are accepted."""
    loaded = load(b"\xef\xbb\xbfclusterID: c\r\nserver:\r\n  port: 1\r\n")
    assert loaded.settings.port == 1


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("clusterID: &id c\nserver: {hostname: *id}", "hostname", "c"),
        ("x-s: &s {port: 1}\nclusterID: c\nserver: *s", "port", 1),
        ("x-s: &s {port: 1, hostname: a}\nclusterID: c\nserver: {hostname: b, <<: *s}", "hostname", "b"),
        ("x-a: &a {port: 1}\nx-b: &b {port: 2}\nclusterID: c\nserver: {<<: [*a, *b]}", "port", 1),
        ("clusterID: c\nserver: {<<: {port: 1}}", "port", 1),
        ("clusterID: c\nserver: {!!merge <<: {port: 1}}", "port", 1),
        ("clusterID: c\nserver: {<<: , port: 1}", "port", 1),
        ("x-a: &a 1\nx-b: &a 2\nclusterID: c\nserver: {port: *a}", "port", 2),
        ("clusterID: !!str 12345", "cluster_id", "12345"),
        ("clusterID: !!str null", "cluster_id", "null"),
        ("clusterID: ! 12", "cluster_id", "12"),
        ("!!map {clusterID: c, server: !!map {port: !!int 1}}", "port", 1),
        ("clusterID: c\nserver: {audiences: !!seq [!!str a]}", "audiences", ("a",)),
        ("clusterID: c\nserver: {port: !!null }", "port", 21362),
        ("%TAG !y! tag:yaml.org,2002:\n---\nclusterID: !y!str c", "cluster_id", "c"),
    ],
)
def test_anchors_and_tags(load, text, field, value):
    """Aliases and merge keys have their anchors' values, and YAML's own tags have no effect."""
    assert getattr(load(text).settings, field) == value


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("alias", ["- *rule", "- {<<: *rule, username: v}"])
def test_rules_by_aliases(load, alias):
    """Rules may be aliases and may merge others."""
    rule = "{roleARN: 'arn:aws:iam::111122223333:role/A', username: v}"
    (found,) = load(f"x-r: &rule {rule}\nclusterID: c\nserver:\n  mapRoles:\n  {alias}").table.exact.values()
    assert found.username.text == "v"


@pytest.mark.usefixtures("parser")
def test_a_list_of_rules_by_an_alias(load):
    """A list of rules or a whole section with an anchor keeps its rules for the alias."""
    text = (
        "x-s: &s\n  mapRoles: &roles\n  - {roleARN: 'arn:aws:iam::111122223333:role/A', username: a}\n"
        "clusterID: c\nserver:\n  <<: *s\n  mapUsers: []\n"
    )
    assert len(load(text).table) == 1
    anchored = text.replace("x-s: &s\n", "server: &s\n").partition("clusterID")[0]
    assert len(load(anchored + "clusterID: c\nx-again: *s").table) == 1


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    ("rest", "warned"),
    [("---\n", 0), ("---\n---\n# end\n", 0), ("---\n~\n...\n", 0), ("---\nserver: {}", 1), ("--- a\n", 1), ("---\n- [", 1),
     ("---\n{}\n---\n[]\n", 0), ("---\n[a]\n", 1), ("---\n" * 200, 0), ("---\n@", 0)],
)  # fmt: skip
def test_further_documents(load, rest, warned):
    """Only the first document is read. Content after it is a warning."""
    loaded = load(f"{C}server: {{mapAccounts: ['111122223333']}}\n{rest}")
    assert [warning.message.split(":")[0] for warning in loaded.warnings] == ["a second YAML document begins"] * warned


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("clusterID: b\nclusterID: c\nserver: {mapAccounts: '111122223333'}", 1, "the later one is in force"),
        (
            "x: 1\nclusterID: !mine c\nserver: !mine {mapAccounts: '111122223333'}".replace("x: 1", "x-a: 1"),
            12,
            "has no effect",
        ),
    ],
)
def test_yaml_accepted_by_aws_iam_authenticator_is_a_warning(load, text, column, message):
    """Duplicate keys and application tags are warnings, and the values are used, as in aws-iam-authenticator."""
    loaded = load(text)
    assert loaded.settings.cluster_id == "c"
    assert (loaded.warnings[0].line, loaded.warnings[0].column) == (2, column)
    assert message in loaded.warnings[0].message
