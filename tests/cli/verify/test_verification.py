from __future__ import annotations

from types import MappingProxyType

import pytest

from authd.cli.verify.verification import Verdict, verify_token
from authd.config.settings import Loaded, Settings
from authd.core.errors import DenialReason, Denied, Unavailable, UnavailableReason
from authd.core.mapping.table import build_table

ALICE = "arn:aws:iam::111122223333:user/alice"


@pytest.fixture
def verify(tokens, hosts, rules, identities):
    """Return a function that verifies a token, with a given response of STS and mapped ARNs."""

    def run(response, mapped=(ALICE,), token=None, now=tokens.now):
        table = build_table([rules.arn(arn) for arn in mapped], MappingProxyType({}))
        loaded = Loaded(settings=Settings(cluster_id="c"), table=table)
        asked = []

        async def ask(request):
            asked.append(request)
            if isinstance(response, Exception):
                raise response
            return identities.of(response, principal_id="AIDA1")

        walk = verify_token(token or tokens.token(), loaded, hosts, ask, now)
        with pytest.raises(StopIteration) as end:
            walk.send(None)
        return end.value.value, asked

    return run


def test_a_mapped_identity(verify):
    """A token with a mapped identity is allowed, and the result has request, identity and user."""
    found, asked = verify(ALICE)
    assert (found.verdict, found.reason, found.user.username) == (Verdict.ALLOWED, "", "user")
    assert (found.identity.arn_text, found.request) == (ALICE, asked[0])


def test_no_mappings(verify):
    """If there are no mappings, a token that STS confirms is verified."""
    found, _ = verify(ALICE, mapped=())
    assert (found.verdict, found.user, found.identity.arn_text) == (Verdict.VERIFIED, None, ALICE)


def test_an_unmapped_identity(verify):
    """A token without a mapping is refused, and the result has the identity."""
    found, _ = verify("arn:aws:iam::111122223333:user/bob")
    assert (found.verdict, found.reason) == (Verdict.REFUSED, "identity_not_mapped")
    assert found.identity.arn.name == "bob"


@pytest.mark.parametrize("token", ["", "junk", "k8s-aws-v1.", "k8s-aws-v1.AAAA"])
def test_an_invalid_token(verify, token, tokens):
    """An invalid token is refused without a call to STS."""
    found, asked = verify(ALICE, token=token or " ")
    assert (found.verdict, found.request, asked) == (Verdict.REFUSED, None, [])


def test_an_old_token(verify, tokens):
    """An expired token is refused without a call to STS."""
    found, asked = verify(ALICE, now=tokens.now + 901)
    assert (found.reason, asked) == ("token_expired", [])


def test_refused_by_sts(verify):
    """A refusal by STS is a refusal, and the result has the request."""
    found, asked = verify(Denied(DenialReason.SIGNATURE_MISMATCH, "no"))
    assert (found.verdict, found.reason, found.message) == (Verdict.REFUSED, "signature_mismatch", "no")
    assert (found.identity, found.request) == (None, asked[0])


def test_sts_not_available(verify):
    """A temporary failure is neither an acceptance nor a refusal."""
    found, _ = verify(Unavailable(UnavailableReason.STS_TIMEOUT, "late"))
    assert (found.verdict, found.reason, found.message) == (Verdict.UNAVAILABLE, "sts_timeout", "late")
