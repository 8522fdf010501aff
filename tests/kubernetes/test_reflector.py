"""The reflector with a test API server."""

from __future__ import annotations

import pytest

from authd.kubernetes import reflector
from authd.kubernetes.listing import PAGE_SIZE, Resource
from tests.kubernetes.api_server import CONFIG_MAPS, IDENTITIES, status
from tests.kubernetes.following import Following
from tests.kubernetes.reactor_thread import wait_until


def test_the_cache_is_up_to_date(server, follow):
    """The cache equals the server's objects: initially, after changes, and after deletions."""
    server.put(CONFIG_MAPS, "a", data={"n": "1"})
    with follow() as it:
        it.until(a="1")
        server.put(CONFIG_MAPS, "b", data={"n": "2"})
        it.until(a="1", b="2")
        server.put(CONFIG_MAPS, "a", data={"n": "3"})
        it.until(a="3", b="2")
        server.delete(CONFIG_MAPS, "b")
        it.until(a="3")
        assert it.reflector.problem == ""
        assert it.reflector.synced
    wait_until(lambda: server.bookmark() or server.watchers == 0)


def test_one_object(server, thread, client):
    """A single object is selected by name in list and watch. Others are not stored."""
    server.put(CONFIG_MAPS, "aws-auth", data={"n": "1"})
    server.put(CONFIG_MAPS, "other", data={"n": "x"})
    with Following(thread, client, Resource(path=CONFIG_MAPS, kind="ConfigMap", name="aws-auth")) as it:
        it.until(**{"aws-auth": "1"})
        wait_until(lambda: server.watchers == 1)
        server.put(CONFIG_MAPS, "other", data={"n": "y"})
        server.put(CONFIG_MAPS, "aws-auth", data={"n": "2"})
        it.until(**{"aws-auth": "2"})
    assert all("fieldSelector=metadata.name%3Daws-auth" in target for _, target in server.requests)


def test_pages(server, thread, client):
    """A list of several pages comes into force when it is complete."""
    for number in range(PAGE_SIZE * 2 + 1):
        server.put(IDENTITIES, f"m{number:05}", data={"n": str(number)})
    with Following(thread, client, Resource(path=IDENTITIES, kind="IAMIdentityMapping")) as it:
        wait_until(lambda: len(it.values) == PAGE_SIZE * 2 + 1)
        assert it.changes == 1
    lists = [target for _, target in server.requests if "watch" not in target]
    assert len(lists) == 3
    assert all(f"limit={PAGE_SIZE}" in target for target in lists)


def test_expired_page(server, thread, client):
    """If a page has expired, the list starts again."""
    for number in range(PAGE_SIZE + 1):
        server.put(IDENTITIES, f"m{number:05}", data={"n": str(number)})
    server.faults += [lambda it: True, lambda it: it.answer(410, status(410, "Expired", "too old"))]
    with Following(thread, client, Resource(path=IDENTITIES, kind="IAMIdentityMapping")) as it:
        wait_until(lambda: len(it.values) == PAGE_SIZE + 1)
    assert it.problems == []


def test_compacted(server, follow):
    """If the watch's version was compacted, the objects are listed again, and nothing is reported."""
    server.put(CONFIG_MAPS, "a", data={"n": "1"})
    with follow() as it:
        wait_until(lambda: server.watchers == 1)
        server.put(CONFIG_MAPS, "a", data={"n": "2"})
        it.until(a="2")
        server.faults.append(lambda c: bool(server.put(CONFIG_MAPS, "b", data={"n": "9"}) and server.compact()) or True)
        server.cut()
        it.until(a="2", b="9")
    assert all("TLS" not in problem for problem in it.problems)


def test_gone_by_status(server, follow):
    """410 as the HTTP status of a watch has the same effect as in its stream."""
    server.put(CONFIG_MAPS, "a", data={"n": "1"})
    server.faults += [lambda it: True, lambda it: it.answer(410, status(410, "Gone", ""))]
    with follow() as it:
        wait_until(lambda: server.watchers == 1)
        it.until(a="1")
        assert it.problems == []
    assert sum("watch" not in target for _, target in server.requests) == 2


def test_bookmark(server, follow):
    """After a bookmark, the next watch begins at its version."""
    server.put(CONFIG_MAPS, "a", data={"n": "1"})
    with follow() as it:
        wait_until(lambda: server.watchers == 1)
        for _ in range(20):
            server.put(IDENTITIES, "unrelated", data={})
        server.bookmark()
        wait_until(lambda: it.reflector._version == str(server.version))
        server.compact()
        server.cut()
        wait_until(lambda: sum("watch" in target for _, target in server.requests) == 2)
        server.put(CONFIG_MAPS, "a", data={"n": "2"})
        it.until(a="2")
    assert sum("watch" not in target for _, target in server.requests) == 1


@pytest.mark.parametrize("code", [401, 403, 429, 500, 503])
def test_refusals(server, follow, code):
    """An error of the server is reported and the cache stays, until the server accepts requests again."""
    server.put(CONFIG_MAPS, "a", data={"n": "1"})
    with follow() as it:
        wait_until(lambda: server.watchers == 1)
        server.faults += [lambda c: c.answer(code, status(code, "", "refused"))] * 3
        server.cut()
        wait_until(lambda: any(f"answered {code}" in problem for problem in it.problems))
        assert it.values == {"kube-system/a": "1"}
        server.put(CONFIG_MAPS, "a", data={"n": "2"})
        it.until(a="2")
        wait_until(lambda: it.reflector.problem == "")


def line(data: bytes):
    def fault(it) -> None:
        it.begin_stream()
        it.chunk(data)
        it.stream.recv(1)

    return fault


def half_line(it) -> None:
    it.begin_stream()
    it.chunk(b'{"type":"MODIFIED","object":{"metad')
    it.reset()


def endless_line(it) -> None:
    it.begin_stream()
    while True:
        it.chunk(b"x" * 65_536)


@pytest.mark.parametrize(
    "fault",
    [
        half_line,
        endless_line,
        lambda it: it.reset(),
        line(b"not json\n"),
        line(b'{"type":"NEW","object":{"metadata":{"name":"a","resourceVersion":"5"}}}\n'),
        line(b'{"type":"ADDED","object":null}\n'),
        line(b'{"type":"ADDED","object":{"metadata":{"name":"a"}}}\n'),
        line(b'{"type":"DELETED","object":{"metadata":{"resourceVersion":"5"}}}\n'),
        line(b'{"type":"ERROR","object":{"code":500,"message":"etcd"}}\n'),
        line(b'{"type":"ERROR","object":null}\n'),
        line(b'{"type":"ADDED","object":{"metadata":{"name":"z","resourceVersion":"5"},"data":7}}\n'),
    ],
)
def test_broken_watches(server, follow, fault):
    """After an invalid event, the cache stays and the next watch continues."""
    server.put(CONFIG_MAPS, "a", data={"n": "1"})
    server.faults += [lambda it: True, lambda it: bool(fault(it))]
    with follow() as it:
        wait_until(lambda: any(it.problems))
        assert it.values == {"kube-system/a": "1"}
        server.put(CONFIG_MAPS, "a", data={"n": "2"})
        it.until(a="2")
        wait_until(lambda: it.reflector.problem == "")


@pytest.mark.parametrize(
    "page",
    [
        {"items": []},
        {"metadata": {"resourceVersion": "5"}, "items": [7]},
        {"metadata": {"resourceVersion": "5"}, "items": [{"metadata": {}}]},
        {"metadata": {"resourceVersion": "5", "continue": "x"}, "items": []},
        {
            "metadata": {"resourceVersion": "5", "continue": 7},
            "items": [{"metadata": {"name": "a"}, "data": {"n": "8"}}],
        },
    ],
)
def test_broken_lists(server, follow, page):
    """An invalid list replaces nothing."""
    server.put(CONFIG_MAPS, "a", data={"n": "1"})
    server.faults.append(lambda it: it.answer(200, page))
    with follow() as it:
        it.until(a="1")
        assert any(it.problems)


def test_silence(server, follow):
    """A silent connection is closed, and the next watch continues at the same version."""
    server.put(CONFIG_MAPS, "a", data={"n": "1"})
    with follow(0.3) as it:
        it.until(a="1")
        wait_until(lambda: any("silent" in problem for problem in it.problems))
        server.put(CONFIG_MAPS, "a", data={"n": "2"})
        it.until(a="2")
    assert sum("watch" not in target for _, target in server.requests) == 1


def test_probes(server, follow, monkeypatch):
    """During a silent watch, a probe detects that the server refuses requests or hangs. The watch continues."""
    monkeypatch.setattr(reflector, "PROBE_SECONDS", 0.05)
    server.put(CONFIG_MAPS, "a", data={"n": "1"})
    with follow() as it:
        wait_until(lambda: server.watchers == 1)
        server.faults.extend([lambda c: c.answer(403, status(403, "Forbidden", "revoked"))] * 4)
        wait_until(lambda: "answered 403 (revoked)" in it.reflector.problem)
        server.put(CONFIG_MAPS, "a", data={"n": "2"})
        it.until(a="2")
        wait_until(lambda: it.reflector.problem == "")
        server.faults.append(lambda c: bool(c.stream.recv(1)))
        wait_until(lambda: "did not answer in time" in it.reflector.problem)
        assert it.values == {"kube-system/a": "2"}
        wait_until(lambda: it.reflector.problem == "")
    assert sum("watch" in target for _, target in server.requests) == 1
    probes = [target for _, target in server.requests if target.endswith("limit=1")]
    assert probes


def test_no_probes_without_a_watch(server, follow, monkeypatch):
    """There are no probes while the list fails, because it is retried anyway."""
    monkeypatch.setattr(reflector, "PROBE_SECONDS", 0.01)
    server.faults.extend([lambda c: c.answer(503, status(503, "", "away"))] * 4)
    with follow() as it:
        wait_until(lambda: not server.faults)
        assert not any(target.endswith("limit=1") for _, target in server.requests[:4])
        wait_until(lambda: it.reflector.problem == "")
