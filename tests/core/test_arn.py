from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authd.core.arn import MAX_ARN_LENGTH, InvalidArn, PrincipalKind, parse_arn

A = "111122223333"

ACCEPTED = [
    # text, kind, path, name, session, canonical
    (f"arn:aws:iam::{A}:role/Admin", "role", "/", "Admin", "", f"arn:aws:iam::{A}:role/Admin"),
    (f"arn:aws:iam::{A}:role/a/b/Admin", "role", "/a/b/", "Admin", "", f"arn:aws:iam::{A}:role/Admin"),
    (f"arn:aws:sts::{A}:assumed-role/Admin/me@x.org", "role", "/", "Admin", "me@x.org", f"arn:aws:iam::{A}:role/Admin"),
    (f"arn:aws:iam::{A}:user/Alice", "user", "/", "Alice", "", f"arn:aws:iam::{A}:user/Alice"),
    (f"arn:aws:iam::{A}:user/dev/Alice", "user", "/dev/", "Alice", "", f"arn:aws:iam::{A}:user/dev/Alice"),
    (f"arn:aws:iam::{A}:root", "root", "/", "", "", f"arn:aws:iam::{A}:root"),
    (
        f"arn:aws:sts::{A}:federated-user/Bob",
        "federated-user",
        "/",
        "Bob",
        "Bob",
        f"arn:aws:sts::{A}:federated-user/Bob",
    ),
    (f"arn:aws-us-gov:iam::{A}:role/Admin", "role", "/", "Admin", "", f"arn:aws-us-gov:iam::{A}:role/Admin"),
    (f"arn:aws:iam::{A}:role/a+=,.@-_Z9", "role", "/", "a+=,.@-_Z9", "", f"arn:aws:iam::{A}:role/a+=,.@-_Z9"),
    (f"arn:aws:iam::{A}:role/{'n' * 64}", "role", "/", "n" * 64, "", f"arn:aws:iam::{A}:role/{'n' * 64}"),
    (f"arn:aws:iam::{A}:user/{'p' * 510}/x", "user", f"/{'p' * 510}/", "x", "", f"arn:aws:iam::{A}:user/{'p' * 510}/x"),
    (f"arn:aws:iam::{A}:user/x!~:y/Al", "user", "/x!~:y/", "Al", "", f"arn:aws:iam::{A}:user/x!~:y/Al"),
    (f"arn:a{'b' * 31}:iam::{A}:root", "root", "/", "", "", f"arn:a{'b' * 31}:iam::{A}:root"),
]


@pytest.mark.parametrize(("text", "kind", "path", "name", "session", "canonical"), ACCEPTED)
def test_principals_are_parsed(*, text, kind, path, name, session, canonical):
    """Every form of a principal's ARN is parsed, and has one canonical ARN and one key."""
    arn = parse_arn(text)
    assert (arn.kind, arn.path, arn.name, arn.session) == (PrincipalKind(kind), path, name, session)
    assert (arn.account, arn.canonical, arn.key) == (A, canonical, canonical.lower())
    assert arn.partition == text.split(":")[1]


REFUSED = [
    "",
    "Admin",
    f"arn:aws:iam::{A}:role",
    f"arn:aws:iam::{A}:role/",
    f"arn:aws:iam::{A}:role//",
    f"arn:aws:iam::{A}:role//Admin",
    f"arn:aws:iam::{A}:role/Admin/",
    f"arn:aws:iam::{A}:role/Ad min",
    f"arn:aws:iam::{A}:role/Admin\n",
    f"arn:aws:iam::{A}:role/Admin\x00",
    f" arn:aws:iam::{A}:role/Admin",
    f"ARN:aws:iam::{A}:role/Admin",
    f"arn:AWS:iam::{A}:role/Admin",
    f"arn:a:iam::{A}:role/Admin",
    f"arn::iam::{A}:role/Admin",
    f"arn:-aws:iam::{A}:role/Admin",
    f"arn:1aws:iam::{A}:role/Admin",
    f"arn:aws_x:iam::{A}:role/Admin",
    f"arn:a{'b' * 32}:iam::{A}:root",
    f"arn:aws:s3::{A}:role/Admin",
    f"arn:aws:iam:us-east-1:{A}:role/Admin",
    "arn:aws:iam:::role/Admin",
    "arn:aws:iam::11112222333:role/Admin",
    "arn:aws:iam::1111222233334:role/Admin",
    "arn:aws:iam::11112222333a:role/Admin",
    "arn:aws:iam::１１１１２２２２３３３３:role/Admin",
    f"arn:aws:iam::{A}:role/*",
    f"arn:aws:iam::{A}:role/Admin?",
    f"arn:aws:iam::{A}:role/{'n' * 65}",
    f"arn:aws:iam::{A}:user/{'p' * 511}/x",
    f"arn:aws:iam::{A}:role/Ädmin",
    f"arn:aws:iam::{A}:role/\N{KELVIN SIGN}",
    f"arn:aws:iam::{A}:user/\x7f/x",
    f"arn:aws:iam::{A}:user/a b/x",
    f"arn:aws:iam::{A}:group/Admins",
    f"arn:aws:iam::{A}:instance-profile/Admin",
    f"arn:aws:iam::{A}:rootx",
    f"arn:aws:iam::{A}:root/",
    f"arn:aws:iam::{A}:root/x",
    f"arn:aws:sts::{A}:root",
    f"arn:aws:iam::{A}:assumed-role/Admin/me",
    f"arn:aws:iam::{A}:federated-user/Bob",
    f"arn:aws:sts::{A}:role/Admin",
    f"arn:aws:sts::{A}:user/Alice",
    f"arn:aws:sts::{A}:assumed-role/Admin",
    f"arn:aws:sts::{A}:assumed-role/Admin/",
    f"arn:aws:sts::{A}:assumed-role//me",
    f"arn:aws:sts::{A}:assumed-role/a/Admin/me",
    f"arn:aws:sts::{A}:assumed-role/Admin/me/you",
    f"arn:aws:sts::{A}:assumed-role/Admin/{'s' * 65}",
    f"arn:aws:sts::{A}:assumed-role/{'n' * 65}/me",
    f"arn:aws:sts::{A}:assumed-role/aws:ec2-instance/i-0123456789abcdef0",
    f"arn:aws:sts::{A}:federated-user/",
    f"arn:aws:sts::{A}:federated-user/a/Bob",
    f"arn:aws:sts::{A}:self",
    f"arn:aws:iam::{A}:role/Admin:extra/x y",
]


@pytest.mark.parametrize("text", REFUSED)
def test_other_texts_are_refused(text):
    """Any other text raises `InvalidArn` with an example of an ARN and without the text."""
    with pytest.raises(InvalidArn) as caught:
        parse_arn(text)
    assert str(caught.value) == (
        "not the ARN of an IAM role, user or account root, an assumed role or a federated user "
        "(such as arn:aws:iam::111122223333:role/Name)"
    )


def test_the_length_is_bounded():
    """An ARN of the maximum length is parsed, a longer one is not."""
    assert MAX_ARN_LENGTH == 1024
    fits = f"arn:aws:iam::{A}:role/" + "p" * 510 + "/" + "n" * 64
    assert parse_arn(fits).name == "n" * 64
    for length in (MAX_ARN_LENGTH, MAX_ARN_LENGTH + 1, 1_000_000):
        with pytest.raises(InvalidArn):
            parse_arn(f"arn:aws:iam::{A}:role/".ljust(length, "/"))


NAMES = st.text(alphabet="ABCXYZabcxyz0189_+=,.@-", min_size=1, max_size=64)
PATHS = st.lists(st.text(alphabet="ABCabc019_+=,.@-!~", min_size=1, max_size=20), max_size=5).map(
    lambda parts: "".join(f"/{part}" for part in parts) + "/"
)


@given(name=NAMES, path=PATHS, session=NAMES)
def test_a_session_and_its_role_have_the_same_key(name, path, session):
    """The ARNs of a role, with any path, and of its sessions have the same key."""
    role = parse_arn(f"arn:aws:iam::{A}:role{path}{name}")
    of_session = parse_arn(f"arn:aws:sts::{A}:assumed-role/{name}/{session}")
    assert role.key == of_session.key
    assert parse_arn(role.canonical).canonical == role.canonical


@given(name=NAMES, path=PATHS)
def test_a_users_canonical_arn_is_the_arn(name, path):
    """A user's canonical ARN keeps the path, and is parsed as the same user."""
    text = f"arn:aws:iam::{A}:user{path}{name}"
    assert parse_arn(text).canonical == text


@given(st.text(max_size=200) | st.builds(lambda tail: f"arn:aws:iam::{A}:role/{tail}", st.text(max_size=80)))
def test_nothing_but_invalid_arn_is_ever_raised(text):
    """Every text is an ARN or raises `InvalidArn`, and a parsed ARN is ASCII."""
    try:
        arn = parse_arn(text)
    except InvalidArn:
        return
    assert text.isascii()
    assert arn.key.isascii()


LOWER, UPPER, DIGITS = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
NAME_CHARACTERS = LOWER + UPPER + DIGITS + "_+=,.@-"
PATH_CHARACTERS = "".join(map(chr, range(0x21, 0x7F)))
#: Every place in an ARN with a choice of characters, marked by `|`, and the allowed characters.
PLACES = [
    ("arn:|ws:iam::111122223333:root", LOWER),
    ("arn:a|s:iam::111122223333:root", LOWER + DIGITS + "-"),
    ("arn:aws:iam::|11122223333:root", DIGITS),
    ("arn:aws:iam::11112222333|:root", DIGITS),
    ("arn:aws:iam::111122223333:role/a|b", NAME_CHARACTERS + "/"),
    ("arn:aws:iam::111122223333:role/|", NAME_CHARACTERS),
    ("arn:aws:iam::111122223333:role/p|p/a", PATH_CHARACTERS),
    ("arn:aws:iam::111122223333:role/|/a", PATH_CHARACTERS),
    ("arn:aws:sts::111122223333:assumed-role/a|b/s", NAME_CHARACTERS),
    ("arn:aws:sts::111122223333:assumed-role/a/s|s", NAME_CHARACTERS),
    ("arn:aws:sts::111122223333:federated-user/a|b", NAME_CHARACTERS),
    ("arn:aws:iam::111122223333:user|Alice", "/"),
    ("arn:aws:iam:|111122223333:root", ":"),
    ("arn:aws:ia|::111122223333:root", "m"),
    ("arn:aws:iam|:111122223333:root", ":"),
    ("arn:aws:iam::111122223333|root", ":"),
    ("arn:aws:iam::111122223333:roo|", "t"),
    ("arn:aws:iam::111122223333:rol|/a", "e"),
    ("arn:aws:iam::111122223333:use|/a", "r"),
    ("|rn:aws:iam::111122223333:root", "a"),
    ("a|n:aws:iam::111122223333:root", "r"),
    ("ar|:aws:iam::111122223333:root", "n"),
    ("arn|aws:iam::111122223333:root", ":"),
    ("arn:aws|iam::111122223333:root", ":"),
    ("arn:aws:sts::111122223333:assumed|role/a/s", "-"),
    ("arn:aws:sts::111122223333:assumed-role|a/s", "/"),
    ("arn:aws:sts::111122223333:assumed-role/a|s", "/"),
]


@pytest.mark.parametrize(("place", "characters"), PLACES)
def test_each_place_accepts_only_its_characters(place, characters):
    """Each place accepts all characters of its grammar, and no other of the first 256 nor their look-alikes."""
    for character in [*map(chr, range(256)), "\u0131", "\u017f", "\u212a", "\u0661", "\uff11", "\ud800"]:
        text = place.replace("|", character)
        if character in characters:
            parse_arn(text)
        else:
            with pytest.raises(InvalidArn):
                parse_arn(text)


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("arn:a|:iam::111122223333:root", 31),
        ("arn:aws:iam::111122223333:role/|", 64),
        ("arn:aws:iam::111122223333:role/|/n", 510),
        ("arn:aws:sts::111122223333:assumed-role/|/s", 64),
        ("arn:aws:sts::111122223333:assumed-role/n/|", 64),
        ("arn:aws:sts::111122223333:federated-user/|", 64),
    ],
)
def test_each_part_has_its_length(text, most):
    """Each part is accepted from one character to its maximum length, and refused if empty or longer."""
    for length in (1, 2, most - 1, most):
        parse_arn(text.replace("|", "a" * length))
    for length in (0, most + 1):
        with pytest.raises(InvalidArn):
            parse_arn(text.replace("|", "a" * length))
