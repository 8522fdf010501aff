"""Evidence of thousands of tokens, searched in seconds."""

from __future__ import annotations

import re

from tests.integration.rig.evidence import Evidence

#: What tokens, signatures, keys and session tokens are written with, percent signs of an encoded one included.
_RUN = re.compile(rb"[A-Za-z0-9+/=_%-]{16,}")


class SearchableEvidence(Evidence):
    """Looks for secrets only where a run of characters is long enough to hold one, and at each such run once."""

    def secret(self, value: str, what: str) -> None:
        """Remember a secret; one that the search would miss is an error."""
        super().secret(value, what)
        assert _RUN.fullmatch(value.encode()), "a secret that the search would not see"

    def leaks(self) -> list[str]:
        """Name every secret that was said, and who said it; never with the secret itself."""
        speakers: dict[str, set[bytes]] = {}
        for who, text in self._everything():
            speakers.setdefault(who, set()).update(_RUN.findall(text))
        said = {who: b"\n".join(runs) for who, runs in speakers.items()}
        return sorted(
            {
                f"{who} shows {what}"
                for who, text in said.items()
                for secret, what in self._secrets.items()
                if secret in text
            }
        )
