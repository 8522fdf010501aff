"""The copy of a source's mappings for a start without the API server."""

from __future__ import annotations

import json
import operator
import os
import time
from pathlib import Path

import pytest

from authd.sources.cluster import table_copy
from authd.sources.cluster.crd import CRD
from authd.sources.cluster.eks_configmap import EKSConfigMap
from tests.daemon.fakes import identity
from tests.kubernetes.api_server import CONFIG_MAPS, IDENTITIES, status
from tests.kubernetes.reactor_thread import wait_until

ALICE = "arn:aws:iam::111122223333:user/alice"
BOB = "arn:aws:iam::111122223333:user/bob"
KINDS = {EKSConfigMap: "last-good-eksconfigmap.json", CRD: "last-good-crd.json"}


@pytest.fixture
def state(tmp_path) -> Path:
    return tmp_path / "state"


def put(rig, kind, *pairs):
    if kind is EKSConfigMap:
        users = "".join(f"- userarn: {arn}\n  username: {name}\n" for arn, name in pairs)
        rig.server.put(CONFIG_MAPS, "aws-auth", data={"mapUsers": users})
        return
    for arn, name in pairs:
        rig.server.put(IDENTITIES, arn.rpartition("/")[2], spec={"arn": arn, "username": name})


def start(rig, kind, state):
    return rig.start(kind, state=state, **({"now": time.time} if kind is CRD else {}))


def run_once(rig, kind, state, *pairs):
    """Run the source until its table is stored, and stop it."""
    put(rig, kind, *pairs)
    start(rig, kind, state)
    rig.until(*pairs[-1])
    wait_until((state / KINDS[kind]).exists)
    rig.stop()


def down(it) -> bool:
    it.answer(503, status(503, "ServiceUnavailable", "etcd is away"))
    return False


@pytest.mark.parametrize("kind", KINDS)
def test_a_start_without_the_api_server(rig, kind, state):
    """The copy is in force immediately, with its age and origin, until the first list replaces it."""
    run_once(rig, kind, state, (BOB, "bob"), (ALICE, "a"))
    path = state / KINDS[kind]
    assert path.stat().st_mode & 0o777 == 0o600
    os.utime(path, (0, time.time() - 3 * 3600 - 120))
    put(rig, kind, (ALICE, "b"))
    if kind is CRD:
        rig.server.delete(IDENTITIES, "bob")
    rig.server.faults += [down] * 3
    source = start(rig, kind, state)
    assert (rig.name_of(ALICE), rig.name_of(BOB)) == ("a", "bob")
    problems = "; ".join(map(str, source.problems))
    assert "the API server has not answered yet" in problems or "etcd is away" in problems
    assert "(3 h 2 min old) from https://127.0.0.1:" in problems
    assert not rig.in_force.has_table(kind.name)
    rig.until(ALICE, "b")
    assert rig.name_of(BOB) == ""
    wait_until(lambda: source.problems == ())
    assert rig.in_force.copies == {}
    assert rig.in_force.has_table(kind.name)


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_list_wins(rig, kind, state):
    """The first list replaces the copy, even if it is empty or locks everybody out."""
    run_once(rig, kind, state, (BOB, "bob"), (ALICE, "a"))
    if kind is CRD:
        rig.server.delete(IDENTITIES, "bob")
        rig.server.delete(IDENTITIES, "alice")
    else:
        rig.server.delete(CONFIG_MAPS, "aws-auth")
    rig.server.faults += [down]
    source = start(rig, kind, state)
    assert rig.name_of(ALICE) == "a"
    for arn in (ALICE, BOB):
        rig.seen.note(identity(arn))
    rig.until(ALICE, "")
    wait_until(lambda: source.problems == ())
    rig.stop()
    assert json.loads((state / KINDS[kind]).read_bytes())["rules"] == []


def test_a_list_with_faults(rig, state):
    """If aws-auth has a bad entry, the copy stays and both are reported. A corrected aws-auth replaces it."""
    run_once(rig, EKSConfigMap, state, (ALICE, "a"))
    rig.server.put(CONFIG_MAPS, "aws-auth", data={"mapUsers": "- userarn: nonsense\n  username: x\n"})
    source = rig.start(EKSConfigMap, state=state)
    wait_until(lambda: "mapUsers.userARN" in "".join(map(str, source.problems)))
    assert "in force is a copy of" in "".join(map(str, source.problems))
    assert rig.name_of(ALICE) == "a"
    put(rig, EKSConfigMap, (ALICE, "b"))
    rig.until(ALICE, "b")
    wait_until(lambda: source.problems == ())


@pytest.mark.parametrize(
    "changed",
    [
        {"cluster_id": "other"}, {"partition": "aws-cn"}, {"role_patterns": True}, {"master": "https://m"},
        {"kubeconfig": "/k"},
    ],
    ids=lambda changed: next(iter(changed)),
)  # fmt: skip
def test_other_settings(rig, state, changed):
    """A copy for other settings is not used."""
    run_once(rig, EKSConfigMap, state, (ALICE, "a"))
    path = state / KINDS[EKSConfigMap]
    if "cluster_id" in changed:
        copy = json.loads(path.read_bytes())
        path.write_text(json.dumps({**copy, "configuration": "of another cluster"}))
        changed = {}
    rig.server.faults += [down] * 3
    rig.start(EKSConfigMap, state=state, settings=changed)
    assert rig.in_force.copies == {}
    assert rig.name_of(ALICE) == ""


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.chmod(0o666),
        lambda path: path.parent.chmod(0o777),
        lambda path: path.write_bytes(path.read_bytes()[:-10]),
        lambda path: path.write_bytes(path.read_bytes().replace(b"EKSConfigMap", b"CRD")),
        lambda path: path.write_bytes(path.read_bytes().replace(b'"format": 1', b'"format": 2')),
        lambda path: path.write_bytes(path.read_bytes().replace(b"https://127.0.0.1", b"https://127.0.0.2")),
        lambda path: (path.rename(f"{path}2"), path.symlink_to(f"{path}2")),
    ],
    ids=["mode", "folder", "cut", "source", "format", "origin", "link"],
)
def test_a_copy_that_can_not_be_trusted(rig, state, spoil):
    """A copy that others can write, or that is another source's, is not used, and is replaced later."""
    run_once(rig, EKSConfigMap, state, (ALICE, "a"))
    spoil(state / KINDS[EKSConfigMap])
    rig.server.faults += [down] * 2
    rig.start(EKSConfigMap, state=state)
    assert (rig.in_force.copies, rig.name_of(ALICE)) == ({}, "")
    rig.until(ALICE, "a")
    rig.stop()
    state.chmod(0o700)
    rig.server.faults += [down] * 2
    rig.start(EKSConfigMap, state=state)
    assert rig.name_of(ALICE) == "a"


def test_many_changes_are_written_together(rig, state, monkeypatch):
    """There is a pause between two writes. A pending write is finished when the daemon stops."""
    run_once(rig, EKSConfigMap, state, (ALICE, "a"))
    path = state / KINDS[EKSConfigMap]
    written = path.read_bytes()
    rig.start(EKSConfigMap, state=state)
    for name in ("b", "c", "d"):
        put(rig, EKSConfigMap, (ALICE, name))
        rig.until(ALICE, name)
    assert path.read_bytes() == written or b'"username": "a"' not in path.read_bytes()
    rig.stop()
    assert b'"username": "d"' in path.read_bytes()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at_work", ["_publisher.publish", "_copy._write"])
def test_a_stop_during_work(rig, state, kind, at_work):
    """A source that is switched off while it builds or stores its table keeps the copy, and publishes nothing."""
    run_once(rig, kind, state, (ALICE, "a"))
    path = state / KINDS[kind]
    source = start(rig, kind, state)
    rig.until(ALICE, "a")
    wait_until(lambda: source.problems == ())
    wait_until(lambda: not source._copy._due)
    written = path.read_bytes()

    def stop() -> None:
        operator.attrgetter(at_work)(source)()
        source.stop()
        rig.in_force.set_order(())
        rig.in_force.forget(kind.name)

    rig.thread.call(stop)
    rig._running.clear()
    time.sleep(0.3)
    assert not rig.in_force.has_table(kind.name)
    assert path.read_bytes() == written


def test_the_time_of_the_copy(rig, state, monkeypatch):
    """The copy's time is renewed regularly, but only while the source is up to date."""
    run_once(rig, EKSConfigMap, state, (ALICE, "a"))
    path = state / KINDS[EKSConfigMap]
    monkeypatch.setattr(table_copy, "_CONFIRM_SECONDS", 0.0)
    monkeypatch.setattr(table_copy, "_PAUSE_SECONDS", 0.0)
    source = rig.start(EKSConfigMap, state=state)
    wait_until(lambda: source.problems == ())
    wait_until(lambda: not source._copy._due)
    os.utime(path, (0, 1000))
    rig.thread.call(source.check)
    wait_until(lambda: path.stat().st_mtime > 1000)
    rig.server.faults += [down] * 1000
    rig.server.cut()
    wait_until(lambda: source._reflector.problem)
    wait_until(lambda: not source._copy._due)
    os.utime(path, (0, 1000))
    rig.thread.call(source.check)
    assert source._copy._due is None
