"""The full path of `get_token`, which leaves the process's environment as it is."""

from __future__ import annotations

import contextlib
from typing import Any

from authd.client.fast.errors import ClientError
from authd.client.fast.exec_credential import ExecInfo
from authd.client.fast.flags import Options
from authd.client.minting import Minted, sign_token
from authd.client.request.environment import read_inputs
from authd.client.request.token_request import parse_token_request


def mint(options: Options, session: Any) -> tuple[str, int]:
    """Return a token and its expiry. `session` is a boto3 or botocore session, or None. Raises ClientError."""
    inputs = read_inputs(options, ExecInfo(present=False))
    request = parse_token_request(inputs)
    if session is not None:
        from authd.client.aws.credential_chain import find_session_signer

        minted = sign_token(find_session_signer(inputs, request, session), request)
    elif options.cache:
        minted = _mint_cached(inputs, request)
    else:
        from authd.client.minting import mint as mint_token

        minted = mint_token(inputs, request, None)
    return minted.token, minted.expires_at


def _mint_cached(inputs: Any, request: Any) -> Minted:
    from authd.client.cache.store import open_store
    from authd.client.cached_minting import mint_cached

    try:
        store = open_store(inputs.environ, inputs.home)
    except OSError as error:
        raise ClientError(f"the cache {error.filename} can't be used: {error.strerror}") from None
    with contextlib.closing(store):
        return mint_cached(store, inputs, request)
