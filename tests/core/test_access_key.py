"""The account of an access key ID."""

from __future__ import annotations

import base64

import pytest

from authd.core.access_key import key_account


def encoded(account: int) -> str:
    """Return a key ID that encodes an account, as AWS's keys do."""
    return "ASIA" + base64.b32encode((account << 7).to_bytes(6, "big") + b"\x01\x02\x03\x04").decode()


@pytest.mark.parametrize("account", [111122223333, 1, 999999999999])
def test_the_account_is_found(account: int) -> None:
    """The account's digits are decoded from the key ID, with leading zeros."""
    assert key_account(encoded(account)) == f"{account:012d}"


@pytest.mark.parametrize("key", ["", "AKIA", "AKIAEXAMPLE", "AKIA00000000000000008", "AKIA1111111111111111"])
def test_other_texts_have_no_account(key: str) -> None:
    """A text that is not base32, or too short, has no account."""
    assert key_account(key) == ""
