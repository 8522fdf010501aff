"""Translates botocore's exceptions into one sentence with the fault and the next step."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator

from botocore import exceptions
from botocore.parsers import ResponseParserError

from authd.client.aws.context.profiles import Profiles
from authd.client.aws.context.settings_check import malformed_variable
from authd.client.aws.errors.connection_errors import connection_message
from authd.client.aws.errors.shared_file_errors import shared_file_message
from authd.client.aws.errors.sts_errors import EXPIRED, NOT_AWS, sts_message
from authd.client.fast.errors import ClientError
from authd.client.request.token_request import TokenRequest

_PARAMETER = re.compile(r"^(?:Invalid|Missing)[a-z ]* parameter (?:in input: \")?([A-Za-z]{1,40})", re.MULTILINE)
_INVALID_SETTINGS: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    (
        (exceptions.InvalidRetryConfigurationError,),
        "the retry settings are invalid; check AWS_RETRY_MODE, AWS_MAX_ATTEMPTS and the profile's counterparts",
    ),
    (
        (exceptions.InvalidSTSRegionalEndpointsConfigError,),
        "AWS_STS_REGIONAL_ENDPOINTS or the profile's sts_regional_endpoints must be regional or legacy",
    ),
    (
        (exceptions.EndpointVariantError, exceptions.UnknownFIPSEndpointError),
        "STS has no FIPS or dual-stack endpoint in this region; choose another region or unset the switch",
    ),
    (
        (exceptions.InvalidIMDSEndpointError, exceptions.InvalidIMDSEndpointModeError),
        "AWS_EC2_METADATA_SERVICE_ENDPOINT or …_MODE is invalid; correct or unset it",
    ),
)


@contextlib.contextmanager
def explained(request: TokenRequest) -> Iterator[None]:
    """Translate exceptions of botocore inside the block into ClientError."""
    try:
        yield
    except ClientError:
        raise
    except exceptions.ClientError as error:
        raise ClientError(sts_message(error, request)) from None
    except exceptions.BotoCoreError as error:
        raise ClientError(_botocore_message(error, request)) from None
    except ResponseParserError:
        raise ClientError(NOT_AWS) from None
    except OSError as error:
        place = f" {error.filename}" if isinstance(error.filename, str) else ""
        raise ClientError(f"a file that the credentials need{place} cannot be read: {error.strerror}") from None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ClientError(_malformed(error)) from None
    except RuntimeError:
        raise ClientError(EXPIRED) from None


def _malformed(error: Exception) -> str:
    if str(error).startswith("Invalid endpoint"):
        return "an endpoint is not a URL: check AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL and the profile's endpoint_url"
    if str(error).startswith("Unsupported host"):
        return (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI is not allowed: its host must be a loopback address, that of "
            "ECS or EKS, or an https URL"
        )
    return malformed_variable() or (
        "the AWS credentials or settings that were found are malformed: check the AWS_ variables, the cached login "
        "(`aws sso login` renews it), the answer of the credential_process, and that of the container's endpoint"
    )


def _botocore_message(error: exceptions.BotoCoreError, request: TokenRequest) -> str:
    if isinstance(error, exceptions.ConfigParseError):
        return shared_file_message(error)
    profiles = Profiles(request)
    if isinstance(error, exceptions.ProfileNotFound):
        return profiles.missing(str(error.kwargs.get("profile")))
    return (
        _login_message(error, profiles)
        or connection_message(error, request, profiles)
        or _settings_message(error, profiles)
        or _source_message(error, profiles)
        or f"the AWS settings of the profile {profiles.label!r} do not work; "
        "`aws sts get-caller-identity` with the same settings may show more"
    )


def _login_message(error: exceptions.BotoCoreError, profiles: Profiles) -> str | None:
    if isinstance(error, exceptions.SSOError | exceptions.TokenRetrievalError):
        return f"the SSO session has expired or was never started; run `{profiles.login_command('aws sso login')}`"
    if isinstance(error, exceptions.MissingDependencyException):
        return f"credentials of `aws login` need the package botocore[crt]; run `{_install_command()}`"
    if isinstance(error, exceptions.LoginError):
        return f"the AWS login session has expired or was never started; run `{profiles.login_command('aws login')}`"
    return None


def _container_variable() -> str:
    relative = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
    return relative if os.environ.get(relative) else "AWS_CONTAINER_CREDENTIALS_FULL_URI"


def _install_command() -> str:
    if "/pipx/" in sys.prefix:
        return "pipx inject authd 'botocore[crt]'"
    return f"{sys.executable} -m pip install 'botocore[crt]'"


def _settings_message(error: exceptions.BotoCoreError, profiles: Profiles) -> str | None:
    if not isinstance(error, exceptions.ConnectionError | exceptions.HTTPClientError):
        fault = None if profiles.uses_environment else profiles.fault()
        if fault is not None:
            return fault
    if isinstance(error, exceptions.PartialCredentialsError):
        missing, source = error.kwargs.get("cred_var"), error.kwargs.get("provider")
        place = "the environment" if source == "env" else f"the profile {profiles.label!r}"
        return f"the credentials are incomplete: {missing} is missing in {place}"
    if isinstance(error, exceptions.ParamValidationError):
        # botocore's message repeats values, so only the parameters' names are shown.
        names = " and ".join(sorted(set(_PARAMETER.findall(str(error))))) or "a value"
        return f"the AWS settings do not work: {names} in the profile, the environment or a login is malformed or empty"
    return next((message for kinds, message in _INVALID_SETTINGS if isinstance(error, kinds)), None)


def _source_message(error: exceptions.BotoCoreError, profiles: Profiles) -> str | None:
    if isinstance(error, exceptions.MetadataRetrievalError):
        return "the instance or container metadata endpoint returned no credentials; check the attached role"
    if isinstance(error, exceptions.RefreshWithMFAUnsupportedError):
        return EXPIRED
    if isinstance(error, exceptions.CredentialRetrievalError):
        source = str(error.kwargs.get("provider", "")) or f"the profile {profiles.label!r}"
        if source == "container-role":
            return f"the container's credential endpoint returned no credentials; check {_container_variable()}"
        if source in ("Ec2InstanceMetadata", "Environment", "EcsContainer"):
            return (
                f"a profile takes its credentials from {source}, which has none here; correct the credential_source of "
                f"the profile {profiles.label!r}, or run this in the right place"
            )
        return f"the credentials from {source} could not be retrieved; check their source"
    return None
