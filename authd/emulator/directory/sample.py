"""An example directory. Its secrets are public and give access to nothing."""

from __future__ import annotations

from typing import Final

from authd.emulator.directory.directory import AccessKey, Directory, WebIdentity
from authd.emulator.directory.principals import FederatedUser, Role, Root, User

ACCOUNT: Final = "111122223333"
OTHER_ACCOUNT: Final = "444455556666"
ALICE_KEY: Final = ("AKIAEMULATORALICE000", "alice/secret+key/of+the+emulator/0000000")
BOB_KEY: Final = ("AKIAEMULATORBOB00000", "bob00/secret+key/of+the+emulator/0000000")
MALLORY_KEY: Final = ("AKIAEMULATORMALLORY0", "mall0/secret+key/of+the+emulator/0000000")
ROOT_KEY: Final = ("AKIAEMULATORROOT0000", "root0/secret+key/of+the+emulator/0000000")
FEDERATED_KEY: Final = ("ASIAEMULATORCAROL000", "carol/secret+key/of+the+emulator/0000000")
FEDERATED_TOKEN: Final = "carols+session/token=="
WEB_IDENTITY_TOKEN: Final = "a-token-of-the-emulators-own-identity-provider"
MFA_SERIAL: Final = f"arn:aws:iam::{ACCOUNT}:mfa/alice"
MFA_CODE: Final = "123456"
EXTERNAL_ID: Final = "a-partner-of-ours"


def sample_directory() -> Directory:
    """Build the sample: Alice and Bob in one account, Mallory in another, a root user, a federated user, roles.

    `Admin` and `team/Developer` trust the first account, `Partner` requires an external ID, `Guarded`
    MFA. `Deployer` trusts sessions of `Admin` (role chaining), `Pipeline` is assumed with a web identity token,
    `Long` allows sessions of 12 hours, and `Closed` has an empty trust policy.
    """
    alice = User(account=ACCOUNT, name="alice", path="/team/")
    people = ((ALICE_KEY, alice), (BOB_KEY, User(account=ACCOUNT, name="bob")))
    return Directory.of(
        keys=(
            *(AccessKey(key_id=key_id, secret=secret, owner=owner) for (key_id, secret), owner in people),
            AccessKey(
                key_id=MALLORY_KEY[0],
                secret=MALLORY_KEY[1],
                owner=User(account=OTHER_ACCOUNT, name="mallory"),
            ),
            AccessKey(key_id=ROOT_KEY[0], secret=ROOT_KEY[1], owner=Root(account=ACCOUNT)),
            AccessKey(
                key_id=FEDERATED_KEY[0],
                secret=FEDERATED_KEY[1],
                owner=FederatedUser(account=ACCOUNT, name="carol"),
                session_token=FEDERATED_TOKEN,
            ),
        ),
        roles=_roles(),
        web_identities=[_web_identity()],
        disabled_regions={OTHER_ACCOUNT: ["ap-east-1"]},
    )


def _roles() -> list[Role]:
    everybody_here = frozenset({f"arn:aws:iam::{ACCOUNT}:root"})
    admin = Role(account=ACCOUNT, name="Admin", trusts=everybody_here)
    return [
        admin,
        Role(account=ACCOUNT, name="Developer", path="/team/", trusts=everybody_here),
        Role(account=ACCOUNT, name="Partner", trusts=frozenset({"*"}), external_id=EXTERNAL_ID),
        Role(account=ACCOUNT, name="Guarded", trusts=everybody_here, mfa_serial=MFA_SERIAL, mfa_code=MFA_CODE),
        Role(account=OTHER_ACCOUNT, name="Deployer", trusts=frozenset({admin.arn("aws")})),
        Role(account=ACCOUNT, name="Pipeline"),
        Role(account=ACCOUNT, name="Long", trusts=everybody_here, max_session_seconds=43_200),
        Role(account=ACCOUNT, name="Closed"),
    ]


def _web_identity() -> WebIdentity:
    return WebIdentity(
        token=WEB_IDENTITY_TOKEN,
        subject="system:serviceaccount:ci:pipeline",
        provider="oidc.example.com",
        audience="sts.amazonaws.com",
        roles=frozenset({f"arn:aws:iam::{ACCOUNT}:role/Pipeline"}),
    )
