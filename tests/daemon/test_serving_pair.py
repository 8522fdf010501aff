"""The certificate that serves: made, renewed, swapped, and kept where its successor is broken."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from twisted.logger import capturedLogs

from authd.core.errors import ConfigError
from authd.daemon.certificates import AUTHORITY_LIFETIME, LEAF_LIFETIME, new_authority, new_leaf
from authd.daemon.serving_pair import RENEW_BEFORE, ServingPair
from authd.daemon.state_files import StateFiles

HOSTS = ("localhost", "127.0.0.1")


class Served:
    """A pair in a folder of its own, and a clock for it."""

    def __init__(self, folder: Path) -> None:
        self.files = StateFiles(folder=folder)
        self.now = datetime(2026, 3, 1, tzinfo=UTC)
        self.pair = self.anew()

    def anew(self) -> ServingPair:
        return ServingPair(self.files, HOSTS, lambda: self.now, client_certificates=False)

    def check(self) -> list[str]:
        """Look at the files, and return what was logged."""
        with capturedLogs() as events:
            self.pair.check()
        return [event["log_level"].name for event in events]


@pytest.fixture
def served(tmp_path: Path) -> Served:
    served = Served(tmp_path)
    served.pair.load()
    return served


def test_a_new_pair_is_made_and_good(served: Served) -> None:
    """A first start makes a pair that lives for months, and has nothing to complain of."""
    assert served.pair.not_after == served.now + LEAF_LIFETIME
    assert served.pair.days_left == LEAF_LIFETIME.days
    assert served.pair.problem() == ""


def test_nothing_changes_without_a_reason(served: Served) -> None:
    """Looking at files that are the same swaps and says nothing."""
    context = served.pair.tls.current
    assert served.check() == []
    assert served.pair.tls.current is context


def test_the_leaf_is_renewed_in_time_and_the_authority_stays(served: Served) -> None:
    """Long before its end the leaf is signed anew and served, and what clients trust stays the same."""
    authority, context = served.files.authority.read_bytes(), served.pair.tls.current
    served.now += LEAF_LIFETIME - RENEW_BEFORE - timedelta(seconds=1)
    assert served.check() == []
    served.now += timedelta(seconds=2)
    assert served.check() == ["info"]
    assert served.pair.tls.current is not context
    assert served.pair.not_after == served.now + LEAF_LIFETIME
    assert served.files.authority.read_bytes() == authority
    assert served.check() == []


def test_a_pair_on_disk_is_picked_up(served: Served) -> None:
    """A pair that someone put there is served at the next look."""
    served.files.issue_leaf(served.files.read_authority(), HOSTS, served.now + timedelta(days=5))
    assert served.check() == ["info"]
    assert served.pair.not_after == served.now + timedelta(days=5) + LEAF_LIFETIME


BREAK: dict[str, Callable[[StateFiles], object]] = {
    "certificate gone": lambda files: files.certificate.unlink(),
    "key gone": lambda files: files.key.unlink(),
    "certificate broken": lambda files: files.certificate.write_text("nonsense"),
    "key broken": lambda files: files.key.write_text("nonsense"),
    "another key": lambda files: files.key.write_bytes(new_authority("x", datetime.now(UTC)).key_pem),
    "half a certificate": lambda files: files.certificate.write_bytes(files.certificate.read_bytes()[:300]),
}


@pytest.mark.parametrize("how", BREAK)
def test_a_broken_pair_keeps_the_old_one(served: Served, how: str) -> None:
    """What can't be served is not served: the old pair stays, and it is said once in the log and always in readiness."""
    context, ends = served.pair.tls.current, served.pair.not_after
    good = served.files.certificate.read_bytes(), served.files.key.read_bytes()
    BREAK[how](served.files)
    assert served.check() == ["error"]
    assert served.check() == []
    assert (served.pair.tls.current, served.pair.not_after) == (context, ends)
    assert "can't be used" in served.pair.problem()
    served.files.certificate.write_bytes(good[0])
    served.files.key.write_bytes(good[1])
    served.check()
    assert served.pair.problem() == ""


def test_a_renewal_that_fails_is_loud_and_tried_again(served: Served) -> None:
    """Where the authority is broken the old leaf goes on serving, and renewal happens as soon as it is mended."""
    served.now += LEAF_LIFETIME - RENEW_BEFORE / 2 + timedelta(days=1)
    authority = served.files.authority.read_bytes()
    served.files.authority.write_text("nonsense")
    assert served.check() == ["error"]
    assert served.pair.problem() != ""
    served.files.authority.write_bytes(authority)
    assert served.check() == ["info"]
    assert served.pair.problem() == ""


def test_a_broken_pair_at_the_start_is_an_error(tmp_path: Path) -> None:
    """A start with a pair of someone else's that can't be served is an error that names the folder."""
    served = Served(tmp_path)
    served.files.certificate.write_text("nonsense")
    served.files.key.write_text("nonsense")
    with pytest.raises(ConfigError, match=r"cert\.pem and its key key\.pem can't be used"):
        served.pair.load()


def test_a_renewal_that_was_cut_off_is_mended_at_the_next_start(served: Served) -> None:
    """A key that was renewed without its certificate (a crash, a full disk) does not keep the daemon from starting."""
    successor = new_leaf(served.files.read_authority(), HOSTS, served.now)
    served.files.key.write_bytes(successor.key_pem)
    served.pair = served.anew()
    with capturedLogs() as events:
        served.pair.load()
    assert [event["log_level"].name for event in events] == ["warn"]
    assert served.pair.problem() == ""
    assert served.check() == []


def test_somebody_elses_pair_is_never_replaced(tmp_path: Path) -> None:
    """A pair without our authority is served to its end, with warnings in time."""
    served = Served(tmp_path)
    theirs = new_leaf(new_authority("theirs", served.now), HOSTS, served.now)
    served.files.certificate.write_bytes(theirs.certificate_pem)
    served.files.key.write_bytes(theirs.key_pem)
    served.pair.load()
    served.now += LEAF_LIFETIME - RENEW_BEFORE / 2
    assert served.check() == []
    served.now += timedelta(days=1)
    assert "was not renewed: not signed here" in served.pair.problem()
    served.now += RENEW_BEFORE
    assert served.pair.problem().startswith("expired at ")
    assert served.pair.days_left < 0
    assert served.check() == []
    assert served.files.certificate.read_bytes() == theirs.certificate_pem


def test_a_start_after_a_long_rest_serves_a_new_leaf(served: Served) -> None:
    """A daemon that was down beyond the leaf's end renews it at its first look."""
    served.now += LEAF_LIFETIME + timedelta(days=1)
    served.pair = served.anew()
    served.pair.load()
    served.check()
    assert served.pair.problem() == ""


def test_the_authoritys_end_bounds_the_leaf(served: Served) -> None:
    """Near the authority's end a leaf ends with it, and readiness says so in time."""
    served.now += AUTHORITY_LIFETIME - timedelta(days=2)
    served.check()
    assert served.pair.days_left == 2
    assert "expires in 2.0 days" in served.pair.problem()
