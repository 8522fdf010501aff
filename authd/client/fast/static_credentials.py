"""Static credentials from the environment or from a profile's own keys.

The order is that of botocore's credential chain. A variable or key that this module does not know raises
NotOnFastPath, so that botocore decides.
"""

from __future__ import annotations

from posix import stat

from authd.client.fast.shared_files import read_section
from authd.client.fast.sigv4 import NotOnFastPath
from authd.client.fast.sts_host import GLOBAL_HOST, GLOBAL_REGION, regional_host
from authd.client.fast.timestamps import parse_timestamp

# Type checkers know the name; importing typing for it would double the run time.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from authd.client.fast.inputs import Inputs

# Variables that are read here, and those that can't change the static credentials or the STS host.
_KNOWN_VARIABLES = frozenset((
    b"AWS_ACCESS_KEY_ID", b"AWS_SECRET_ACCESS_KEY", b"AWS_SESSION_TOKEN", b"AWS_CREDENTIAL_EXPIRATION",
    b"AWS_PROFILE", b"AWS_DEFAULT_PROFILE", b"AWS_REGION", b"AWS_DEFAULT_REGION",
    b"AWS_CONFIG_FILE", b"AWS_SHARED_CREDENTIALS_FILE", b"AWS_STS_REGIONAL_ENDPOINTS",
    b"AWS_PAGER", b"AWS_DEFAULT_OUTPUT", b"AWS_CLI_AUTO_PROMPT", b"AWS_CLI_FILE_ENCODING", b"AWS_SDK_LOAD_CONFIG",
    b"AWS_CA_BUNDLE", b"AWS_MAX_ATTEMPTS", b"AWS_RETRY_MODE", b"AWS_EC2_METADATA_DISABLED", b"AWS_VAULT",
))  # fmt: skip
_KNOWN_KEYS = frozenset((
    "aws_access_key_id", "aws_secret_access_key", "aws_session_token", "region", "output", "sts_regional_endpoints",
    "cli_pager", "cli_auto_prompt", "cli_history", "cli_timestamp_format",
))  # fmt: skip


class StaticCredentials:
    """Credentials as bytes (an empty session token means none), their expiry or None, and the STS host and region."""

    __slots__ = ("access_key", "expires_at", "host", "region", "secret_key", "session_token")

    def __init__(
        self, *, access_key: bytes, secret_key: bytes, session_token: bytes, expires_at: int | None, region: str | None
    ) -> None:
        self.access_key = access_key
        self.secret_key = secret_key
        self.session_token = session_token
        self.expires_at = expires_at
        self.region = region or GLOBAL_REGION
        self.host = regional_host(region) if region else GLOBAL_HOST

    def __repr__(self) -> str:
        return "StaticCredentials(<redacted>)"


def find_static_credentials(inputs: Inputs) -> StaticCredentials:
    """Return the credentials that botocore would find. Raises NotOnFastPath if that isn't certain."""
    options, environ = inputs.options, inputs.environ
    _require_known_settings(inputs)
    profile = _profile_name(inputs)
    config, credentials = _profile_sections(inputs, profile or "default")
    if profile is not None and config is None and credentials is None:
        raise NotOnFastPath
    config, credentials = config or {}, credentials or {}
    merged = {**config, **credentials}
    if not _KNOWN_KEYS.issuperset(merged) or merged.get("sts_regional_endpoints", "regional") != "regional":
        raise NotOnFastPath
    region = options.region or _variable(inputs, b"AWS_REGION") or _variable(inputs, b"AWS_DEFAULT_REGION")
    region = region or merged.get("region")
    if environ.get(b"AWS_ACCESS_KEY_ID") and options.profile is None:
        return _from_environment(environ, region)
    return _from_profile(config, credentials, region)


def _profile_name(inputs: Inputs) -> str | None:
    names = {inputs.environ[name] for name in (b"AWS_PROFILE", b"AWS_DEFAULT_PROFILE") if name in inputs.environ}
    if inputs.options.profile is not None:
        names = {inputs.options.profile.encode("utf-8", "surrogateescape")}
    if not names:
        return None
    name = names.pop().decode("utf-8", "surrogateescape")
    plain = name.isascii() and name.replace("-", "").replace("_", "").replace(".", "").isalnum()
    if names or not plain or name == "DEFAULT":
        raise NotOnFastPath
    return name


def _profile_sections(inputs: Inputs, profile: str) -> tuple[dict[str, str] | None, dict[str, str] | None]:
    config = credentials = None
    if inputs.config_file is not None:
        if profile == "default" and b"[profile default" in inputs.config_file:
            raise NotOnFastPath
        config = read_section(inputs.config_file, "default" if profile == "default" else f"profile {profile}")
    if inputs.credentials_file is not None:
        credentials = read_section(inputs.credentials_file, profile)
    return config, credentials


def _require_known_settings(inputs: Inputs) -> None:
    for name in inputs.environ:
        if name.startswith((b"AWS_", b"BOTO")) and name not in _KNOWN_VARIABLES:
            raise NotOnFastPath
    regional = inputs.environ.get(b"AWS_STS_REGIONAL_ENDPOINTS", b"regional") == b"regional"
    if inputs.options.endpoint is not None or not regional:
        raise NotOnFastPath
    # botocore prefers service models and endpoints from this folder to its own.
    try:
        stat(inputs.home + b"/.aws/models")
    except OSError:
        return
    raise NotOnFastPath


def _from_environment(environ: dict[bytes, bytes], region: str | None) -> StaticCredentials:
    expiration = environ.get(b"AWS_CREDENTIAL_EXPIRATION")
    try:
        expires_at = parse_timestamp(expiration.decode()) if expiration else None
    except ValueError:
        raise NotOnFastPath from None
    return StaticCredentials(
        access_key=environ[b"AWS_ACCESS_KEY_ID"],
        secret_key=environ.get(b"AWS_SECRET_ACCESS_KEY", b""),
        session_token=environ.get(b"AWS_SESSION_TOKEN", b""),
        expires_at=expires_at,
        region=region,
    )


def _from_profile(config: dict[str, str], credentials: dict[str, str], region: str | None) -> StaticCredentials:
    keys = config
    if any(name.startswith("aws_") for name in credentials):
        keys = credentials
    return StaticCredentials(
        access_key=keys.get("aws_access_key_id", "").encode(),
        secret_key=keys.get("aws_secret_access_key", "").encode(),
        session_token=keys.get("aws_session_token", "").encode(),
        expires_at=None,
        region=region,
    )


def _variable(inputs: Inputs, name: bytes) -> str | None:
    value = inputs.environ.get(name)
    return value.decode("utf-8", "surrogateescape") if value else None
