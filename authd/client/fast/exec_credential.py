"""What kubectl tells its credential plugin (ExecInfo) and what the plugin answers (ExecCredential).

Source: Kubernetes documentation, "client-go credential plugins"; `client.authentication.k8s.io` v1 and v1beta1.
"""

from __future__ import annotations

V1 = "client.authentication.k8s.io/v1"
V1BETA1 = "client.authentication.k8s.io/v1beta1"
# What client-go writes when the cluster's details aren't asked for, so that nothing need be parsed.
_USUAL = {
    b'{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/%s","spec":{"interactive":%s}}'
    % (version, interactive): (version == b"v1", interactive == b"true")
    for version in (b"v1", b"v1beta1")
    for interactive in (b"true", b"false")
}


class ExecInfo:
    """What KUBERNETES_EXEC_INFO says, and in `complaint` what was wrong with it."""

    __slots__ = ("api_version", "cluster_id", "complaint", "given", "interactive", "role_arn")

    def __init__(
        self,
        *,
        api_version: str = V1BETA1,
        interactive: bool = False,
        given: bool = True,
        cluster_id: str | None = None,
        role_arn: str | None = None,
        complaint: str | None = None,
    ) -> None:
        self.api_version = api_version
        self.interactive = interactive
        self.given = given
        self.cluster_id = cluster_id
        self.role_arn = role_arn
        self.complaint = complaint


def parse_exec_info(raw: bytes | None) -> ExecInfo:
    """Return what `raw` says; v1beta1 and a complaint where it is malformed or of an unknown version."""
    if raw is None:
        return ExecInfo(given=False)
    usual = _USUAL.get(raw.rstrip())
    if usual is not None:
        v1, interactive = usual
        return ExecInfo(api_version=V1 if v1 else V1BETA1, interactive=interactive)
    return _parse_document(raw)


def _parse_document(raw: bytes) -> ExecInfo:
    try:
        document = _decode_json(raw.decode())
    except (ValueError, RecursionError, StopIteration, SystemError):
        return ExecInfo(complaint="KUBERNETES_EXEC_INFO is not valid JSON")
    if not isinstance(document, dict) or document.get("kind", "ExecCredential") != "ExecCredential":
        return ExecInfo(complaint="KUBERNETES_EXEC_INFO is not an ExecCredential")
    spec = _mapping(document.get("spec"))
    extension = _mapping(_mapping(spec.get("cluster")).get("config"))
    try:
        cluster_id, role_arn = _text(extension.get("clusterID")), _text(extension.get("roleARN"))
    except UnicodeEncodeError:
        return ExecInfo(complaint="KUBERNETES_EXEC_INFO has half of a character in clusterID or roleARN")
    version = document.get("apiVersion")
    known = version in (V1, V1BETA1)
    return ExecInfo(
        api_version=str(version) if known else V1BETA1,
        interactive=known and spec.get("interactive") is True,
        cluster_id=cluster_id,
        role_arn=role_arn,
        complaint=None if known else "KUBERNETES_EXEC_INFO asks for an API version that is not known here",
    )


def _decode_json(text: str) -> object:
    # The C scanner alone; the json package around it would double the run time of a kubectl call. Where that package
    # isn't loaded, the scanner finds no exception to raise for a syntax error: that is a SystemError.
    from _json import make_scanner

    scan = make_scanner(_ScannerContext)  # type: ignore[arg-type]
    value, end = scan(text, len(text) - len(text.lstrip()))
    if text[end:].strip():
        raise ValueError("something follows the JSON document")
    return value


class _ScannerContext:
    """What the C scanner reads from a JSONDecoder."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = str
    memo: dict[str, str] = {}  # noqa: RUF012


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    if not isinstance(value, str) or not value:
        return None
    # JSON can write one half of a surrogate pair, which no other text can hold.
    value.encode()
    return value


def render_exec_credential(api_version: str, token: str, expiration: str) -> str:
    """Return the ExecCredential document; every value is plain ASCII that JSON need not escape."""
    return (
        f'{{"kind":"ExecCredential","apiVersion":"{api_version}","spec":{{}},'
        f'"status":{{"expirationTimestamp":"{expiration}","token":"{token}"}}}}'
    )
