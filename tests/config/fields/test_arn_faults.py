from __future__ import annotations

import pytest

from authd.config.fields.arn_faults import arn_fault

ROLE = "arn:aws:iam::111122223333:role/Admins"

FAULTS = {
    f"{ROLE} ": "has a space at its end",
    f" {ROLE}": "has a space at its beginning",
    f"{ROLE}\n": "has a line break (a block text that begins with `|` or `>` ends with one) at its end",
    f"{ROLE}\r\n": "has a line break",
    f"{ROLE}\t": "has a tab at its end",
    f"{ROLE}\u00a0": "has the space U+00A0 at its end",
    "arn:aws:iam::111122223333:role/A B": "has a space inside",
    "arn:aws:iam::111122223333:\nrole/A": "has a line break",
    f"{ROLE}\u200b": "has the invisible character U+200B",
    " ": "has white space only",
    "x" * 2000: "is longer than any ARN (1024 characters)",
    f"'{ROLE}'": "has quotation marks in its text",
    f'"{ROLE}"': "has quotation marks in its text",
    "arn:aws:iam::11111111111111:role/dev": "has the account 11111111111111 with 14 digits: an account has 12 digits",
    "arn:aws:iam::123456:role/admin": "has the account 123456 with 6 digits: an account has 12 digits, and zeros at the",
    "arn:aws:iam::1111-2222-3333:role/A": "has the account 1111-2222-3333: write its number without hyphens",
    "arn:aws:iam::1.11122223333e+11:role/A": "has the account 1.11122223333e+11, as Helm writes large numbers",
    "arn:aws:iam:::role/A": "has no account",
    "arn:aws:iam::<AWS_ACCOUNT_ID>:role/A": "still has the placeholder <AWS_ACCOUNT_ID>",
    "arn:aws:iam::${ACCOUNT_ID}:role/A": "still has the placeholder ${ACCOUNT_ID}",
    "arn:aws:iam::$ACCOUNT_ID:role/A": "still has the placeholder $ACCOUNT_ID",
    "arn:aws:iam::$(ACCOUNT):role/A": "still has the placeholder $(ACCOUNT)",
    "arn:aws:iam::{{ .Values.account }}:role/A": "still has the placeholder {{ .Values.account }}",
    "arn:aws:iam::{account}:role/A": "still has the placeholder {account}",
    "arn:aws:iam::[ACCOUNT]:role/A": "still has the placeholder [ACCOUNT]",
    "arn:aws:iam::%(account)s:role/A": "still has the placeholder %(account)s",
    "arn:aws:iam::@ACCOUNT@:role/A": "still has the placeholder @ACCOUNT@",
    "<ROLE_ARN>": "still has the placeholder <ROLE_ARN>",
    "arn:aws:iam::XXXXXXXXXXXX:role/A": "still has a placeholder, XXXXXXXXXXXX, in place of the account's 12 digits",
    "arn:aws:iam::ACCOUNT_ID:role/A": "still has a placeholder, ACCOUNT_ID,",
    "arn:aws:iam::111122223333:instance-profile/p/Nodes": (
        "is an instance profile: write the role in it, arn:aws:iam::111122223333:role/Nodes"
    ),
    "arn:aws:iam::111122223333:group/devs": "is an IAM group, which can't sign requests",
    "arn:aws:iam::111122223333:policy/x": "is a policy",
    "arn:aws:iam::111122223333:saml-provider/x": "is a SAML provider",
    "arn:aws:iam::111122223333:oidc-provider/x": "is an OIDC provider",
    "arn:aws:iam::111122223333:mfa/alice": "is an MFA device: write its user, arn:aws:iam::111122223333:user/alice",
    "arn:aws:sts::111122223333:assumed-role/Nodes": (
        "is a session's ARN without the session's name: write its role, arn:aws:iam::111122223333:role/Nodes"
    ),
    "arn:aws:sts::111122223333:assumed-role/Nodes/": "is a session's ARN without the session's name",
    "arn:aws:sts::111122223333:assumed-role": "is a session's ARN without the session's name",
    "arn:aws:iam::111122223333:assumed-role/A/b": "is a session's ARN with the service iam",
    "arn:aws:sts::111122223333:assumed-role/A/b/c": "is not a valid session's ARN",
    "arn:aws:sts::111122223333:role/A": "has the service sts: the ARN of a role has iam",
    "arn:aws:iam::111122223333:federated-user/A": "has the service iam: the ARN of a federated-user has sts",
    "arn:aws:s3:::bucket": "is the ARN of the service s3",
    "arn:aws:eks:us-east-1:111122223333:cluster/c": "is the ARN of the service eks",
    "arn:aws:sso:::permissionSet/ssoins-1/ps-2": "is the ARN of a permission set: write sso",
    "arn:aws:IAM::111122223333:role/A": "must have the service iam in lower case",
    "arn:amazon:iam::111122223333:role/A": "names the partition amazon, which AWS does not have",
    "arn:AWS:iam::111122223333:role/A": "has 'AWS' for the partition",
    "arn::iam::111122223333:role/A": "has '' for the partition".replace("''", "\"''\""),
    "ARN:aws:iam::111122223333:role/A": "must begin with arn: in lower case",
    "arn:aws:iam:111122223333:role/A": "has 4 colons instead of 5",
    "arn:aws:iam:us-east-1:111122223333:role/A": "has us-east-1 in place of a region",
    "Admins": "is not an ARN, which begins with arn:",
    "111122223333": "is a number, not an ARN: write the 12 digits of a whole account",
    "arn:aws:iam::111122223333:role/": "ends without the role's name",
    "arn:aws:iam::111122223333:role": "ends without the role's name",
    "arn:aws:iam::111122223333:user/a/": "ends without the user's name",
    "arn:aws:iam::111122223333:role:A": "has a colon instead of a slash",
    "arn:aws:iam::111122223333:Role/A": "must have role in lower case",
    "arn:aws:iam::111122223333:root/A": "must be arn:aws:iam::111122223333:root",
    "arn:aws:iam::111122223333:A": "names A, which is not a kind of principal",
    "arn:aws:iam::111122223333:": "names nothing, which is not a kind of principal",
    f"arn:aws:iam::111122223333:role/{'a' * 65}": "has a name of 65 characters",
    "arn:aws:iam::111122223333:role/a!": "has the character ! in the name",
    f"arn:aws:iam::111122223333:user/{'a' * 600}/b": "has a path that IAM does not allow",
}


@pytest.mark.parametrize(("text", "fault"), FAULTS.items())
def test_each_fault_has_its_own_message(text, fault):
    """Each kind of fault in an ARN has a message of its own."""
    assert arn_fault(text).startswith(fault)
    assert arn_fault(text).isprintable()
