"""Credentials from the EC2 instance metadata, within one second in total."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

from botocore.credentials import InstanceMetadataProvider
from botocore.utils import InstanceMetadataFetcher, resolve_imds_endpoint_mode

from authd.client.aws.context.clock import seconds_ahead
from authd.client.fast.timestamps import rfc3339

# Outside of EC2 the address is unreachable, and every kubectl call would wait for it.
_TOTAL_SECONDS = 1.0


class BoundedMetadataFetcher(InstanceMetadataFetcher):  # type: ignore[misc]  # botocore has no types
    """Tries once, gives up after a second, and compares the clocks by the last response's Date header."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.fetched = False
        #: Seconds by which our clock is ahead, or None without a Date header.
        self.clock_ahead: float | None = None
        self._found: dict[str, str] = {}

    def retrieve_iam_role_credentials(self) -> dict[str, str]:
        """Return the instance role's credentials, or an empty dict if none arrived in time."""
        if not self.fetched:
            self.fetched = True
            fetching = threading.Thread(target=self._fetch, daemon=True)
            fetching.start()
            fetching.join(_TOTAL_SECONDS)
        return dict(self._found)

    def _fetch(self) -> None:
        # A proxy or another server may respond at this address.
        with contextlib.suppress(Exception):
            self._found = super().retrieve_iam_role_credentials()

    def _get_request(self, *arguments: Any, **keywords: Any) -> Any:
        response = super()._get_request(*arguments, **keywords)
        self.clock_ahead = seconds_ahead(response.headers)
        return response

    def _evaluate_expiration(self, credentials: dict[str, str]) -> None:
        # botocore also extends the life of credentials that expire soon. kubectl needs their real expiry. The service
        # returns expired ones if it can't renew them, and AWS accepts them until it can.
        if str(credentials.get("expiry_time")) <= rfc3339(int(time.time())):
            super()._evaluate_expiration(credentials)


def limit_instance_metadata(session: Any, resolver: Any) -> BoundedMetadataFetcher:
    """Replace botocore's fetcher with a bounded one, also for `credential_source = Ec2InstanceMetadata`."""
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
