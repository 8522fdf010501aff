"""The account of an access key ID."""

from __future__ import annotations

import base64
import binascii

_PREFIX_LENGTH = 4
_ENCODED_LENGTH = 12
#: The account number is in 40 bits of the first six decoded bytes, above the seven lowest.
_ACCOUNT_BYTES, _ACCOUNT_SHIFT, _ACCOUNT_MASK = 6, 7, (1 << 40) - 1
_ACCOUNT_DIGITS = 12


def key_account(access_key_id: str) -> str:
    """Return the account number that AWS encodes in an access key ID, or an empty string.

    The characters after the four-letter prefix are base32. Keys issued before 2019 and keys of emulators encode other
    bits, so the result may not be an account. Use it only to hide an account, never to identify one.
    """
    encoded = access_key_id[_PREFIX_LENGTH:]
    if len(encoded) < _ENCODED_LENGTH:
        return ""
    try:
        decoded = base64.b32decode(encoded + "=" * (-len(encoded) % 8))
    except binascii.Error:
        return ""
    number = int.from_bytes(decoded[:_ACCOUNT_BYTES], "big") >> _ACCOUNT_SHIFT & _ACCOUNT_MASK
    return f"{number:0{_ACCOUNT_DIGITS}d}"
