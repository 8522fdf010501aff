"""The source DynamicFile."""

from __future__ import annotations

import json
import os

import pytest
from twisted.internet.task import Cooperator
from twisted.internet.testing import MemoryReactorClock

from authd.config.settings import Settings
from authd.sources.dynamic_file import DynamicFile
from authd.sources.in_force import InForce
from authd.sources.lockout_guard import SeenIdentities
from authd.sources.refusals import NothingRefused
from tests.daemon.fakes import identity

ACCOUNT = "111122223333"


def arn(name):
    return f"arn:aws:iam::{ACCOUNT}:user/{name}"


class Following:
    def __init__(self, folder, partitions, *, at_once=True, **settings) -> None:
        self.path = folder / "dynamic.json"
        self.reactor = MemoryReactorClock()
        self.seen = SeenIdentities(self.reactor.seconds)
        self.in_force = InForce(Settings(cluster_id="c", **settings), ("DynamicFile",), self.seen)
        self.source = DynamicFile(
            self.reactor,
            self.path,
            in_force=self.in_force,
            cooperator=Cooperator(
                terminationPredicateFactory=lambda: lambda: True,  # one step a turn
                scheduler=lambda work: self.reactor.callLater(0.001, work),
            ),
            partitions=partitions,
            at_once=at_once,
        )

    def write(self, *names, **more):
        users = [{"userarn": arn(name), "username": name, **more} for name in names]
        self.path.write_text(json.dumps({"mapUsers": users, "mapRoles": [], "mapAccounts": []}))

    def check(self):
        self.source.check()
        for _ in range(50):
            self.reactor.advance(0.001)

    def names(self, *names, principal_id="AIDAEXAMPLE"):
        return [name for name in names if self.in_force.tables.find(identity(arn(name), principal_id))]


@pytest.fixture
def following(tmp_path, partitions):
    following = Following(tmp_path, partitions)
    following.write("alice")
    following.source.start()
    yield following
    following.source.stop()


def test_start(following):
    """The mappings are in force when `start` returns."""
    assert following.names("alice", "bob") == ["alice"]
    assert following.source.problems == ()


def test_start_in_steps(tmp_path, partitions):
    """In a running daemon, the file is loaded in steps between which the reactor runs."""
    following = Following(tmp_path, partitions, at_once=False)
    following.write(*(f"user{number}" for number in range(500)))
    following.source.start()
    turns = 0
    while not following.names("user0"):
        following.reactor.advance(0.001)
        turns += 1
        assert turns < 1000
    assert turns > 5
    assert following.source.problems == ()
    following.source.stop()


def test_stop_in_steps(tmp_path, partitions):
    """A source that is switched off during a load publishes nothing, else its old table would be used later."""
    following = Following(tmp_path, partitions, at_once=False)
    following.write(*(f"user{number}" for number in range(500)))
    following.source.start()
    following.reactor.advance(0.001)
    following.source.stop()
    following.in_force.set_order(())
    following.in_force.forget("DynamicFile")
    for _ in range(1000):
        following.reactor.advance(0.001)
    assert not following.in_force.has_table("DynamicFile")
    assert following.in_force.table_of("DynamicFile").exact == {}


def test_broken_start_in_steps(tmp_path, partitions):
    """If the file is broken at such a start, this is reported, and there is no table until it is corrected."""
    following = Following(tmp_path, partitions, at_once=False)
    following.path.write_text("{")
    following.source.start()
    following.check()
    assert following.source.problems
    assert not following.in_force.has_table("DynamicFile")
    following.write("alice")
    following.check()
    assert following.names("alice") == ["alice"]
    following.source.stop()


def test_change(following):
    """New content replaces the earlier one."""
    following.write("bob")
    following.check()
    assert following.names("alice", "bob") == ["bob"]


@pytest.mark.parametrize("content", ["", "{", '{"mapUsers": [{"userarn": "x", "username": "y"}]}', "[]"])
def test_broken(following, content):
    """A broken file changes nothing and is reported until it is corrected."""
    following.path.write_text(content)
    following.check()
    assert following.names("alice") == ["alice"]
    assert str(following.path) in str(following.source.problems[0])
    following.write("bob")
    following.check()
    assert following.names("alice", "bob") == ["bob"]
    assert following.source.problems == ()


def test_deleted(following):
    """A deleted file changes nothing and is reported."""
    following.path.unlink()
    following.check()
    assert following.names("alice") == ["alice"]
    assert "the dynamic file can't be read: No such file or directory" in str(following.source.problems[0])
    following.write("alice")
    following.check()
    assert following.source.problems == ()


def test_pipe(following):
    """A pipe in the file's place is reported, and not waited for."""
    following.path.unlink()
    os.mkfifo(following.path)
    following.check()
    assert following.names("alice") == ["alice"]
    assert "the dynamic file must be a regular file" in str(following.source.problems[0])


def test_missing_at_start(tmp_path, partitions):
    """A missing file is reported, and read once it exists."""
    following = Following(tmp_path, partitions)
    following.source.start()
    assert "can't be read" in str(following.source.problems[0])
    following.write("alice")
    following.check()
    assert following.names("alice") == ["alice"]
    following.source.stop()


def test_lock_out(following):
    """A file that would lock out all recent callers is refused."""
    for name in ("alice", "carol"):
        following.seen.note(identity(arn(name)))
    following.path.write_text('{"mapUsers": []}')
    following.check()
    assert "restart authd if you mean it" in str(following.source.problems[0])
    assert following.names("alice") == ["alice"]


def test_strict(tmp_path, partitions):
    """With dynamicFileUserIDStrict, callers match by their unique ID."""
    following = Following(tmp_path, partitions, dynamic_file_user_id_strict=True)
    following.write("alice", userid="AIDAALICEALICEALICE0")
    following.source.start()
    assert following.names("alice", principal_id="AIDAALICEALICEALICE0") == ["alice"]
    assert following.names("alice") == []
    following.source.stop()


def test_a_forced_change(following):
    """The refused content itself can be forced, but only until there is newer content."""
    for name in ("alice", "carol"):
        following.seen.note(identity(arn(name)))
    following.path.write_text('{"mapUsers": []}')
    following.check()
    (first,) = following.in_force.refusals.all
    assert (first.source, first.message) == ("DynamicFile", "it would remove every mapping")
    following.path.write_text('{"mapUsers": [], "mapRoles": []}')
    following.check()
    (second,) = following.in_force.refusals.all
    with pytest.raises(NothingRefused, match="no such refused change any more"):
        following.in_force.refusals.force("DynamicFile", first.reference)
    assert following.names("alice") == ["alice"]
    following.in_force.refusals.force("DynamicFile", second.reference)
    assert following.names("alice") == []
    assert (following.source.problems, following.in_force.refusals.all) == ((), ())
    with pytest.raises(NothingRefused):
        following.in_force.refusals.force("DynamicFile", second.reference)


@pytest.mark.parametrize("content", ["", '{"mapUsers": [{"userarn": "arn:aws:iam::111122223333:user/alice"}]}'])
def test_a_refused_change_is_forgotten(following, content):
    """After new content, broken or good, the earlier refused content can't be forced."""
    for name in ("alice", "carol"):
        following.seen.note(identity(arn(name)))
    following.path.write_text('{"mapUsers": []}')
    following.check()
    following.path.write_text(content)
    following.check()
    assert following.in_force.refusals.all == ()
