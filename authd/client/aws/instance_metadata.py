"""Credentials of the EC2 instance, asked for last, within one second in all, and with an eye on the clock."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

from botocore.credentials import InstanceMetadataProvider
from botocore.utils import InstanceMetadataFetcher, resolve_imds_endpoint_mode

# Off EC2 the address leads nowhere, and every kubectl call would wait for it.
_TOTAL_SECONDS = 1.0


class BoundedMetadataFetcher(InstanceMetadataFetcher):  # type: ignore[misc]
    """Asks once, gives up after a second, and keeps the Date header of the last answer."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.asked = False
        self.date: str | None = None
        self.answered_at = 0.0
        self._found: dict[str, str] = {}

    def retrieve_iam_role_credentials(self) -> dict[str, str]:
        """Return the instance role's credentials, or nothing if none came in time."""
        if not self.asked:
            self.asked = True
            asking = threading.Thread(target=self._ask, daemon=True)
            asking.start()
            asking.join(_TOTAL_SECONDS)
        return dict(self._found)

    def _ask(self) -> None:
        # Whatever else may answer at that address, such as a proxy, is no instance metadata.
        with contextlib.suppress(Exception):
            self._found = super().retrieve_iam_role_credentials()

    def _get_request(self, *arguments: Any, **keywords: Any) -> Any:
        answer = super()._get_request(*arguments, **keywords)
        self.date = answer.headers.get("date")
        self.answered_at = time.time()
        return answer

    def _evaluate_expiration(self, credentials: dict[str, str]) -> None:
        # botocore would pretend that expiring credentials live longer; kubectl must be told when they end.
        pass


def limit_instance_metadata(session: Any, resolver: Any) -> BoundedMetadataFetcher:
    """Put a bounded fetcher in the place of botocore's, also for `credential_source = Ec2InstanceMetadata`."""
    fetcher = BoundedMetadataFetcher(
        timeout=_TOTAL_SECONDS,
        num_attempts=1,
        user_agent=session.user_agent(),
        config={
            "ec2_metadata_service_endpoint": session.get_config_variable("ec2_metadata_service_endpoint"),
            "ec2_metadata_service_endpoint_mode": resolve_imds_endpoint_mode(session),
            "ec2_metadata_v1_disabled": session.get_config_variable("ec2_metadata_v1_disabled"),
        },
    )
    bounded = InstanceMetadataProvider(iam_role_fetcher=fetcher)
    resolver.get_provider("iam-role").load = bounded.load
    return fetcher
