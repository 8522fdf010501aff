from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import trustme

from authd.cli.doctor.certificate import examine_certificate
from tests.cli.doctor.conftest import write_kubeconfig


def found(installation):
    return [(str(finding.level), finding.message) for finding in examine_certificate(installation)]


def test_a_good_certificate(initialised):
    """A certificate that the kubeconfig trusts is ok, with the days until its end."""
    (first, validity), (second, trust) = found(initialised)
    assert (first, second) == ("ok", "ok")
    assert "valid for 90 more days, authd renews it" in validity
    assert trust == f"{initialised.kubeconfig} trusts the certificate"


def test_another_ca(initialised):
    """A kubeconfig with another CA is an error: kube-apiserver would refuse every connection."""
    write_kubeconfig(initialised, trustme.CA().cert_pem.bytes(), 21362)
    assert found(initialised)[-1][0] == "error"
    assert "trusts another CA than that of the certificate in force" in found(initialised)[-1][1]


def test_another_name(initialised):
    """A kubeconfig for a name that the certificate doesn't have is an error."""
    text = initialised.kubeconfig.read_text()
    initialised.kubeconfig.write_text(text.replace("https://localhost:", "https://authd.example.com:"))
    assert found(initialised)[-1][0] == "error"
    assert "not for the name authd.example.com" in found(initialised)[-1][1]


def test_a_certificate_that_ends(initialised):
    """A certificate without automatic renewal is a warning before its end."""
    initialised.files.authority_key.unlink()
    later = replace(initialised, now=initialised.now + timedelta(days=80))
    assert found(later)[0][0] == "warning"
    assert "nothing renews it" in found(later)[0][1]


def test_no_certificate(make_installation):
    """Without a certificate the fix is `authd init`."""
    (finding,) = examine_certificate(make_installation())
    assert finding.level == "error"
    assert finding.fix.startswith("authd init -c ")


def test_a_broken_certificate(initialised):
    """A file that isn't a certificate is an error."""
    initialised.files.certificate.write_text("nonsense")
    assert found(initialised) == [("error", f"{initialised.files.certificate} is not a certificate")]


def test_no_kubeconfig(initialised):
    """A missing kubeconfig is an error."""
    initialised.kubeconfig.unlink()
    assert found(initialised)[-1] == ("error", f"the webhook kubeconfig {initialised.kubeconfig} is missing")


def test_a_broken_kubeconfig(initialised):
    """A broken kubeconfig is an error."""
    initialised.kubeconfig.write_text("clusters: 1\n")
    assert found(initialised)[-1][0] == "error"
