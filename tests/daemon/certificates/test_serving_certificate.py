"""The serving certificate: created, renewed, swapped, and kept if a new one is broken."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from twisted.logger import capturedLogs, formatEvent

from authd.core.errors import ConfigError
from authd.daemon.certificates.serving_certificate import RENEW_BEFORE, ServingCertificate
from authd.state.certificate_checks import names_of
from authd.state.certificate_store import StateFiles
from authd.state.x509 import AUTHORITY_LIFETIME, LEAF_LIFETIME, CertifiedKey, new_ca, new_leaf

HOSTS = ("localhost", "127.0.0.1")


class Served:
    """A serving certificate in a temporary folder, with a clock."""

    def __init__(self, folder: Path) -> None:
        self.files = StateFiles(folder=folder)
        self.now = datetime(2026, 3, 1, tzinfo=UTC)
        self.pair = self.restarted()

    def restarted(self) -> ServingCertificate:
        return ServingCertificate(self.files, HOSTS, lambda: self.now, client_certificates=False)

    def check(self) -> list[str]:
        """Check the files, and return the log."""
        with capturedLogs() as events:
            self.pair.check()
        return [event["log_level"].name for event in events]


@pytest.fixture
def served(tmp_path: Path) -> Served:
    served = Served(tmp_path)
    served.pair.load()
    return served


def test_the_first_start_creates_a_pair(served: Served) -> None:
    """The first start creates a certificate that is valid for months, without a warning."""
    assert served.pair.span.ends == served.now + LEAF_LIFETIME
    assert served.pair.days_left == LEAF_LIFETIME.days
    assert served.pair.problem() == ""


def test_unchanged_files_keep_the_context(served: Served) -> None:
    """A check of unchanged files keeps the context and logs nothing."""
    context = served.pair.tls.current
    assert served.check() == []
    assert served.pair.tls.current is context


def test_the_leaf_is_renewed_and_the_ca_stays(served: Served) -> None:
    """The leaf is renewed long before it expires. The CA that clients trust stays the same."""
    authority, context = served.files.authority.read_bytes(), served.pair.tls.current
    served.now += LEAF_LIFETIME - RENEW_BEFORE - timedelta(seconds=1)
    assert served.check() == []
    served.now += timedelta(seconds=2)
    assert served.check() == ["info"]
    assert served.pair.tls.current is not context
    assert served.pair.span.ends == served.now + LEAF_LIFETIME
    assert served.files.authority.read_bytes() == authority
    assert served.check() == []


def test_a_changed_pair_is_served(served: Served) -> None:
    """A certificate that an operator puts into the files is served after the next check."""
    served.files.issue_leaf(served.files.read_authority(), HOSTS, served.now - timedelta(days=5))
    assert served.check() == ["info"]
    assert served.pair.span.ends == served.now - timedelta(days=5) + LEAF_LIFETIME


BREAK: dict[str, Callable[[StateFiles], object]] = {
    "certificate gone": lambda files: files.certificate.unlink(),
    "key gone": lambda files: files.key.unlink(),
    "certificate broken": lambda files: files.certificate.write_text("nonsense"),
    "key broken": lambda files: files.key.write_text("nonsense"),
    "another key": lambda files: files.key.write_bytes(new_ca("x", datetime.now(UTC)).key_pem),
    "half a certificate": lambda files: files.certificate.write_bytes(files.certificate.read_bytes()[:300]),
}


@pytest.mark.parametrize("how", BREAK)
def test_a_broken_pair_is_not_served(served: Served, how: str) -> None:
    """An unusable certificate is not served. The old one stays, with one log line and a readiness problem."""
    context, ends = served.pair.tls.current, served.pair.span.ends
    good = served.files.certificate.read_bytes(), served.files.key.read_bytes()
    BREAK[how](served.files)
    assert served.check() == ["error"]
    assert served.check() == []
    assert (served.pair.tls.current, served.pair.span.ends) == (context, ends)
    assert "can't be used" in served.pair.problem()
    served.files.certificate.write_bytes(good[0])
    served.files.key.write_bytes(good[1])
    served.check()
    assert served.pair.problem() == ""


def test_a_failed_renewal_is_reported_and_retried(served: Served) -> None:
    """With a broken CA the old leaf is still served. It is renewed as soon as the CA is repaired."""
    served.now += LEAF_LIFETIME - RENEW_BEFORE / 2 + timedelta(days=1)
    authority = served.files.authority.read_bytes()
    served.files.authority.write_text("nonsense")
    assert served.check() == ["error"]
    assert served.pair.problem() != ""
    served.files.authority.write_bytes(authority)
    assert served.check() == ["info"]
    assert served.pair.problem() == ""


def test_a_broken_pair_at_the_start_is_an_error(tmp_path: Path) -> None:
    """If the operator's certificate is unusable at the start, the error names the folder."""
    served = Served(tmp_path)
    served.files.certificate.write_text("nonsense")
    served.files.key.write_text("nonsense")
    with pytest.raises(ConfigError, match=r"cert\.pem and its key key\.pem can't be used"):
        served.pair.load()


def test_an_interrupted_renewal_is_repaired_at_the_next_start(served: Served) -> None:
    """A key that was renewed without its certificate (a crash, a full disk) does not prevent the start."""
    successor = new_leaf(served.files.read_authority(), HOSTS, served.now)
    served.files.key.write_bytes(successor.key_pem)
    served.pair = served.restarted()
    with capturedLogs() as events:
        served.pair.load()
    assert [event["log_level"].name for event in events] == ["warn"]
    assert served.pair.problem() == ""
    assert served.check() == []
    assert served.files.read_pair() == served.files.read_last_pair()


def test_a_foreign_certificate_is_never_replaced(tmp_path: Path) -> None:
    """A certificate of another CA is served until it expires, with warnings in time."""
    served = Served(tmp_path)
    foreign = new_leaf(new_ca("theirs", served.now), HOSTS, served.now)
    served.files.put_pair(foreign)
    served.pair.load()
    served.now += LEAF_LIFETIME - RENEW_BEFORE / 2
    assert served.check() == []
    served.now += timedelta(days=1)
    assert "was not renewed: not signed here" in served.pair.problem()
    served.now += RENEW_BEFORE
    assert served.pair.problem().startswith("expired at ")
    assert served.pair.days_left < 0
    assert served.check() == []
    assert served.files.certificate.read_bytes() == foreign.certificate_pem


def test_a_start_warns_of_an_expiring_certificate(tmp_path: Path) -> None:
    """A start with a certificate that expires soon and can't be renewed logs a warning."""
    served = Served(tmp_path)
    served.files.put_pair(new_leaf(new_ca("theirs", served.now), HOSTS, served.now))
    served.now += LEAF_LIFETIME - timedelta(days=1)
    with capturedLogs() as events:
        served.pair.load()
    assert any("the server's certificate: expires in 1.0 days" in (formatEvent(event) or "") for event in events)


def test_a_start_renews_an_expired_leaf(served: Served) -> None:
    """If the leaf has expired while the daemon was down, it is renewed in the first check."""
    served.now += LEAF_LIFETIME + timedelta(days=1)
    served.pair = served.restarted()
    served.pair.load()
    served.check()
    assert served.pair.problem() == ""


def test_a_leaf_expires_with_its_ca(served: Served) -> None:
    """If the CA expires soon, a leaf expires with it, and readiness reports this in time."""
    served.now += AUTHORITY_LIFETIME - timedelta(days=2)
    served.check()
    assert served.pair.days_left == 2
    assert "expires in 2.0 days" in served.pair.problem()


def put(served: Served, lifetime: timedelta, begins: timedelta = timedelta(), host: str = "localhost") -> CertifiedKey:
    """Put a certificate of another CA into the files."""
    now = served.now + begins
    foreign = new_ca("theirs", now + lifetime - AUTHORITY_LIFETIME)
    pair = new_leaf(foreign, (host,), now)
    served.files.put_pair(pair)
    return pair


def test_a_foreign_certificate_is_served_despite_the_local_ca(served: Served) -> None:
    """A certificate of another CA is served unchanged, even with a lifetime of one day.

    The local CA does not replace it.
    """
    foreign = put(served, timedelta(days=1))
    assert served.check() == ["info"]
    assert served.check() == []
    assert served.files.certificate.read_bytes() == foreign.certificate_pem
    assert served.pair.problem() == ""
    served.now += timedelta(hours=21)
    assert "expires in 0.1 days and was not renewed: not signed here" in served.pair.problem()
    assert served.check() == []
    assert served.files.certificate.read_bytes() == foreign.certificate_pem


@pytest.mark.parametrize(
    ("begins", "lifetime", "says"),
    [
        (timedelta(days=-9), timedelta(days=2), "the new one is expired at 2026-02-22"),
        (timedelta(days=9), timedelta(days=20), "the new one is not valid before 2026-03-09T23"),
    ],
)
def test_a_pair_that_is_not_valid_now_is_not_served(
    served: Served, begins: timedelta, lifetime: timedelta, says: str
) -> None:
    """A certificate that is not valid now does not replace a good one. Readiness reports the reason."""
    context = served.pair.tls.current
    put(served, lifetime, begins)
    assert served.check() == ["error"]
    assert served.pair.tls.current is context
    assert says in served.pair.problem()


def test_a_new_pair_is_served_despite_a_broken_ca(served: Served) -> None:
    """With a broken local CA, a good certificate of another CA is still accepted."""
    served.now += LEAF_LIFETIME - timedelta(days=3)
    served.files.authority_key.write_text("nonsense")
    assert served.check() == ["error"]
    assert "can't be renewed" in served.pair.problem()
    put(served, timedelta(days=300))
    assert served.check() == ["info"]
    assert served.pair.problem() == ""


def test_a_renewal_replaces_broken_files(served: Served) -> None:
    """Broken files are replaced as soon as the local CA's leaf is due, because an expired leaf would be worse."""
    served.files.certificate.write_text("nonsense")
    assert served.check() == ["error"]
    served.now += LEAF_LIFETIME - RENEW_BEFORE + timedelta(days=1)
    assert served.check() == ["info"]
    assert served.pair.problem() == ""


def test_a_new_hostname_gets_a_new_leaf(served: Served) -> None:
    """After a start with another host name, the CA that clients trust signs a new leaf for it."""
    authority = served.files.authority.read_bytes()
    served.pair = ServingCertificate(served.files, ("authd.example",), lambda: served.now, client_certificates=False)
    served.pair.load()
    leaf = x509.load_pem_x509_certificate(served.files.certificate.read_bytes())
    assert names_of(leaf) == {"authd.example"}
    assert served.files.authority.read_bytes() == authority
    assert served.check() == []
    served.files.issue_leaf(served.files.read_authority(), HOSTS, served.now)
    foreign = served.files.certificate.read_bytes()
    assert served.check() == ["warn", "info"]
    assert served.check() == []
    assert served.files.certificate.read_bytes() == foreign  # another daemon may have requested it


def test_a_foreign_certificate_for_another_name_is_reported(served: Served) -> None:
    """A certificate that kube-apiserver would refuse is served with a warning that names both host names."""
    put(served, timedelta(days=300), host="other.example")
    with capturedLogs() as events:
        served.pair.check()
    warnings = [formatEvent(event) for event in events if event["log_level"].name == "warn"]
    assert len(warnings) == 1
    assert "the certificate is not for the name localhost, but for other.example" in warnings[0]
    assert served.pair.problem() == ""


def test_the_kubeconfig_trusts_the_serving_certificate(served: Served) -> None:
    """The kubeconfig trusts the certificate in use, not the unusable files."""
    authority = served.files.authority.read_bytes()
    assert served.pair.trusted_pem == authority
    served.files.certificate.write_bytes(new_ca("x", served.now).certificate_pem)
    served.check()
    assert served.pair.trusted_pem == authority
    foreign = put(served, timedelta(days=300))
    served.check()
    assert served.pair.trusted_pem == foreign.certificate_pem
    served.files.certificate.write_bytes(new_ca("x", served.now).certificate_pem)
    served.pair = served.restarted()
    served.pair.load()
    assert served.pair.trusted_pem == foreign.certificate_pem


def test_a_pair_is_saved_once_the_disk_has_room(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk a new certificate is served, with one warning. It is saved once there is room."""
    foreign = put(served, timedelta(days=300))
    with monkeypatch.context() as full:

        def no_room(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        full.setattr("authd.state.atomic_file.write_atomically", no_room)
        assert served.check() == ["warn", "info"]
        assert served.check() == []
    assert served.files.read_last_pair() != foreign
    assert served.check() == []
    assert served.files.read_last_pair() == foreign


def test_with_mutual_tls_a_replaced_ca_is_loaded(tmp_path: Path) -> None:
    """The CA for client certificates comes from the file, even if the server's certificate stays."""
    served = Served(tmp_path)
    served.files.ensure_pair(HOSTS, served.now + timedelta(days=9))
    served.files.issue_leaf(served.files.read_authority(), HOSTS, served.now)
    pair = ServingCertificate(served.files, HOSTS, lambda: served.now, client_certificates=True)
    pair.load()
    context, leaf = pair.tls.current, served.files.certificate.read_bytes()
    assert served.files.repair_ca(served.now)
    pair.check()
    assert pair.tls.current is not context
    assert served.files.certificate.read_bytes() == leaf


@pytest.mark.parametrize("how", BREAK)
def test_a_start_with_a_broken_pair_serves_the_last_good_one(served: Served, how: str) -> None:
    """If the operator's certificate is broken at a start, the previous one is served, and the error is logged."""
    foreign = put(served, timedelta(days=300))
    served.check()
    for path in (served.files.authority, served.files.authority_key):
        path.unlink()
    BREAK[how](served.files)
    broken = {path.name: path.read_bytes() for path in served.files.folder.iterdir()}
    served.pair = served.restarted()
    with capturedLogs() as events:
        served.pair.load()
    assert "error" in [event["log_level"].name for event in events]
    assert served.pair.tls.current is not None
    assert served.pair.problem() != ""
    assert {path.name: path.read_bytes() for path in served.files.folder.iterdir()} == broken
    served.files.put_pair(foreign)
    assert served.check() == []
    assert served.pair.problem() == ""


def test_check_clock_notices_clock_jumps(served: Served) -> None:
    """After a clock jump far ahead or back, the leaf is renewed without a check of the files."""
    served.files.certificate.write_bytes(served.files.certificate.read_bytes() + b"\n")
    for jump in (timedelta(days=200), timedelta(days=-200)):
        served.now += jump
        assert served.pair.problem() != ""
        served.pair.check_clock()
        assert served.pair.problem() == ""
        assert served.pair.span.problem(served.now) == ""
    renewed = served.files.certificate.read_bytes()
    served.files.certificate.write_bytes(renewed + b"\n")
    served.pair.check_clock()
    assert served.files.certificate.read_bytes() == renewed + b"\n"


def test_a_failed_renewal_is_not_retried_every_second(served: Served) -> None:
    """If a renewal fails, `check_clock` leaves it to the next full check."""
    served.now += LEAF_LIFETIME
    key = served.files.authority_key.read_bytes()
    served.files.authority_key.write_text("nonsense")
    served.check()
    served.files.authority_key.write_bytes(key)
    served.pair.check_clock()
    assert "expired at " in served.pair.problem() or "can't be renewed" in served.pair.problem()
    served.check()
    assert served.pair.problem() == ""


def test_a_ca_that_is_not_valid_yet_is_reported_and_repaired(served: Served, tmp_path: Path) -> None:
    """A CA that is not valid yet is reported with the number of days, and signed again with its own key."""
    files = StateFiles(folder=tmp_path / "future")
    files.ensure_pair(HOSTS, served.now + timedelta(days=100))
    files.issue_leaf(files.read_authority(), HOSTS, served.now)
    pair = ServingCertificate(files, HOSTS, lambda: served.now, client_certificates=False)
    pair.load()
    assert "its CA ca.pem is not valid before 2026-06-08T23:00:00+00:00: the clock is" in pair.problem()
    assert "run `authd init` and restart kube-apiserver" in pair.problem()
    assert -100 < pair.days_left < -99
    with capturedLogs() as events:
        pair.repair_ca()
    assert [event["log_level"].name for event in events] == ["warn"]
    pair.check()
    assert pair.problem() == ""
    assert pair.days_left == LEAF_LIFETIME.days


def test_an_expired_ca_is_reported_and_repaired(served: Served) -> None:
    """After ten years the CA and its leaf have expired. Both are signed again and work."""
    served.now += AUTHORITY_LIFETIME + timedelta(days=1)
    assert served.check() == []
    assert served.pair.problem().startswith("expired at ")
    assert served.pair.days_left < 0
    served.pair.repair_ca()
    assert served.check() == ["info"]
    assert served.pair.problem() == ""


def test_a_start_with_a_broken_ca_warns(served: Served) -> None:
    """A daemon with an unreadable CA starts with its existing leaf, and warns before that expires."""
    served.files.authority.write_text("nonsense")
    served.pair = served.restarted()
    with capturedLogs() as events:
        served.pair.repair_ca()
        served.pair.load()
    assert "error" in [event["log_level"].name for event in events]
    assert "the CA ca.pem is broken" in served.pair.problem()


def test_an_unreadable_folder_is_reported(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state directory without read permission is reported, not raised."""

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    for name in ("exists", "stat", "iterdir"):
        monkeypatch.setattr(Path, name, denied)
    monkeypatch.setattr(os, "open", denied)
    assert served.check() == ["error"]
    assert "Permission denied" in served.pair.problem()
    served.pair.check_clock()


def test_an_exposed_key_is_logged_once(served: Served) -> None:
    """A key that others can read is logged once, not at each check."""
    (served.files.folder / "key.pem").chmod(0o640)
    assert served.check() == ["warn"]
    assert served.check() == []


def test_a_ca_that_ends_soon(tmp_path: Path) -> None:
    """A leaf of a CA that ends soon can't be renewed for longer. The problem is the CA, which a command changes."""
    served = Served(tmp_path)
    served.files.put_authority(new_ca("company", served.now, timedelta(days=10)))
    served.pair.load()
    assert served.pair.problem() == "its CA ca.pem expires in 10.0 days: run `authd rotate-ca`"


def test_an_empty_ca_at_the_start(served: Served) -> None:
    """An empty ca.pem is a problem from the start, because nothing can renew the certificate."""
    served.files.authority.write_bytes(b"")
    served.pair = served.restarted()
    served.pair.load()
    assert "the CA ca.pem is broken: no certificate can be renewed" in served.pair.problem()
