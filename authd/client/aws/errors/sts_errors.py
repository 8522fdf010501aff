"""Messages about error responses from AWS.

AWS's messages are repeated only if they are known to contain no secret. The message of a signature mismatch, for
instance, contains the whole signed request.
"""

from __future__ import annotations

import re

from botocore import exceptions

from authd.client.aws.context.clock import clock_message, seconds_ahead
from authd.client.request.token_request import TokenRequest

NOT_AWS = "the response did not come from AWS: check the network (a login page, HTTPS_PROXY) and AWS_ENDPOINT_URL_STS"
EXPIRED = "the AWS credentials have expired; renew them at their source"
_MAX_QUOTED = 300
_PRINCIPAL = re.compile(r"User: (arn:[!-~]{1,400}) is not authorized")


def sts_message(error: exceptions.ClientError, request: TokenRequest) -> str:
    """Return a message about an error response of STS or another service of AWS."""
    details = error.response.get("Error", {})
    code, message = str(details.get("Code", "")), str(details.get("Message", ""))
    ahead = seconds_ahead(error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}))
    if code in ("SignatureDoesNotMatch", "RequestExpired", "RequestTimeTooSkewed", "InvalidSignatureException"):
        if "scoped to a valid region" in message:
            return "STS requires a signature for its own region: give the region of the endpoint with --region"
        return clock_message(ahead, "STS") or (
            "STS says that the signature is wrong: the secret access key does not match the access key ID"
        )
    if code in ("AccessDenied", "AccessDeniedException", "Forbidden"):
        return _access_denied(error.operation_name, message, request)
    return _sts_error_by_code(error.operation_name, code, message)


def _sts_error_by_code(operation: str, code: str, message: str) -> str:
    sentences = {
        "ExpiredToken": EXPIRED,
        "ExpiredTokenException": EXPIRED,
        "InvalidClientTokenId": (
            "STS does not know the access key: it was deleted or deactivated, or is of another partition"
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
        return NOT_AWS
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


def _quoted(text: str) -> str:
    return " ".join(text.split())[:_MAX_QUOTED]
