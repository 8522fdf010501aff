"""Wrong responses of API servers are reported, and the cache keeps the last good objects."""

from __future__ import annotations

import gzip
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authd.exchange.errors import ExchangeError, InvalidResponse, Unreachable
from authd.kubernetes import listing, object_cache
from authd.kubernetes.errors import StatusError
from authd.kubernetes.list_page import MAX_TOKEN, ListPage
from authd.kubernetes.listing import Listing, Resource
from tests.kubernetes.api_server import CONFIG_MAPS, IDENTITIES, Connection, status
from tests.kubernetes.following import Following
from tests.kubernetes.reactor_thread import wait_until

PATH = f"{CONFIG_MAPS}/aws-auth"


def config_map(name="a", n="evil", **more):
    metadata = {"name": name, "namespace": "kube-system", "resourceVersion": "2000", "uid": "u"}
    return {"metadata": {**metadata, **more.pop("metadata", {})}, "data": {"n": n}, **more}


def page(*items, kind="ConfigMapList", **metadata):
    return {"kind": kind, "metadata": {"resourceVersion": "2000", **metadata}, "items": list(items)}


LIES = {
    "a list of another kind": page(kind="SecretList"),
    "objects of another kind": page(config_map(kind="Secret")),
    "objects of another namespace": page(config_map(metadata={"namespace": "default"})),
    "objects of no namespace": page(config_map(metadata={"namespace": ""})),
    "a namespace that is a path": page(config_map(metadata={"namespace": "kube-system/x"})),
    "a name that is a path": page(config_map("../../secrets/a")),
    "an endless name": page(config_map("a" * 300)),
    "a refusal with the status of a success": status(500, "InternalError", "etcd is away"),
    "a success that is no list": {"kind": "Status", "status": "Success", "metadata": {"resourceVersion": "5"}},
    "one object in place of a list": config_map(kind="ConfigMap"),
    "no items": {"kind": "ConfigMapList", "metadata": {"resourceVersion": "5"}},
    "items that are a mapping": {"kind": "ConfigMapList", "metadata": {"resourceVersion": "5"}, "items": {}},
    "items that are a text": {"kind": "ConfigMapList", "metadata": {"resourceVersion": "5"}, "items": "[]"},
    "the same object twice": page(config_map(), config_map()),
    "a version that is a number": page(resourceVersion=5),
    "a version with line breaks": page(resourceVersion="5\r\nX: y"),
    "an endless version": page(resourceVersion="5" * 1000),
    "an endless token": page(config_map(), **{"continue": "x" * (MAX_TOKEN + 1)}),
    "a token that is a mapping": page(config_map(), **{"continue": {"a": 1}}),
    "a kind that is a number": page(kind=7),
    "a kind that is a mapping": page(kind={}),
    "a key that stands twice": b'{"kind":"ConfigMapList","items":[],"items":[],"metadata":{"resourceVersion":"5"}}',
    "a key of an object that stands twice": json.dumps(page(config_map()))
    .replace('"n": "evil"', '"n": "evil", "n": "x"')
    .encode(),
    "bytes behind the list": json.dumps(page(config_map())).encode() + b"{}",
    "half a list": json.dumps(page(config_map())).encode()[:-20],
    "half an object": json.dumps(page(config_map())).encode()[:90],
    "half a surrogate": json.dumps(page(config_map(n="\ud800"))).encode(),
    "numbers that are none": json.dumps(page(config_map(n=float("nan")))).encode(),
    "deep nesting": b'{"items":[' + b'{"a":' * 50_000,
    "keys without quotes": b"{kind: ConfigMapList}",
    "a list that begins like one": b'{"items":[{}',
    "items without commas": b'{"items":[{} {}],"metadata":{"resourceVersion":"5"}}',
    "another encoding": json.dumps(page(config_map())).encode("utf-16"),
    "nothing": b"",
}


@pytest.mark.parametrize("lie", LIES)
def test_lists(server, follow, lie):
    """A list with a fault replaces nothing and is reported."""
    server.put(CONFIG_MAPS, "a", data={"n": "1"})
    server.faults += [lambda it: it.answer(200, LIES[lie])] * 2
    with follow() as it:
        it.until(a="1")
        assert any(it.problems)
        assert "internal error" not in "".join(it.problems)


def test_the_message_of_a_refusal(server, follow):
    """A Status object with HTTP status 200 is an error with its own message."""
    server.put(CONFIG_MAPS, "a", data={"n": "1"})
    server.faults.append(lambda it: it.answer(200, LIES["a refusal with the status of a success"]))
    with follow() as it:
        it.until(a="1")
        assert "the API server answered 500 (etcd is away)" in it.problems


def test_another_object(server, thread, client):
    """If the server ignores the selector, other objects are not stored."""
    resource = Resource(path=CONFIG_MAPS, kind="ConfigMap", name="aws-auth")
    server.put(CONFIG_MAPS, "aws-auth", data={"n": "1"})
    server.faults.append(lambda it: it.answer(200, page(config_map("aws-auth"), config_map("other"))))
    with Following(thread, client, resource) as it:
        it.until(**{"aws-auth": "1"})
        assert "the API server sent kube-system/other, which was not asked for" in it.problems


def test_empty_items(server, thread, client):
    """A list without objects is valid, also if its items are null."""
    for items in (None, []):
        server.faults.append(lambda it, items=items: it.answer(200, {**page(), "items": items}))
        taken = []
        resource = Resource(path=CONFIG_MAPS, kind="ConfigMap")
        assert thread.run(Listing(client, resource, taken.append).read) == "2000"
        assert taken == []


def endless(server, make):
    """Respond to every list with another page."""
    count = 0

    def more(it: Connection) -> bool:
        nonlocal count
        count += 1
        it.answer(200, make(count))
        return False

    server.faults.extend([more] * 1000)


ENDLESS = {
    "new objects": lambda n: page(config_map(f"a{n}"), **{"continue": f"t{n}"}),
    "the same object": lambda _: page(config_map(), **{"continue": "t"}),
    "the same object and new tokens": lambda n: page(config_map(), **{"continue": f"t{n}"}),
    "no objects and new tokens": lambda n: page(**{"continue": f"t{n}"}),
}


@pytest.mark.parametrize("pages", ENDLESS)
def test_endless_lists(server, thread, client, monkeypatch, pages):
    """An endless list is aborted after a number of objects, whatever its pages contain."""
    monkeypatch.setattr(listing, "MAX_OBJECTS", 20)
    endless(server, ENDLESS[pages])
    names: set[str] = set()

    def take(content) -> None:
        name = content["metadata"]["name"]
        if name in names:
            raise InvalidResponse("twice")
        names.add(name)

    with pytest.raises(InvalidResponse, match=r"does not end|more than 20|twice"):
        thread.run(Listing(client, Resource(path=CONFIG_MAPS, kind="ConfigMap"), take).read)
    assert len(server.requests) <= 21


def test_slow_endless_list(server, thread, client, monkeypatch):
    """A list has a deadline, in addition to that of each page."""
    monkeypatch.setattr(listing, "_MAX_SECONDS", 0.0)
    endless(server, ENDLESS["new objects"])
    with pytest.raises(InvalidResponse, match="does not end"):
        thread.run(Listing(client, Resource(path=CONFIG_MAPS, kind="ConfigMap"), lambda _: None).read)


def test_large_objects(server, thread, client, monkeypatch):
    """If a page exceeds the limit for responses, smaller pages are requested, and each object is read once."""
    monkeypatch.setattr("authd.kubernetes.client.MAX_BODY_BYTES", 20_000)
    names = [f"m{number:03}" for number in range(30)]
    for name in names:
        server.put(IDENTITIES, name, data={"n": "x" * 1000})
    taken: list[str] = []
    resource = Resource(path=IDENTITIES, kind="IAMIdentityMapping")
    thread.run(Listing(client, resource, lambda content: taken.append(content["metadata"]["name"])).read)
    assert taken == names


def test_an_object_beyond_all_bounds(server, thread, client, monkeypatch):
    """A single object over the limit aborts the list."""
    monkeypatch.setattr("authd.kubernetes.client.MAX_BODY_BYTES", 2000)
    server.put(IDENTITIES, "m", data={"n": "x" * 3000})
    with pytest.raises(InvalidResponse, match="longer than 2000 bytes"):
        thread.run(Listing(client, Resource(path=IDENTITIES, kind="IAMIdentityMapping"), lambda _: None).read)


def test_long_pages_do_not_block_the_reactor(server, thread, client, monkeypatch):
    """While a long page is processed, the reactor runs after each time slice."""
    monkeypatch.setattr(listing, "_SLICE_SECONDS", 0.0)
    for number in range(50):
        server.put(IDENTITIES, f"m{number:03}", data={})
    order: list[str] = []

    def take(_content) -> None:
        order.append("object")
        thread.reactor.callLater(0, order.append, "other work")

    thread.run(Listing(client, Resource(path=IDENTITIES, kind="IAMIdentityMapping"), take).read)
    assert order.count("object") == 50
    assert "other work" in order[:3]


def test_history_that_went_back(server, follow):
    """After a restore of etcd, the list is used although its version is smaller than before."""
    server.put(CONFIG_MAPS, "a", data={"n": "1"})
    with follow() as it:
        wait_until(lambda: server.watchers == 1)
        server.version = 10
        server.put(CONFIG_MAPS, "a", data={"n": "2"})
        server.faults.append(lambda c: c.answer(410, status(410, "Expired", "")))
        server.cut()
        it.until(a="2")
        wait_until(lambda: it.reflector.problem == "")


def stream(*events, rest=b""):
    def fault(it: Connection) -> bool:
        it.begin_stream()
        for kind, content in events:
            it.event(kind, content)
        if rest:
            it.chunk(rest)
        it.chunk(b"")
        return False

    return fault


OUT_OF_ORDER = "events are out of order"
EVENTS = {
    "an older version": (("MODIFIED", config_map(metadata={"resourceVersion": "5"})), OUT_OF_ORDER),
    "an older bookmark": (("BOOKMARK", config_map(metadata={"resourceVersion": "5"})), OUT_OF_ORDER),
    "another kind": (("ADDED", config_map(kind="Secret")), "sent the kind Secret in place of ConfigMap"),
    "another namespace": (("ADDED", config_map(metadata={"namespace": "x"})), "which was not asked for"),
    "a name that is a path": (("ADDED", config_map("x/y")), "has no name"),
    "a deleted object of another namespace": (("DELETED", config_map(metadata={"namespace": "x"})), "not asked for"),
}


@pytest.mark.parametrize("lie", EVENTS)
def test_events(server, follow, lie):
    """An invalid event is reported and changes nothing, and the objects are listed again."""
    event, message = EVENTS[lie]
    server.put(CONFIG_MAPS, "a", data={"n": "1"})
    server.faults += [lambda _: True, stream(event)]
    with follow() as it:
        wait_until(lambda: any(message in problem for problem in it.problems))
        assert it.values == {"kube-system/a": "1"}
        server.put(CONFIG_MAPS, "a", data={"n": "2"})
        it.until(a="2")
        wait_until(lambda: it.reflector.problem == "")


def test_deletions_of_old_servers(server, follow):
    """A deletion may have the version before it. The watch continues at the newest version."""
    server.put(CONFIG_MAPS, "a", data={"n": "1"})
    gone = config_map("b", metadata={"resourceVersion": "2001"})
    older = config_map("b", metadata={"resourceVersion": "2000"})
    server.faults += [lambda _: True, stream(("ADDED", gone), ("DELETED", older)), lambda it: bool(it.stream.recv(1))]
    with follow() as it:
        wait_until(lambda: len(server.requests) == 3)
        it.until(a="1")
        assert "resourceVersion=2001" in server.requests[2][1]
        assert not any(it.problems)


def test_a_flood_of_objects(server, follow, monkeypatch):
    """The objects of a watch are limited in number, so that they can't fill the memory."""
    monkeypatch.setattr(object_cache, "MAX_OBJECTS", 5)
    server.put(CONFIG_MAPS, "a", data={"n": "1"})
    flood = [("ADDED", config_map(f"b{number}")) for number in range(20)]
    server.faults += [lambda _: True, stream(*flood)]
    with follow() as it:
        wait_until(lambda: any("more than 5 objects" in problem for problem in it.problems))
        it.until(a="1")


@pytest.mark.parametrize("rest", [json.dumps(page(config_map())).encode(), b'{"type":"ADDED"'])
def test_partial_event_at_the_end(server, follow, rest):
    """A list instead of events, or a partial event at the end of the stream, is reported."""
    server.put(CONFIG_MAPS, "a", data={"n": "1"})
    server.faults += [lambda _: True, stream(rest=rest)]
    with follow() as it:
        wait_until(lambda: any("ended within an event" in problem for problem in it.problems))
        it.until(a="1")


def test_watches_that_end_at_once(server, follow):
    """If every watch ends immediately, this is reported, and changes still arrive by lists."""
    server.put(CONFIG_MAPS, "a", data={"n": "1"})

    def no_watch(it: Connection) -> bool:
        return it.query.get("watch") != "true" or stream()(it)

    server.faults.extend([no_watch] * 1000)
    with follow() as it:
        wait_until(lambda: any("ends each watch at once" in problem for problem in it.problems))
        server.put(CONFIG_MAPS, "a", data={"n": "2"})
        it.until(a="2")
        assert it.reflector.problem == "the API server ends each watch at once"
        server.faults.clear()
        server.put(CONFIG_MAPS, "a", data={"n": "3"})
        it.until(a="3")
        wait_until(lambda: server.watchers == 1)
        server.put(CONFIG_MAPS, "a", data={"n": "4"})
        wait_until(lambda: it.reflector.problem == "")


def test_repeated_410(server, follow):
    """A single 410 is ordinary. A server that responds with nothing else is reported."""
    server.put(CONFIG_MAPS, "a", data={"n": "1"})
    with follow() as it:
        wait_until(lambda: server.watchers == 1)
        server.faults.extend([lambda c: c.answer(410, status(410, "Expired", "too old"))] * 6)
        server.cut()
        wait_until(lambda: any("410" in problem for problem in it.problems))
        assert it.values == {"kube-system/a": "1"}
        wait_until(lambda: it.reflector.problem == "")


def send(data: bytes):
    return lambda it: it.stream.sendall(data)


def endlessly(begin: bytes, more: bytes):
    def fault(it: Connection) -> None:
        it.stream.sendall(begin)
        while True:
            it.stream.sendall(more)

    return fault


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
BOMB = gzip.compress(b" " * 50_000_000)
RESPONSES = {
    "a page of a proxy": (lambda it: it.answer(200, {}, "Content-Type: text/html\r\n"), InvalidResponse),
    "protobuf": (send(b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.kubernetes.protobuf\r\n"
                      b"Content-Length: 4\r\n\r\nk8s\0"), InvalidResponse),
    "a bomb": (lambda it: it.answer(200, BOMB, "Content-Encoding: gzip\r\n"), InvalidResponse),
    "a bomb in the transfer": (send(HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + BOMB[:9000]), ExchangeError),
    "a body without a length": (send(HEAD + b"\r\n{}"), Unreachable),
    "HTTP/1.0": (send(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{}"), Unreachable),
    "two lengths": (send(HEAD + b"Content-Length: 2\r\nContent-Length: 20\r\n\r\n{}"), ExchangeError),
    "a negative length": (send(HEAD + b"Content-Length: -2\r\n\r\n{}"), ExchangeError),
    "an endless chunk extension": (endlessly(CHUNKED + b"2;", b"x" * 65_536), ExchangeError),
    "an endless chunk size": (endlessly(CHUNKED, b"0" * 65_536), ExchangeError),
    "a chunk size that is none": (send(CHUNKED + b"-5\r\n{}\r\n0\r\n\r\n"), ExchangeError),
    "endless trailers": (endlessly(CHUNKED + b"2\r\n{}\r\n0\r\n", b"X-A: b\r\n" * 9000), ExchangeError),
    "an endless reason": (endlessly(b"HTTP/1.1 200 ", b"O" * 65_536), ExchangeError),
    "endless interim responses": (endlessly(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 3000), ExchangeError),
    "no content": (send(b"HTTP/1.1 204 No Content\r\n\r\n"), StatusError),
    "part of an object": (lambda it: it.answer(206, {}), StatusError),
    "a redirect to itself": (lambda it: it.answer(302, {}, f"Location: {it.target}\r\n"), StatusError),
    "another protocol": (send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"), ExchangeError),
    "a refusal under 200": (lambda it: it.answer(200, status(403, "Forbidden", "no")), StatusError),
}  # fmt: skip


@pytest.mark.parametrize("lie", RESPONSES)
def test_responses(server, thread, client, lie):
    """An invalid response is an error in bounded time and memory, and the next call succeeds."""
    fault, error = RESPONSES[lie]
    server.put(CONFIG_MAPS, "aws-auth", data={})
    server.faults.append(lambda it: bool(fault(it)))
    with pytest.raises(error):
        thread.run(lambda: client.call("GET", PATH))
    assert len(server.requests) == 1
    assert thread.run(lambda: client.call("GET", PATH))["data"] == {}


def test_wrong_content_type(server, thread, client):
    """The message about a wrong content type has the type, shortened, and the likely cause."""
    kind = "text/html; charset=utf-8"
    server.faults.append(lambda it: it.answer(200, b"<html>", f"Content-Type: {kind}\r\n"))
    with pytest.raises(InvalidResponse, match="sent 'text/html; charset=utf-8' in place of JSON"):
        thread.run(lambda: client.call("GET", PATH))


def test_white_space_in_a_list():
    """White space is allowed between all tokens of a list."""
    text = json.dumps(page(config_map("a"), config_map("b")), indent="\t").replace(":", " : ")
    read = ListPage(f"\n{text}\r\n".encode(), "ConfigMap")
    assert [item["metadata"]["name"] for item in read.items()] == ["a", "b"]
    assert (read.version, read.token) == ("2000", "")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('ab\\"{}[]:,', max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.sampled_from(["metadata", "spec", "items"]), VALUES), max_size=4), VALUES)
def test_any_objects(items, other):
    """The objects of a list are read unchanged, wherever `items` is among the keys."""
    before = {"items": items, "x": other, "metadata": {"resourceVersion": "7", "continue": "t"}}
    for content in (before, dict(reversed(before.items()))):
        read = ListPage(json.dumps(content).encode(), "ConfigMap")
        assert list(read.items()) == items
        assert (read.version, read.token) == ("7", "t")


@given(st.data())
def test_any_bytes(data):
    """Invalid lists raise only `InvalidResponse` or `StatusError`."""
    text = json.dumps(page(config_map("a"), config_map("b"))).encode()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    changed = (
        text[:start] + data.draw(st.binary(max_size=6) | st.sampled_from([b"{", b"]", b'"', b",", b":"])) + text[end:]
    )
    with suppress(InvalidResponse, StatusError):
        list(ListPage(changed, "ConfigMap").items())
