"""Switching sources at run time by a file."""

from __future__ import annotations

import json

import pytest
from twisted.internet.task import Cooperator
from twisted.internet.testing import MemoryReactorClock

from authd.config.settings import Settings
from authd.core.errors import ConfigError, Problem
from authd.core.mapping.table import build_table
from authd.sources.in_force import InForce
from authd.sources.lockout_guard import SeenIdentities
from authd.sources.source_set import SourceSet
from tests.daemon.fakes import identity

ALICE = "arn:aws:iam::111122223333:user/alice"


class Origin:
    """A fake source that publishes when the test says so."""

    def __init__(self, name, in_force, rules) -> None:
        self.name = name
        self.problems: tuple[Problem, ...] = ()
        self.running = False
        self.checks = 0
        self._in_force = in_force
        self._rules = rules

    def start(self) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False

    def check(self) -> None:
        self.checks += 1

    def publish(self) -> None:
        self._in_force.replace_at_once(self.name, build_table([self._rules.arn(ALICE, self.name)], {}))


class Set:
    def __init__(self, folder, rules, content: str | None) -> None:
        self.path = folder / "modes.json"
        if content is not None:
            self.path.write_text(content)
        self.reactor = MemoryReactorClock()
        self.seen = SeenIdentities(self.reactor.seconds)
        self.in_force = InForce(Settings(cluster_id="c"), ("MountedFile",), self.seen)
        self.in_force.replace_at_once("MountedFile", build_table([rules.arn(ALICE, "MountedFile")], {}))
        self.made: dict[str, Origin] = {}
        self.results: list[str] = []
        self._rules = rules
        self.sources = SourceSet(
            self.reactor,
            self.path,
            in_force=self.in_force,
            cooperator=Cooperator(scheduler=lambda work: self.reactor.callLater(0.001, work)),
            make=self._make,
            reloaded=self.results.append,
        )

    def _make(self, name):
        if name == "MountedFile":
            return None
        if name == "DynamicFile":
            raise ConfigError((Problem(file="server.dynamicFilePath", line=0, column=0, message="it is missing"),))
        self.made[name] = Origin(name, self.in_force, self._rules)
        return self.made[name]

    def write(self, modes: str) -> None:
        self.path.write_text(json.dumps({"backendMode": modes}))
        self.check()

    def check(self) -> None:
        self.sources.check()
        self.work()

    def work(self) -> None:
        for _ in range(30):
            self.reactor.advance(0.05)

    @property
    def order(self) -> list[str]:
        return [entry.source for entry in self.in_force.tables.tables]

    @property
    def name(self) -> str:
        return self.in_force.tables.lookup(identity(ALICE)).username


@pytest.fixture
def make(tmp_path, rules):
    made = []

    def make(content='{"backendMode": "MountedFile"}'):
        made.append(Set(tmp_path, rules, content))
        made[-1].sources.start()
        return made[-1]

    yield make
    for each in made:
        each.sources.stop()


def test_start(make):
    """The order of the file is in force from the start."""
    it = make('{"backendMode": "CRD MountedFile"}')
    assert it.order == ["CRD", "MountedFile"]
    assert it.made["CRD"].running
    assert it.name == "MountedFile"
    it.made["CRD"].publish()
    assert it.name == "CRD"


@pytest.mark.parametrize("content", [None, "", '{"backendMode": "Nonsense"}'])
def test_start_without_a_usable_file(make, content):
    """If the file is broken at the start, the order of the settings is in force, and the error is reported."""
    it = make(content)
    assert it.order == ["MountedFile"]
    assert str(it.path) in str(it.sources.problems[0])
    it.write("MountedFile")
    assert it.sources.problems == ()


def test_change(make):
    """New sources replace old ones only when they have their mappings."""
    it = make()
    it.write("CRD")
    assert it.name == "MountedFile"
    assert "waiting for the mappings of CRD" in str(it.sources.problems[0])
    it.made["CRD"].publish()
    it.work()
    assert (it.order, it.name, it.sources.problems) == (["CRD"], "CRD", ())
    it.write("MountedFile CRD")
    assert it.order == ["MountedFile", "CRD"]
    it.write("MountedFile")
    assert not it.made["CRD"].running
    assert (it.order, it.name) == (["MountedFile"], "MountedFile")


def test_started_again(make):
    """A source that was stopped must load again before it is used."""
    it = make('{"backendMode": "CRD MountedFile"}')
    it.made["CRD"].publish()
    it.write("MountedFile")
    it.write("CRD")
    assert it.name == "MountedFile"


def test_broken_and_deleted(make):
    """A broken or deleted file changes nothing and is reported."""
    it = make('{"backendMode": "MountedFile CRD"}')
    for content in ("{", '{"backendMode": "x"}'):
        it.path.write_text(content)
        it.check()
        assert it.sources.problems
        assert it.order == ["MountedFile", "CRD"]
    it.path.unlink()
    it.check()
    assert "can't be read" in str(it.sources.problems[0])
    assert it.order == ["MountedFile", "CRD"]
    it.write("MountedFile")
    assert (it.order, it.sources.problems) == (["MountedFile"], ())


def test_a_source_that_lacks_a_setting(make):
    """If a source can't be made, nothing changes."""
    it = make()
    it.write("CRD DynamicFile")
    assert "server.dynamicFilePath" in str(it.sources.problems[0])
    assert it.order == ["MountedFile"]


def test_problems_and_checks(make):
    """Problems of all sources are reported, and `check` calls all sources."""
    it = make('{"backendMode": "MountedFile CRD"}')
    it.made["CRD"].problems = (Problem(file="crd", line=0, column=0, message="away"),)
    assert [str(problem) for problem in it.sources.problems] == ["crd: away"]
    it.check()
    assert it.made["CRD"].checks == 1


def test_lock_out(make):
    """A list that would lock out recent callers is refused."""
    it = make('{"backendMode": "MountedFile CRD"}')
    for name in ("alice", "bob"):
        who = identity(f"arn:aws:iam::111122223333:user/{name}")
        it.seen.note(who)
    rules = it._rules
    both = [rules.arn(f"arn:aws:iam::111122223333:user/{name}", name) for name in ("alice", "bob")]
    it.in_force.replace_at_once("MountedFile", build_table(both, {}))
    it.in_force.replace_at_once("CRD", build_table([], {"999988887777": "f:1:1"}))
    it.write("CRD")
    assert "restart authd if you mean it" in str(it.sources.problems[0])
    assert it.order == ["MountedFile", "CRD"]
    assert it.results[-1] == "refused"
    (refusal,) = it.in_force.refusals.all
    assert refusal.source == "backendMode"
    it.in_force.refusals.force("backendMode", refusal.reference)
    assert it.order == ["CRD"]
    assert it.results[-1] == "ok"
    assert it.sources.problems == ()


def locking_out_without_the_file(make):
    """Return sources of which only the settings file maps the identities that were seen."""
    it = make('{"backendMode": "MountedFile CRD"}')
    for name in ("alice", "bob"):
        it.seen.note(identity(f"arn:aws:iam::111122223333:user/{name}"))
    both = [it._rules.arn(f"arn:aws:iam::111122223333:user/{name}", name) for name in ("alice", "bob")]
    it.in_force.replace_at_once("MountedFile", build_table(both, {}))
    it.in_force.replace_at_once("CRD", build_table([], {"999988887777": "f:1:1"}))
    return it


def test_a_newer_list_supersedes_a_refused_one(make):
    """After the file has changed or is broken, a refused list can't be forced."""
    it = locking_out_without_the_file(make)
    for newer in ("Nonsense", "MountedFile CRD"):
        it.write("CRD")
        assert len(it.in_force.refusals.all) == 1
        it.write(newer)
        assert it.in_force.refusals.all == ()


def test_a_list_that_is_superseded_while_it_is_checked(make, monkeypatch):
    """If the file changes during the check of its list, a refusal of that list is neither reported nor stored."""
    it = locking_out_without_the_file(make)
    reorder = it.in_force.reorder

    def slowly(names, share):
        if names == ("CRD",):
            it.path.write_text('{"backendMode": "MountedFile CRD"}')
            it.sources.check()
            while it.sources._wanted == names:
                yield
        yield from reorder(names, share)

    monkeypatch.setattr(it.in_force, "reorder", slowly)
    it.write("CRD")
    assert it.order == ["MountedFile", "CRD"]
    assert it.sources.problems == ()
    assert it.in_force.refusals.all == ()
