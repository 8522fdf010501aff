"""`--why`: everything about a token that decides whether a cluster takes it, without the token."""

from __future__ import annotations

from authd.client.aws.error_messages import clock_sentence, explained, seconds_ahead
from authd.client.aws.signer import find_signer
from authd.client.environment import gather
from authd.client.fast.exec_credential import ExecInfo
from authd.client.fast.flags import Options
from authd.client.fast.timestamps import rfc3339
from authd.client.minting import sign_token
from authd.client.token_request import parse_order


def explain_login(options: Options, info: ExecInfo) -> str:
    """Return a report of what a token made now would say and of what STS thinks of its credentials.

    Raises ClientError where no token could be made at all.
    """
    inputs = gather(options, info)
    order = parse_order(inputs)
    signer = find_signer(inputs, order, None)
    minted = sign_token(signer, order)
    with explained(order):
        answer = signer.sts_client(order).get_caller_identity()
        arn, account = answer["Arn"], answer["Account"]
    ahead = seconds_ahead(answer["ResponseMetadata"]["HTTPHeaders"])
    rows = [
        ("cluster id", order.cluster_id),
        ("STS host", signer.host),
        ("region signed for", signer.region),
        ("access key id", signer.keys.access_key),
        ("identity", arn),
        ("account", account),
        ("role assumed", order.role.arn if order.role else "none"),
        ("token expires", rfc3339(minted.expires_at)),
        ("clock", _clock(ahead)),
    ]
    report = "\n".join(f"{name + ':':<19}{value}" for name, value in rows)
    return f"{report}\n\n{_advice(str(options.why), ahead)}"


def _clock(ahead: float | None) -> str:
    if ahead is None:
        return "STS did not say its time"
    if abs(ahead) < 2:  # noqa: PLR2004 -- the Date header knows whole seconds only
        return "agrees with STS"
    return f"{abs(ahead):.0f} seconds {'ahead of' if ahead > 0 else 'behind'} STS"


def _advice(reference: str, ahead: float | None) -> str:
    lines = []
    sentence = clock_sentence(ahead, "STS") if ahead is not None else None
    if sentence is not None:
        lines.append(f"The cause is likely the clock: {sentence}.")
    lines.append(
        "AWS knows these credentials. If the cluster still refuses the login, it has another cluster id than the one "
        "above, or no mapping for this identity."
    )
    if reference:
        lines.append(
            f"Give the cluster's administrator the reference {reference}: "
            f"`journalctl -u authd | grep -F {reference}` on a control-plane node shows the decision and its reason."
        )
    else:
        lines.append("The cluster's administrator finds the decision in authd's log by the identity above.")
    return "\n".join(lines)
