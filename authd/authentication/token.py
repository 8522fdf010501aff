"""The properties of a token that limits, circuits and caches need. Another kind of token only has to provide these."""

from __future__ import annotations

from typing import Protocol, TypeVar

from authd.core.decision import SignedRequest


class Token(SignedRequest, Protocol):
    """A parsed token."""

    @property
    def digest(self) -> str:
        """The SHA-256 of the token in hex, its key in caches and logs."""
        ...

    @property
    def credentials(self) -> str:
        """The key of the signer's credentials, the same for all tokens that they have signed."""
        ...

    @property
    def expiry(self) -> int:
        """The end of its validity in Unix seconds."""
        ...


TokenT = TypeVar("TokenT", bound=Token)
AskedT_contra = TypeVar("AskedT_contra", bound=Token, contravariant=True)


class TokenParser(Protocol[TokenT]):
    """Parses one kind of token."""

    def check_prefix(self, text: str, /) -> None:
        """Raise `Denied(foreign_token)` for a token of another kind. This is the first and cheapest check."""
        ...

    def parse(self, text: str, /, *, digest: str) -> TokenT:
        """Parse a token with a known digest. Raises `Denied`."""
        ...

    def check_window(self, request: TokenT, /, now: float) -> None:
        """Raise `Denied` if the token is not valid at the Unix time `now`."""
        ...
