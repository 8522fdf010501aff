"""The source CRD, with a real connection."""

from __future__ import annotations

import pytest

from authd.core.mapping.validity import parse_time
from authd.kubernetes.listing import PAGE_SIZE
from authd.sources.cluster import crd, reports
from authd.sources.cluster.crd import CRD
from authd.sources.cluster.identity_mapping import IdentityMapping, RuleContext
from tests.daemon.fakes import identity
from tests.kubernetes.api_server import IDENTITIES, status
from tests.kubernetes.reactor_thread import wait_until

ACCOUNT = "111122223333"
ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"


def put(rig, name, arn, username="", **metadata):
    return rig.server.put(
        IDENTITIES, name, spec={"arn": arn, "username": username or name, "groups": ["g"]}, metadata=metadata
    )


@pytest.fixture
def start(rig, monkeypatch):
    monkeypatch.setattr(reports, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(reports, "_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(reports, "_FORBIDDEN_SECONDS", 0.05)
    return lambda: rig.start(CRD, now=lambda: 1_772_366_400.0, user_ids=rig.seen.principal_ids)


def test_objects_come_into_force(rig, start):
    """Objects are in force while they exist, and their status is written."""
    put(rig, "alice", ALICE)
    source = start()
    rig.until(ALICE, "alice")
    role = f"arn:aws:iam::{ACCOUNT}:role/path/Dev"
    put(rig, "dev", role)
    rig.until(f"arn:aws:sts::{ACCOUNT}:assumed-role/Dev/x", "dev")
    wait_until(lambda: (rig.server.get(IDENTITIES, "dev") or {}).get("status"))
    assert rig.server.get(IDENTITIES, "dev")["status"] == {"canonicalARN": f"arn:aws:iam::{ACCOUNT}:role/dev"}
    wait_until(lambda: rig.server.get(IDENTITIES, "alice").get("status") == {"canonicalARN": ALICE})
    rig.server.delete(IDENTITIES, "alice")
    rig.until(ALICE, "")
    assert source.problems == ()


@pytest.mark.parametrize("arn", ["iam::111122223333:ROLE/Dev", "sts::111122223333:assumed-role/Dev/*"])
def test_spellings_of_a_role(partitions, arn):
    """An object whose ARN of a role is spelled otherwise is read as an entry of mapRoles."""
    spec = {"arn": f"arn:aws:{arn}", "username": "dev", "groups": ["g"]}
    mapping = IdentityMapping({"metadata": {"name": "dev"}, "spec": spec}, None)
    mapping.read_rule(RuleContext(tuple(partitions), "aws", patterns=False, templates={}))
    assert mapping.rule.subject.key == f"arn:aws:iam::{ACCOUNT}:role/dev"
    assert not any("mapUsers" in warning.message for warning in mapping.warnings)


def test_user_id(rig, start):
    """The unique ID of a recent caller is written to the status."""
    rig.seen.note(identity(ALICE, "AIDAALICE"))
    put(rig, "alice", ALICE)
    start()
    wait_until(lambda: rig.server.get(IDENTITIES, "alice").get("status"))
    assert rig.server.get(IDENTITIES, "alice")["status"] == {"canonicalARN": ALICE, "userID": "AIDAALICE"}


def test_broken_object(rig, start):
    """A broken object gets an Event and keeps its last good rule. Other objects are not affected."""
    put(rig, "alice", ALICE, "a")
    put(rig, "bad", "nonsense")
    source = start()
    rig.until(ALICE, "a")
    wait_until(lambda: rig.server.posted)
    event = rig.server.posted[0]
    assert event["involvedObject"]["name"] == "bad"
    assert (event["type"], event["reason"]) == ("Warning", "InvalidMapping")
    assert "userARN" in event["message"]
    assert any("iamidentitymapping bad" in str(problem) for problem in source.problems)
    put(rig, "alice", "arn:nonsense")
    wait_until(lambda: any("iamidentitymapping alice" in str(problem) for problem in source.problems))
    assert rig.name_of(ALICE) == "a"
    put(rig, "alice", ALICE, "again")
    rig.until(ALICE, "again")
    rig.server.delete(IDENTITIES, "bad")
    wait_until(lambda: source.problems == ())


@pytest.mark.parametrize(
    "spec",
    [
        None,
        7,
        {},
        {"arn": 7},
        {"arn": ALICE, "username": "{{Nonsense}}"},
        {"arn": ALICE, "username": "a", "groups": "["[:0] or [[]]},
    ],
)
def test_unusable_objects(rig, start, spec):
    """Objects that only a lenient schema of an old cluster accepts are reported and have no other effect."""
    rig.server.put(IDENTITIES, "bad", spec=spec)
    put(rig, "bob", f"arn:aws:iam::{ACCOUNT}:user/bob")
    source = start()
    rig.until(f"arn:aws:iam::{ACCOUNT}:user/bob", "bob")
    assert any("iamidentitymapping bad" in str(problem) for problem in source.problems)


def test_duplicates(rig, start):
    """Of two objects for one ARN the older one is in force, and both are reported."""
    put(rig, "a-young", ALICE, "young", creationTimestamp="2026-02-01T00:00:00Z")
    put(rig, "z-old", ALICE.upper().replace("ARN:AWS:IAM", "arn:aws:iam").replace("USER/", "user/"), "old")
    source = start()
    rig.until(ALICE, "old")
    wait_until(lambda: len(rig.server.posted) == 2)
    assert {event["involvedObject"]["name"] for event in rig.server.posted} == {"a-young", "z-old"}
    assert {event["reason"] for event in rig.server.posted} == {"DuplicateARN"}
    assert "iamidentitymapping a-young" in "".join(map(str, source.problems))
    rig.server.delete(IDENTITIES, "z-old")
    rig.until(ALICE, "young")


def test_events_once(rig, start):
    """Of three objects for one ARN each gets one Event, however often other objects change."""
    for count, name in enumerate(("a", "b", "c"), start=1):
        put(rig, name, ALICE, name, creationTimestamp=f"2026-01-0{count}T00:00:00Z")
    start()
    rig.until(ALICE, "a")
    for name in ("x", "y", "z"):
        arn = f"arn:aws:iam::{ACCOUNT}:user/{name}"
        put(rig, name, arn)
        rig.until(arn, name)
        wait_until(lambda name=name: rig.server.get(IDENTITIES, name).get("status"))
    assert sorted(event["involvedObject"]["name"] for event in rig.server.posted) == ["a", "b", "c"]


def test_status_once(rig, start):
    """A correct status is not written again."""
    rig.server.put(IDENTITIES, "alice", spec={"arn": ALICE, "username": "a"}, status={"canonicalARN": ALICE})
    put(rig, "bob", f"arn:aws:iam::{ACCOUNT}:user/bob")
    start()
    wait_until(lambda: rig.server.get(IDENTITIES, "bob").get("status"))
    assert [target for method, target in rig.server.requests if method == "PATCH"] == [f"{IDENTITIES}/bob/status"]


def test_status_changes_build_no_table(rig, start, monkeypatch):
    """The event of a written status builds no new table, which would be expensive with thousands of objects."""
    monkeypatch.setattr(crd, "_COLLECT_SECONDS", 0.0)
    names = ("alice", "bob", "carol", "dave")
    for count, name in enumerate(names, start=1):
        arn = f"arn:aws:iam::{ACCOUNT}:user/{name}"
        put(rig, name, arn)
        if count == 1:
            start()
        rig.until(arn, name)
        wait_until(lambda name=name: rig.server.get(IDENTITIES, name).get("status"))
    assert rig.results == ["ok"] * len(names)


def test_a_wrong_status_is_corrected(rig, start):
    """If another client changes `status.canonicalARN`, it is written again."""
    put(rig, "alice", ALICE)
    start()
    wait_until(lambda: rig.server.get(IDENTITIES, "alice").get("status") == {"canonicalARN": ALICE})
    rig.server.put(
        IDENTITIES,
        "alice",
        spec={"arn": ALICE, "username": "alice", "groups": ["g"]},
        status={"canonicalARN": "arn:aws:iam::999900001111:user/wrong"},
    )
    wait_until(lambda: rig.server.get(IDENTITIES, "alice")["status"]["canonicalARN"] == ALICE)
    assert rig.name_of(ALICE) == "alice"


@pytest.mark.parametrize("code", [403, 500])
def test_writes_that_fail(rig, start, code):
    """A failed write is retried later, and the mappings don't depend on it."""
    put(rig, "alice", ALICE)
    refused: list[int] = []

    def refuse(it) -> bool:
        if it.method == "PATCH" and len(refused) < 2:
            refused.append(code)
            it.answer(code, status(code))
            return False
        return True

    rig.server.faults.extend([refuse] * 20)
    start()
    rig.until(ALICE, "alice")
    wait_until(lambda: rig.server.get(IDENTITIES, "alice").get("status"))
    assert refused == [code, code]


def test_many(rig, start):
    """A list of several pages comes into force."""
    count = PAGE_SIZE + 5
    for number in range(count):
        put(rig, f"u{number}", f"arn:aws:iam::{ACCOUNT}:user/u{number}")
    start()
    rig.until(f"arn:aws:iam::{ACCOUNT}:user/u{count - 1}", f"u{count - 1}")
    assert len(rig.in_force.tables) == count


def test_many_broken(rig, start):
    """Problems name the first broken objects and the number of the others."""
    for number in range(25):
        put(rig, f"u{number}", "nonsense")
    source = start()
    wait_until(lambda: len(source.problems) == 21)
    assert "and 5 more objects" in str(source.problems[-1])


def timed(rig, name, username, *, until="", start="", created="2026-01-01T00:00:00Z"):
    times = {key: text for key, text in (("validFrom", start), ("validUntil", until)) if text}
    rig.server.put(
        IDENTITIES, name, spec={"arn": ALICE, "username": username, **times}, metadata={"creationTimestamp": created}
    )


def test_times(rig, start):
    """An object is in force during its period. Of two for one ARN, the older one in force is used."""
    timed(rig, "old", "ended", until="2020-01-01")
    timed(rig, "young", "now", start="2020-01-01", created="2026-02-01T00:00:00Z")
    source = start()
    wait_until(lambda: rig.in_force.has_table("CRD"))
    tables = rig.in_force.tables
    times = [parse_time("2019-12-31T23:59:59Z"), parse_time("2020-01-01")]
    assert [tables.lookup(identity(ALICE), now).username for now in times] == ["ended", "now"]
    assert source.problems == ()
    timed(rig, "young", "now", start="2019-12-31", created="2026-02-01T00:00:00Z")
    wait_until(lambda: source.problems)
    assert "it has the ARN of the older iamidentitymapping old" in str(source.problems[0])
    assert [rig.in_force.tables.lookup(identity(ALICE), now).username for now in times] == ["ended", "now"]


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ({"validUntil": "soon"}, "validUntil must be a time in UTC"),
        ({"validUntil": 7}, "validUntil must be a time in UTC"),
        ({"validUntil": ""}, "validUntil is empty"),
        ({"validuntil": "2030-02-30"}, "is not a calendar time"),
        ({"validTill": "2030-01-01"}, "validTill is not a key of a rule: did you mean validUntil?"),
        ({"validUntil": "2030-01-01", "validFrom": "2030-01-01"}, "must be after validFrom"),
    ],
)
def test_wrong_times(rig, start, times, message):
    """An object with a wrong time maps nobody and gets an Event, even if the cluster's definition has no schema."""
    rig.server.put(IDENTITIES, "bad", spec={"arn": ALICE, "username": "a", **times})
    source = start()
    wait_until(lambda: rig.server.posted)
    assert message in rig.server.posted[0]["message"]
    assert any(message in str(problem) for problem in source.problems)
    assert rig.name_of(ALICE) == ""


def test_an_edit_reads_one_rule(rig, start, monkeypatch):
    """An edit of one object parses only its rule."""
    read: list[str] = []
    read_rule = IdentityMapping.read_rule

    def counted(mapping, context) -> None:
        read.append(mapping.name)
        read_rule(mapping, context)

    monkeypatch.setattr(IdentityMapping, "read_rule", counted)
    for number in range(50):
        put(rig, f"u{number}", f"arn:aws:iam::{ACCOUNT}:user/u{number}")
    start()
    rig.until(f"arn:aws:iam::{ACCOUNT}:user/u49", "u49")
    assert len(read) == 50
    put(rig, "u7", f"arn:aws:iam::{ACCOUNT}:user/u7", "seven")
    rig.until(f"arn:aws:iam::{ACCOUNT}:user/u7", "seven")
    assert read[50:] == ["u7"]


def test_another_spec_with_the_same_generation(rig, start):
    """After a restore of etcd, an edit may give an object the generation that it had before, with another spec."""
    put(rig, "alice", ALICE, "first")
    source = start()
    put(rig, "alice", ALICE, "second")
    rig.until(ALICE, "second")
    rig.server.faults += [lambda it: it.answer(503, status(503, "ServiceUnavailable", "etcd is away"))] * 1000
    rig.server.cut()
    wait_until(lambda: source.problems)
    old = rig.server._objects[IDENTITIES]["alice"]["metadata"]
    assert old["generation"] == 2
    old["generation"] = 1
    put(rig, "alice", ALICE, "third")
    assert rig.server.get(IDENTITIES, "alice")["metadata"]["generation"] == 2
    rig.server.compact()
    rig.server.faults.clear()
    rig.until(ALICE, "third")


def test_stopped(rig, start):
    """A stopped source releases its objects. Its mappings stay until the order of the sources changes."""
    put(rig, "alice", ALICE)
    source = start()
    rig.until(ALICE, "alice")
    rig.thread.call(source.stop)
    assert not source._cache.objects
    assert rig.name_of(ALICE) == "alice"


def test_permission_sets(rig, start):
    """An object may have a permission set. One that also has an ARN is reported."""
    sso = {"permissionSetName": "Dev", "accountID": ACCOUNT}
    rig.server.put(IDENTITIES, "dev", spec={"sso": sso, "username": "dev"})
    rig.server.put(IDENTITIES, "both", spec={"sso": sso, "arn": f"arn:aws:iam::{ACCOUNT}:role/X", "username": "x"})
    rig.server.put(IDENTITIES, "half", spec={"sso": {"permissionSetName": "Ops"}, "username": "x"})
    source = start()
    rig.until(f"arn:aws:sts::{ACCOUNT}:assumed-role/AWSReservedSSO_Dev_0123456789abcdef/me", "dev")
    problems = "".join(map(str, source.problems))
    assert "iamidentitymapping both: the rule has both roleARN and sso" in problems
    assert "iamidentitymapping half: mapRoles.sso.accountID is missing" in problems
