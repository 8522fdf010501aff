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

# Type checkers take it as true. Importing it from typing would double the run time.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from authd.client.fast.inputs import Inputs

# Variables that are read here, and those that can't change the static credentials or the STS host.
_KNOWN_VARIABLES = frozenset((
    b"AWS_ACCESS_KEY_ID", b"AWS_SECRET_ACCESS_KEY", b"AWS_SESSION_TOKEN", b"AWS_SECURITY_TOKEN",
    b"AWS_CREDENTIAL_EXPIRATION", b"AWS_PROFILE", b"AWS_DEFAULT_PROFILE", b"AWS_REGION", b"AWS_DEFAULT_REGION",
    b"AWS_CONFIG_FILE", b"AWS_SHARED_CREDENTIALS_FILE", b"AWS_STS_REGIONAL_ENDPOINTS",
    b"AWS_USE_FIPS_ENDPOINT", b"AWS_USE_DUALSTACK_ENDPOINT",
    b"AWS_PAGER", b"AWS_DEFAULT_OUTPUT", b"AWS_SDK_LOAD_CONFIG", b"AWS_CA_BUNDLE", b"AWS_MAX_ATTEMPTS",
    b"AWS_RETRY_MODE", b"AWS_EC2_METADATA_DISABLED", b"AWS_EXECUTION_ENV", b"AWS_ACCOUNT_ID", b"AWS_VAULT",
    b"AWS_SESSION_EXPIRATION", b"AWS_SDK_UA_APP_ID", b"AWS_REQUEST_CHECKSUM_CALCULATION",
    b"AWS_RESPONSE_CHECKSUM_VALIDATION", b"AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE",
))  # fmt: skip
_HARMLESS_VARIABLES = (b"AWS_CLI_", b"AWS_VAULT_", b"AWS_ENDPOINT_URL_")
_STS_ENDPOINT_VARIABLE = b"AWS_ENDPOINT_URL_STS"
_KNOWN_KEYS = frozenset((
    "aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_security_token", "region", "output",
    "sts_regional_endpoints", "use_fips_endpoint", "use_dualstack_endpoint", "retry_mode", "max_attempts",
    "ca_bundle", "parameter_validation", "tcp_keepalive", "account_id", "aws_account_id", "sdk_ua_app_id",
    "user_agent_appid", "request_checksum_calculation", "response_checksum_validation", "expiration",
    "aws_expiration",
    # Settings of a role, which count only with role_arn, and those of aws-vault.
    "mfa_serial", "duration_seconds", "role_session_name", "external_id", "mfa_process", "include_profile",
    "session_tags", "transitive_session_tags", "source_identity",
))  # fmt: skip
# Prefixes of keys written by saml2aws and similar tools, by granted, and for the AWS CLI.
_HARMLESS_KEYS = ("x_", "granted_", "cli_")
#: Settings that change the endpoint unless they are false.
_ENDPOINT_SWITCHES = ("use_fips_endpoint", "use_dualstack_endpoint")


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
    _require_known_keys(merged)
    region = options.region or _variable(inputs, b"AWS_REGION") or _variable(inputs, b"AWS_DEFAULT_REGION")
    region = region or merged.get("region")
    if b"AWS_ACCESS_KEY_ID" in environ and options.profile is None:
        found = _from_environment(environ, region)
    else:
        found = _from_profile(config, credentials, region)
    if found.secret_key.strip(b"\"'") != found.secret_key:
        raise NotOnFastPath  # quotes around a secret are a mistake, which the full path explains
    return found


def _profile_name(inputs: Inputs) -> str | None:
    name = inputs.options.profile
    if name is None:
        name = _variable(inputs, b"AWS_PROFILE") or _variable(inputs, b"AWS_DEFAULT_PROFILE")
    if name is None:
        return None
    plain = name.isascii() and name.replace("-", "").replace("_", "").replace(".", "").isalnum()
    if not plain or name == "DEFAULT":
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
    environ = inputs.environ
    for name in environ:
        if not name.startswith((b"AWS_", b"BOTO")) or name in _KNOWN_VARIABLES:
            continue
        if name == _STS_ENDPOINT_VARIABLE or not name.startswith(_HARMLESS_VARIABLES):
            raise NotOnFastPath
    for setting in _ENDPOINT_SWITCHES:
        if environ.get(b"AWS_" + setting.upper().encode(), b"false").lower() != b"false":
            raise NotOnFastPath
    if environ.get(b"AWS_SECURITY_TOKEN") != environ.get(b"AWS_SESSION_TOKEN") and b"AWS_SECURITY_TOKEN" in environ:
        raise NotOnFastPath
    regional = environ.get(b"AWS_STS_REGIONAL_ENDPOINTS", b"regional") == b"regional"
    if inputs.options.endpoint is not None or not regional:
        raise NotOnFastPath
    # botocore prefers service models and endpoints from this folder to its own.
    try:
        stat(inputs.home + b"/.aws/models")
    except OSError:
        return
    raise NotOnFastPath


def _require_known_keys(settings: dict[str, str]) -> None:
    for name in settings:
        if name not in _KNOWN_KEYS and not name.startswith(_HARMLESS_KEYS):
            raise NotOnFastPath
    if settings.get("sts_regional_endpoints", "regional") != "regional":
        raise NotOnFastPath
    for setting in _ENDPOINT_SWITCHES:
        if settings.get(setting, "false").lower() != "false":
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
    if "aws_access_key_id" in credentials:
        keys = credentials
    return StaticCredentials(
        access_key=keys.get("aws_access_key_id", "").encode(),
        secret_key=keys.get("aws_secret_access_key", "").encode(),
        session_token=keys.get("aws_security_token", keys.get("aws_session_token", "")).encode(),
        expires_at=None,
        region=region,
    )


def _variable(inputs: Inputs, name: bytes) -> str | None:
    value = inputs.environ.get(name)
    return value.decode("utf-8", "surrogateescape") if value else None
