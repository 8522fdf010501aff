from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authd.core.mapping.templates import PLACEHOLDERS, InvalidTemplate, MissingValue, Template, parse_template

VALUES = {
    "AccountID": "111122223333",
    "SessionName": "me-x.org",
    "SessionNameRaw": "me@x.org",
    "AccessKeyID": "ASIAEXAMPLE",
}

RENDERED = [
    ("", ""),
    ("admin", "admin"),
    ("{}", "{}"),
    ("}{", "}{"),
    ("{x}", "{x}"),
    ("{{SessionName}}", "me-x.org"),
    ("{{SessionNameRaw}}", "me@x.org"),
    ("aws:{{AccountID}}:{{SessionName}}!", "aws:111122223333:me-x.org!"),
    ("{{AccountID}}{{AccountID}}", "111122223333111122223333"),
    ("{ {{AccessKeyID}} }", "{ ASIAEXAMPLE }"),
    ("%s {0} $x \\1 {{AccountID}}", "%s {0} $x \\1 111122223333"),
]


@pytest.mark.parametrize(("text", "result"), RENDERED)
def test_placeholders_are_filled_in(text, result):
    """Literal text between placeholders is unchanged."""
    assert parse_template(text).render(VALUES) == result
    assert parse_template(text).text == text


def test_a_template_can_not_be_changed():
    """The pieces of a template are a tuple, so a template can be shared."""
    assert parse_template("a{{AccountID}}").pieces == ("a", "AccountID", "")
    assert parse_template("a").pieces == ("a",)


REFUSED = [
    ("{{}}", "unknown placeholder {{}}: known are AccountID, SessionName, SessionNameRaw, AccessKeyID, EC2PrivateDNSName"),
    ("{{Sessionname}}", "unknown placeholder {{Sessionname}}: did you mean {{SessionName}}?"),
    ("{{ SessionName }}", "unknown placeholder {{ SessionName }}: did you mean {{SessionName}}?"),
    ("{{AccessKey}}", "unknown placeholder {{AccessKey}}: did you mean {{AccessKeyID}}?"),
    ("{{SessionName\n}}", "unknown placeholder {{SessionName\n}}: did you mean {{SessionName}}?"),
    ("{{AccountID}}{{Nothing}}", "unknown placeholder {{Nothing}}: known are " + ", ".join(PLACEHOLDERS)),
    ("{{{SessionName}}}", "unknown placeholder {{{SessionName}}: did you mean {{SessionName}}?"),
    ("{{{{SessionName}}}}", "unknown placeholder {{{{SessionName}}: did you mean {{SessionName}}?"),
    ("{{Session{{Name}}}}", "unknown placeholder {{Session{{Name}}: did you mean {{SessionName}}?"),
    ("{{" + " " * 20 + "SessionName" + " " * 20 + "}}",
     "unknown placeholder {{" + " " * 20 + "SessionName" + " " * 20 + "}}: did you mean {{SessionName}}?"),
    ("{{Account}}", "unknown placeholder {{Account}}: did you mean {{AccountID}}?"),
    ("{{DNSName}}", "unknown placeholder {{DNSName}}: did you mean {{EC2PrivateDNSName}}?"),
    ("{{SessionName", "the template's braces don't match: placeholders are written {{SessionName}}"),
    ("SessionName}}", "the template's braces don't match: placeholders are written {{SessionName}}"),
    ("}}{{", "the template's braces don't match: placeholders are written {{SessionName}}"),
    ("{{AccountID}}{{", "the template's braces don't match: placeholders are written {{SessionName}}"),
    ("{{AccountID}}}}", "the template's braces don't match: placeholders are written {{SessionName}}"),
    ("{{AccountID}x", "the template's braces don't match: placeholders are written {{SessionName}}"),
    ("{x{AccountID}}", "the template's braces don't match: placeholders are written {{SessionName}}"),
    ("}}{{AccountID}}", "the template's braces don't match: placeholders are written {{SessionName}}"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_invalid_templates_are_refused(text, message):
    """An unknown placeholder is an error with the nearest known one, and so are unbalanced braces."""
    with pytest.raises(InvalidTemplate) as caught:
        parse_template(text)
    assert str(caught.value) == message


@pytest.mark.parametrize("name", PLACEHOLDERS)
@pytest.mark.parametrize("values", [{}, dict.fromkeys(PLACEHOLDERS, "")])
def test_a_missing_or_empty_value_is_an_error(name, values):
    """A user without a session name is refused, instead of getting a name with a gap."""
    with pytest.raises(MissingValue) as caught:
        parse_template(f"x:{{{{{name}}}}}").render(values)
    assert str(caught.value) == f"the identity has no value for {{{{{name}}}}}"


def test_placeholders_of_a_template():
    """A template has the set of its placeholders."""
    assert parse_template("a").placeholders == frozenset()
    assert parse_template("{{AccountID}}-{{SessionName}}{{AccountID}}").placeholders == {"AccountID", "SessionName"}


@given(st.dictionaries(st.sampled_from(PLACEHOLDERS), st.text(min_size=1), min_size=5))
def test_rendering_is_one_pass(values):
    """A value that looks like a placeholder is not filled in: values are never parsed as templates."""
    values["SessionName"] = "{{AccountID}}" + values["SessionName"]
    rendered = parse_template("{{SessionName}}|{{AccountID}}|{{SessionNameRaw}}").render(values)
    assert rendered == f"{values['SessionName']}|{values['AccountID']}|{values['SessionNameRaw']}"


LITERALS = st.text(alphabet=st.characters(exclude_characters="{}"), max_size=8)


@given(st.lists(st.tuples(LITERALS, st.sampled_from(PLACEHOLDERS)), max_size=6), LITERALS)
def test_a_template_is_its_pieces(pairs, last):
    """Alternating literals and placeholders are parsed into exactly these pieces."""
    text = "".join(f"{literal}{{{{{name}}}}}" for literal, name in pairs) + last
    template = parse_template(text)
    assert template == Template(text, (*(part for pair in pairs for part in pair), last))
    values = {name: f"<{name}>" for name in PLACEHOLDERS}
    assert template.render(values) == "".join(f"{literal}<{name}>" for literal, name in pairs) + last


@given(st.text(alphabet="{}SesionNamAcutID", max_size=40) | st.text(max_size=40))
def test_nothing_but_invalid_template_is_ever_raised(text):
    """Every text is a template without stray double braces, or raises `InvalidTemplate`."""
    try:
        template = parse_template(text)
    except InvalidTemplate:
        return
    rendered = template.render(dict.fromkeys(PLACEHOLDERS, "v"))
    assert "{{" not in rendered
    assert "}}" not in rendered
