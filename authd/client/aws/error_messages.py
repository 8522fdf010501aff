"""Translates botocore's exceptions into one sentence with the fault and the next step.

AWS's messages are repeated only if they are known to contain no secret. The message of a signature mismatch, for
instance, contains the whole signed request.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from botocore import exceptions
from botocore.parsers import ResponseParserError

from authd.client.fast.errors import ClientError
from authd.client.request.token_request import TokenRequest

# AWS, "Signature Version 4": signed calls may be off by five minutes either way.
_CLOCK_TOLERANCE_SECONDS = 300
_MAX_QUOTED = 300
_NOT_AWS = "the response did not come from AWS: check the network (a login page, HTTPS_PROXY) and AWS_ENDPOINT_URL_STS"
_PRINCIPAL = re.compile(r"User: (arn:[!-~]{1,400}) is not authorized")
_PARAMETER = re.compile(r"^(?:Invalid|Missing)[a-z ]* parameter (?:in input: \")?([A-Za-z]{1,40})", re.MULTILINE)
_LINE = re.compile(r"\[line\s+(?P<line>[0-9]+)\]|', line: (?P<first>[0-9]+)\n")


@contextlib.contextmanager
def explained(request: TokenRequest) -> Iterator[None]:
    """Translate exceptions of botocore inside the block into ClientError."""
    try:
        yield
    except ClientError:
        raise
    except exceptions.ClientError as error:
        raise ClientError(_sts_error(error, request)) from None
    except exceptions.BotoCoreError as error:
        raise ClientError(_botocore_error(error, request)) from None
    except ResponseParserError:
        raise ClientError(_NOT_AWS) from None
    except OSError as error:
        where = f" {error.filename}" if isinstance(error.filename, str) else ""
        raise ClientError(f"a file that the credentials need{where} cannot be read: {error.strerror}") from None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ClientError(_malformed(error)) from None
    except RuntimeError:
        raise ClientError("the AWS credentials have expired; get new ones from where these came from") from None


def _malformed(error: Exception) -> str:
    if str(error).startswith("Invalid endpoint"):
        return "an endpoint is no URL: check AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL and the profile's endpoint_url"
    return (
        "the AWS credentials or settings that were found are malformed: check the AWS_ variables, the cached login "
        "(`aws sso login` renews it), the answer of the credential_process, and that of the container's endpoint"
    )


def clock_sentence(seconds: float, source: str) -> str | None:
    """Return a message about a clock that is `seconds` ahead of that of `source`, or None within AWS's tolerance."""
    if abs(seconds) <= _CLOCK_TOLERANCE_SECONDS:
        return None
    amount = f"{abs(seconds) / 60:.0f} minutes" if abs(seconds) < 2 * 3600 else f"{abs(seconds) / 3600:.0f} hours"
    direction = "ahead of" if seconds > 0 else "behind"
    return (
        f"this machine's clock is {amount} {direction} {source}'s, and AWS allows 5 minutes; "
        "set it (`timedatectl set-ntp true`) and try again"
    )


def seconds_ahead(headers: Any) -> float | None:
    """Return the seconds by which our clock is ahead of the Date header, or None without that header."""
    try:
        return time.time() - parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return None


def _sts_error(error: exceptions.ClientError, request: TokenRequest) -> str:
    details = error.response.get("Error", {})
    code, message = str(details.get("Code", "")), str(details.get("Message", ""))
    ahead = seconds_ahead(error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}))
    if code in ("SignatureDoesNotMatch", "RequestExpired", "RequestTimeTooSkewed", "InvalidSignatureException"):
        if "scoped to a valid region" in message:
            return "STS wants a signature for its own region: give the region of the endpoint with --region"
        sentence = clock_sentence(ahead, "STS") if ahead is not None else None
        return sentence or (
            "STS says that the signature is wrong: the secret access key does not belong to the access key id"
        )
    if code in ("AccessDenied", "AccessDeniedException", "Forbidden"):
        return _access_denied(error.operation_name, message, request)
    return _sts_error_by_code(error.operation_name, code, message)


def _sts_error_by_code(operation: str, code: str, message: str) -> str:
    sentences = {
        "ExpiredToken": "the AWS credentials have expired; get new ones from where these came from",
        "ExpiredTokenException": "the AWS credentials have expired; get new ones from where these came from",
        "InvalidClientTokenId": (
            "STS does not know the access key: it was deleted or deactivated, or belongs to another partition"
        ),
        "UnrecognizedClientException": "AWS does not know the access key: it was deleted or deactivated",
        "InvalidIdentityToken": "STS does not accept the web identity token: its issuer or audience isn't the role's",
        "RegionDisabledException": "STS is not activated for this account in this region; choose another --region",
        "Throttling": "AWS is throttling calls of this account; try again in a moment",
        "RequestLimitExceeded": "AWS is throttling calls of this account; try again in a moment",
        "ForbiddenException": "the SSO session may not use the account and role that the profile names",
    }
    if code in sentences:
        return sentences[code]
    if code.isdigit():  # AWS's errors have names, so this is another server's HTTP status
        return _NOT_AWS
    if (
        code == "ValidationError" and operation != "AssumeRoleWithWebIdentity"
    ):  # its message may repeat the identity token
        return f"{operation} was refused: {_quoted(message)}"
    return f"{operation} was refused with {_quoted(code) or 'an unknown error'}; `authd-token --why` tells more"


def _access_denied(operation: str, message: str, request: TokenRequest) -> str:
    if operation == "AssumeRoleWithWebIdentity":
        return (
            "AWS refuses the web identity: the role's trust policy must allow sts:AssumeRoleWithWebIdentity to this "
            "identity provider, and its conditions must fit the token's subject and audience"
        )
    if operation != "AssumeRole":
        return f"AWS denies {operation}: {_quoted(message)}"
    if "MultiFactorAuthentication" in message:
        return "AWS did not accept the MFA code: each is good once and for half a minute; try the next one"
    match = _PRINCIPAL.search(message)
    principal = match[1] if match else "this principal"
    role = message.rpartition("on resource: ")[2].split()
    arn = role[0] if role and role[0].startswith("arn:") else request.role.arn if request.role else "the profile's role"
    external = ""
    if request.role is not None and request.role.external_id is None:
        external = "; if the trust policy demands an external id, give it with --external-id"
    return (
        f"AWS does not let {principal} assume {arn}: the role's trust policy must allow sts:AssumeRole to that "
        f"principal, and the principal's own policies must allow it for that role{external}"
    )


def _botocore_error(error: exceptions.BotoCoreError, request: TokenRequest) -> str:
    profile = request.profile or "default"
    login = f"`aws sso login{f' --profile {request.profile}' if request.profile else ''}`"
    by_kind: tuple[tuple[type[Exception], str], ...] = (
        (exceptions.ProfileNotFound, _profile_missing(error)),
        (exceptions.SSOError, f"the SSO session has expired or was never started; run {login}"),
        (exceptions.TokenRetrievalError, f"the SSO session has expired or was never started; run {login}"),
        (exceptions.PartialCredentialsError, _partial(error)),
        (exceptions.ConfigParseError, _unparsable(error)),
        (exceptions.ProxyConnectionError, "the proxy that HTTPS_PROXY names cannot be reached"),
    )
    for kind, sentence in by_kind:
        if isinstance(error, kind):
            return sentence
    return _other_botocore_error(error, profile)


def _other_botocore_error(error: exceptions.BotoCoreError, profile: str) -> str:
    name = type(error).__name__
    if isinstance(error, exceptions.ParamValidationError):
        # botocore's message repeats values, so only the parameters' names are shown.
        names = " and ".join(sorted(set(_PARAMETER.findall(str(error))))) or "a value"
        return f"the AWS settings do not work: {names} in the profile, the environment or a login is malformed or empty"
    host = urlsplit(str(error.kwargs.get("endpoint_url", ""))).hostname
    if host is not None:
        return f"cannot reach {host} ({name}); check the network, HTTPS_PROXY and, behind a TLS proxy, AWS_CA_BUNDLE"
    by_kind: tuple[tuple[bool, str], ...] = (
        (
            # botocore's message may repeat a header, such as the session token, or a proxy's password.
            isinstance(error, exceptions.HTTPClientError),
            f"the call to AWS failed ({name}); check HTTPS_PROXY, AWS_CA_BUNDLE and the credentials for odd characters",
        ),
        (name.startswith("Login"), "the AWS login session has expired or was never started; run `aws login`"),
        (
            isinstance(error, exceptions.CredentialRetrievalError),
            _retrieval(str(error.kwargs.get("provider", "")), profile),
        ),
        (
            isinstance(error, exceptions.MetadataRetrievalError),
            "the instance or container metadata endpoint gave no credentials; check the role attached there",
        ),
    )
    for fits, sentence in by_kind:
        if fits:
            return sentence
    return f"the AWS settings do not work ({name}): {_quoted(str(error))}"


def _retrieval(provider: str, profile: str) -> str:
    if provider == "custom-process":
        return (
            "the credential_process of the profile failed; run it by hand to see why "
            f"(`aws configure get credential_process --profile {profile}` prints it)"
        )
    return f"the credentials of {provider or 'the profile'} could not be had; check what provides them"


def _profile_missing(error: exceptions.BotoCoreError) -> str:
    return (
        f"the profile {error.kwargs.get('profile')!r} is in neither of the AWS shared files; "
        "`aws configure list-profiles` shows those that are"
    )


def _partial(error: exceptions.BotoCoreError) -> str:
    return f"the credentials are incomplete: {error.kwargs.get('cred_var')} is missing ({error.kwargs.get('provider')})"


def _unparsable(error: exceptions.BotoCoreError) -> str:
    # The parser's message repeats the line, which may contain a key.
    told = str(error.kwargs.get("error", ""))
    match = _LINE.search(told)
    line = f", line {match['line'] or match['first']}," if match else ""
    mark = ": it begins with a byte order mark, save it without one" if r"\ufeff" in told else ""
    return f"{error.kwargs.get('path')}{line} is not a valid AWS configuration file{mark}"


def _quoted(text: str) -> str:
    return " ".join(text.split())[:_MAX_QUOTED]
