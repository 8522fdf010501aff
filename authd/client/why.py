"""`--why`: a report of everything that decides whether a cluster accepts the token, without the token itself."""

from __future__ import annotations

from authd.client.aws.context.clock import clock_message, seconds_ahead
from authd.client.aws.credential_chain import find_signer
from authd.client.aws.errors.error_messages import explained
from authd.client.fast.exec_credential import ExecInfo
from authd.client.fast.flags import Options
from authd.client.fast.timestamps import rfc3339
from authd.client.minting import sign_token
from authd.client.request.environment import collect_inputs
from authd.client.request.token_request import parse_token_request


def explain_login(options: Options, info: ExecInfo) -> str:
    """Return a report on a token made now and on STS's response to its credentials.

    Raises ClientError if no token can be made.
    """
    inputs = collect_inputs(options, info)
    request = parse_token_request(inputs)
    signer = find_signer(inputs, request, None)
    minted = sign_token(signer, request)
    with explained(request):
        response = signer.sts_client(request).get_caller_identity()
        arn, account = response["Arn"], response["Account"]
    ahead = seconds_ahead(response["ResponseMetadata"]["HTTPHeaders"])
    rows = [
        ("cluster id", request.cluster_id),
        ("STS host", signer.host),
        ("region signed for", signer.region),
        ("access key id", signer.keys.access_key),
        ("identity", arn),
        ("account", account),
        ("role assumed", request.role.arn if request.role else "none"),
        ("token expires", rfc3339(minted.expires_at)),
        ("clock", _clock(ahead)),
    ]
    report = "\n".join(f"{name + ':':<19}{value}" for name, value in rows)
    return f"{report}\n\n{_advice(str(options.why), ahead)}"


def _clock(ahead: float | None) -> str:
    if ahead is None:
        return "STS sent no Date header"
    if abs(ahead) < 2:  # noqa: PLR2004 -- the Date header has a resolution of one second
        return "agrees with STS"
    return f"{abs(ahead):.0f} seconds {'ahead of' if ahead > 0 else 'behind'} STS"


def _advice(reference: str, ahead: float | None) -> str:
    lines = []
    message = clock_message(ahead, "STS")
    if message is not None:
        lines.append(f"The cause is likely the clock: {message}.")
    lines.append(
        "AWS knows these credentials. If the cluster still refuses the login, it has another cluster id than the one "
        "above, or no mapping for this identity."
    )
    if reference:
        lines.append(
            f"Give the cluster's administrator the reference {reference}: "
            f"`authd why {reference}` on a control-plane node shows the decision, its reason and the next step."
        )
    else:
        lines.append("The cluster's administrator finds the decision in authd's log by the identity above.")
    return "\n".join(lines)
