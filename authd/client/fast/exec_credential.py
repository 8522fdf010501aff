"""The documents of the credential plugin protocol: ExecInfo from kubectl, ExecCredential to kubectl.

Source: Kubernetes documentation, "client-go credential plugins"; `client.authentication.k8s.io` v1, v1beta1
and v1alpha1, which kubectl dropped with 1.24.
"""

from __future__ import annotations

V1 = "client.authentication.k8s.io/v1"
V1BETA1 = "client.authentication.k8s.io/v1beta1"
V1ALPHA1 = "client.authentication.k8s.io/v1alpha1"
# Start of client-go's compact document. Other clients order the members differently or write spaces.
_CLIENT_GO = b'{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/'
# client-go's output without provideClusterInfo. Looking it up saves the parsing.
_COMPACT_FORMS = {
    b'{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/%s","spec":{"interactive":%s}}'
    % (version, interactive): (version == b"v1", interactive == b"true")
    for version in (b"v1", b"v1beta1")
    for interactive in (b"true", b"false")
}


class ExecInfo:
    """The content of KUBERNETES_EXEC_INFO. `problem` describes a malformed or outdated document.

    `client_go` marks client-go, which repeats a request in one process only after the cluster refused the token.
    """

    __slots__ = ("api_version", "client_go", "cluster_id", "interactive", "present", "problem", "role_arn")

    def __init__(
        self,
        *,
        api_version: str = V1BETA1,
        interactive: bool = False,
        present: bool = True,
        cluster_id: str | None = None,
        role_arn: str | None = None,
        problem: str | None = None,
        client_go: bool = False,
    ) -> None:
        self.api_version = api_version
        self.interactive = interactive
        self.present = present
        self.cluster_id = cluster_id
        self.role_arn = role_arn
        self.problem = problem
        self.client_go = client_go


def parse_exec_info(raw: bytes | None) -> ExecInfo:
    """Return the parsed document. For a malformed or unknown one, return v1beta1 and a `problem`."""
    if not raw:
        return ExecInfo(present=False)
    compact = _COMPACT_FORMS.get(raw.rstrip())
    if compact is not None:
        v1, interactive = compact
        return ExecInfo(api_version=V1 if v1 else V1BETA1, interactive=interactive, client_go=True)
    info = _parse_document(raw)
    info.client_go = raw.startswith(_CLIENT_GO)
    return info


def _parse_document(raw: bytes) -> ExecInfo:
    try:
        document = _decode_json(raw.decode())
    except (ValueError, RecursionError, StopIteration, SystemError):
        return ExecInfo(problem="KUBERNETES_EXEC_INFO is not valid JSON")
    if not isinstance(document, dict) or document.get("kind", "ExecCredential") != "ExecCredential":
        return ExecInfo(problem="KUBERNETES_EXEC_INFO is not an ExecCredential")
    spec = _mapping(document.get("spec"))
    extension = _mapping(_mapping(spec.get("cluster")).get("config"))
    try:
        cluster_id, role_arn = _text(extension.get("clusterID")), _text(extension.get("roleARN"))
    except UnicodeEncodeError:
        return ExecInfo(problem="KUBERNETES_EXEC_INFO has an incomplete character in clusterID or roleARN")
    version = document.get("apiVersion")
    known = version in (V1, V1BETA1, V1ALPHA1)
    return ExecInfo(
        api_version=str(version) if known else V1BETA1,
        interactive=known and spec.get("interactive") is True,
        cluster_id=cluster_id,
        role_arn=role_arn,
        problem=_version_problem(version),
    )


def _version_problem(version: object) -> str | None:
    if version in (V1, V1BETA1):
        return None
    if version == V1ALPHA1:
        return "the kubeconfig's exec entry has the apiVersion v1alpha1, which kubectl dropped with 1.24; write v1beta1"
    return "KUBERNETES_EXEC_INFO asks for an API version that is not known here"


def _decode_json(text: str) -> object:
    # Only the C scanner: importing the json package would double the run time of a kubectl call. Without that package
    # the scanner raises SystemError for a syntax error.
    from _json import make_scanner

    scan = make_scanner(_ScannerContext)  # type: ignore[arg-type]  # it reads these attributes alone
    value, end = scan(text, len(text) - len(text.lstrip()))
    if text[end:].strip():
        raise ValueError("there is text after the JSON document")
    return value


class _ScannerContext:
    """The attributes of a JSONDecoder that the C scanner reads."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = str
    memo: dict[str, str] = {}  # noqa: RUF012  # the scanner clears it


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    if not isinstance(value, str) or not value:
        return None
    # JSON can contain a lone surrogate, which can't be encoded.
    value.encode()
    return value


def render_exec_credential(api_version: str, token: str, expiration: str) -> str:
    """Return the ExecCredential document. Every value must be ASCII without characters that JSON escapes."""
    return (
        f'{{"kind":"ExecCredential","apiVersion":"{api_version}","spec":{{}},'
        f'"status":{{"expirationTimestamp":"{expiration}","token":"{token}"}}}}'
    )
