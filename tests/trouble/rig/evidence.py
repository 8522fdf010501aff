"""Evidence with thousands of secrets that is searched in seconds."""

from __future__ import annotations

import re

from tests.integration.rig.evidence import Evidence

#: The characters of tokens, signatures, keys and session tokens, with the percent signs of encoded ones.
_RUN = re.compile(rb"[A-Za-z0-9+/=_%-]{16,}")


class SearchableEvidence(Evidence):
    """Searches only runs of characters that are long enough for a secret, and each distinct run once."""

    def secret(self, value: str, what: str) -> None:
        """Add a secret. Raises an error if the search could not find it."""
        super().secret(value, what)
        assert _RUN.fullmatch(value.encode()), "a secret that the search would not see"

    def leaks(self) -> list[str]:
        """Return the kind and the source of every leaked secret, without the secret."""
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
