"""The source EKSConfigMap, with a real connection."""

from __future__ import annotations

from authd.sources.cluster.eks_configmap import EKSConfigMap
from tests.daemon.fakes import identity
from tests.kubernetes.api_server import CONFIG_MAPS, status
from tests.kubernetes.reactor_thread import wait_until

ALICE = "arn:aws:iam::111122223333:user/alice"
BOB = "arn:aws:iam::111122223333:user/bob"


def users(*pairs):
    return {"mapUsers": "".join(f"- userarn: {arn}\n  username: {name}\n" for arn, name in pairs)}


def test_changes_come_into_force(rig):
    """A change of the ConfigMap comes into force. RBAC for this one object is enough."""
    rig.server.put(CONFIG_MAPS, "aws-auth", data=users((ALICE, "a")))
    source = rig.start(EKSConfigMap)
    rig.until(ALICE, "a")
    rig.server.put(CONFIG_MAPS, "aws-auth", data=users((ALICE, "b"), (BOB, "bob")))
    rig.until(BOB, "bob")
    assert rig.name_of(ALICE) == "b"
    assert source.problems == ()
    assert all("metadata.name%3Daws-auth" in target for _, target in rig.server.requests)


def test_created_later(rig):
    """A cluster without the ConfigMap has no mappings and no problem. The ConfigMap is used once it exists."""
    source = rig.start(EKSConfigMap)
    wait_until(lambda: source.problems == ())
    assert rig.name_of(ALICE) == ""
    rig.server.put(CONFIG_MAPS, "aws-auth", data=users((ALICE, "a")))
    rig.until(ALICE, "a")


def test_bad_entry(rig):
    """A bad entry is reported with its place, and the last good table stays."""
    rig.server.put(CONFIG_MAPS, "aws-auth", data=users((ALICE, "a")))
    source = rig.start(EKSConfigMap)
    rig.until(ALICE, "a")
    rig.server.put(CONFIG_MAPS, "aws-auth", data=users((BOB, "bob"), ("nonsense", "x")))
    wait_until(lambda: source.problems)
    assert "configmap kube-system/aws-auth mapUsers:3:12: mapUsers.userARN" in str(source.problems[0])
    assert (rig.name_of(ALICE), rig.name_of(BOB)) == ("a", "")
    rig.server.put(CONFIG_MAPS, "aws-auth", data=users((BOB, "bob")))
    rig.until(BOB, "bob")
    assert source.problems == ()
    assert rig.results == ["ok", "broken", "ok"]


def test_bad_entry_at_first(rig):
    """If the first ConfigMap has a bad entry, the others come into force, since there is no last good table."""
    rig.server.put(CONFIG_MAPS, "aws-auth", data=users((ALICE, "a"), ("nonsense", "x")))
    source = rig.start(EKSConfigMap)
    rig.until(ALICE, "a")
    wait_until(lambda: len(source.problems) == 1)
    assert rig.results == ["broken"]


def test_deleted(rig):
    """If the ConfigMap is deleted, its mappings stay, and the deletion is reported."""
    rig.server.put(CONFIG_MAPS, "aws-auth", data=users((ALICE, "a")))
    source = rig.start(EKSConfigMap)
    rig.until(ALICE, "a")
    rig.server.delete(CONFIG_MAPS, "aws-auth")
    wait_until(lambda: source.problems)
    assert "it was deleted" in str(source.problems[0])
    assert rig.name_of(ALICE) == "a"
    rig.server.put(CONFIG_MAPS, "aws-auth", data=users((ALICE, "b")))
    rig.until(ALICE, "b")
    wait_until(lambda: source.problems == ())


def test_unreachable(rig):
    """If the API server refuses requests or is unreachable, the mappings stay, and the error is reported."""
    rig.server.put(CONFIG_MAPS, "aws-auth", data=users((ALICE, "a")))
    source = rig.start(EKSConfigMap)
    rig.until(ALICE, "a")
    forbidden = status(403, "Forbidden", "configmaps is forbidden")
    rig.server.faults += [lambda it: it.answer(403, forbidden)] * 2
    rig.server.cut()
    wait_until(lambda: "configmaps is forbidden" in "".join(map(str, source.problems)))
    assert rig.name_of(ALICE) == "a"
    wait_until(lambda: source.problems == (), 30)


def test_lock_out(rig):
    """A change that would lock out recent callers is refused. The message says how to force it."""
    rig.server.put(CONFIG_MAPS, "aws-auth", data=users((ALICE, "a"), (BOB, "b")))
    source = rig.start(EKSConfigMap)
    rig.until(ALICE, "a")
    for arn in (ALICE, BOB):
        rig.seen.note(identity(arn))
    rig.server.put(CONFIG_MAPS, "aws-auth", data={"mapUsers": ""})
    wait_until(lambda: source.problems)
    assert "restart authd if you mean it" in str(source.problems[0])
    assert rig.name_of(ALICE) == "a"
    assert rig.results[-1] == "refused"


def test_lying_server(rig):
    """An object that was not requested changes nothing."""
    rig.server.put(CONFIG_MAPS, "aws-auth", data=users((ALICE, "a")))
    rig.start(EKSConfigMap)
    rig.until(ALICE, "a")
    evil = {"metadata": {"name": "evil", "namespace": "x", "resourceVersion": "7"}, "data": users((BOB, "root"))}

    def lie(it) -> None:
        it.begin_stream()
        it.event("ADDED", evil)
        it.stream.recv(1)

    rig.server.faults.append(lambda it: bool(lie(it)))
    rig.server.cut()
    wait_until(lambda: not rig.server.faults)
    rig.server.put(CONFIG_MAPS, "aws-auth", data=users((ALICE, "c")))
    assert rig.name_of(BOB) == ""


def test_a_forced_change(rig):
    """A refused ConfigMap comes into force when forced, and is the basis for checking the next one."""
    rig.server.put(CONFIG_MAPS, "aws-auth", data=users((ALICE, "a"), (BOB, "b")))
    source = rig.start(EKSConfigMap)
    rig.until(ALICE, "a")
    for arn in (ALICE, BOB):
        rig.seen.note(identity(arn))
    rig.server.put(CONFIG_MAPS, "aws-auth", data={"mapUsers": ""})
    wait_until(lambda: rig.in_force.refusals.all)
    (refusal,) = rig.in_force.refusals.all
    rig.thread.call(lambda: rig.in_force.refusals.force("EKSConfigMap", refusal.reference))
    assert rig.name_of(ALICE) == ""
    assert (source.problems, rig.results[-1]) == ((), "ok")
    rig.server.put(CONFIG_MAPS, "aws-auth", data=users((ALICE, "a2")))
    rig.until(ALICE, "a2")
