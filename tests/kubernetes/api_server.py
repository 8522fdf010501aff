"""An API server for tests: TLS on loopback with list, watch, paging, bookmarks, and faults on request."""

from __future__ import annotations

import copy
import json
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import trustme

CONFIG_MAPS = "/api/v1/namespaces/kube-system/configmaps"
IDENTITIES = "/apis/iamauthenticator.k8s.aws/v1alpha1/iamidentitymappings"

JSON = "application/json"
#: Handles a request in place of the server. Returns True if the server should respond in addition.
Fault = Callable[["Connection"], bool]


def status(code: int, reason: str = "", message: str = "") -> dict[str, Any]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
    }


def merge(old: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Apply a JSON merge patch without deletions."""
    both = {key for key, value in patch.items() if isinstance(value, dict) and isinstance(old.get(key), dict)}
    return {**old, **patch, **{key: merge(old[key], patch[key]) for key in both}}


class Connection:
    """A connection with its single request."""

    def __init__(self, stream: ssl.SSLSocket) -> None:
        self.stream = stream
        self.method, self.target, self.headers, self.body = self._read()
        url = urlsplit(self.target)
        self.path, self.query = url.path, dict(parse_qsl(url.query))

    def _read(self) -> tuple[str, str, dict[str, str], bytes]:
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.stream.recv(65_536)
            if not more:
                raise OSError("nothing was asked")
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        while len(body) < int(headers.get("content-length", "0")):
            more = self.stream.recv(65_536)
            if not more:
                raise OSError("the body was cut off")
            body += more
        method, target, _ = first.split(" ")
        return method, target, headers, body

    def answer(self, code: int, content: object, headers: str = "") -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        head = f"HTTP/1.1 {code} X\r\nContent-Type: {JSON}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        self.stream.sendall(head.encode() + body)

    def begin_stream(self) -> None:
        self.stream.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: {JSON}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())

    def chunk(self, data: bytes) -> None:
        self.stream.sendall(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def event(self, kind: str, content: object) -> None:
        self.chunk(json.dumps({"type": kind, "object": content}).encode() + b"\n")

    def reset(self) -> None:
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        socket.socket(fileno=self.stream.detach()).close()


class APIServer:
    """Stores objects by the path of their collection. Each of `faults` handles one of the next requests, in order."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.ca_file = folder / "ca.pem"
        self.authority.cert_pem.write_to_path(str(self.ca_file))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert("127.0.0.1", "localhost").configure_cert(self.context)
        self.authority.configure_trust(self.context)
        self.context.verify_mode = ssl.CERT_OPTIONAL
        self.token = "the-token"
        self.faults: deque[Fault] = deque()
        self.requests: list[tuple[str, str]] = []
        self.clients: list[object] = []
        self.posted: list[dict[str, Any]] = []
        self.version = 1000
        self.compacted = 0
        self.watchers = 0
        self._objects: dict[str, dict[str, dict[str, Any]]] = {}
        self._history: list[tuple[int, str, str, dict[str, Any]]] = []
        self._changed = threading.Condition()
        self._closed = False
        self._streams: set[Any] = set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def kubeconfig(self, folder: Path, user: str = '{token: "the-token"}') -> Path:
        path = folder / "kubeconfig"
        path.write_text(
            f"apiVersion: v1\nkind: Config\ncurrent-context: c\n"
            f"clusters: [{{name: k, cluster: {{server: '{self.url}', certificate-authority: '{self.ca_file}'}}}}]\n"
            f"users: [{{name: u, user: {user}}}]\n"
            f"contexts: [{{name: c, context: {{cluster: k, user: u}}}}]\n"
        )
        return path

    def put(self, collection: str, name: str, **content: Any) -> dict[str, Any]:
        """Create or replace an object."""
        with self._changed:
            known = self._objects.setdefault(collection, {})
            self.version += 1
            before = known.get(name, {}).get("metadata", {})
            metadata = {
                "creationTimestamp": "2026-01-01T00:00:00Z",
                **{key: before[key] for key in ("uid", "creationTimestamp") if key in before},
                **content.pop("metadata", {}),
                "name": name,
                "resourceVersion": str(self.version),
            }
            metadata.setdefault("uid", f"uid-{self.version}")
            if "spec" in content:  # custom resources: the generation counts changes of the spec
                changed = name in known and known[name].get("spec") != content["spec"]
                metadata["generation"] = before.get("generation", 1) + changed
            if "/namespaces/" in collection:
                metadata["namespace"] = collection.split("/namespaces/")[1].split("/", maxsplit=1)[0]
            kind = "MODIFIED" if name in known else "ADDED"
            known[name] = {**content, "metadata": metadata}
            self._history.append((self.version, kind, collection, known[name]))
            self._changed.notify_all()
            return known[name]

    def delete(self, collection: str, name: str) -> None:
        with self._changed:
            self.version += 1
            gone = copy.deepcopy(self._objects[collection].pop(name))
            gone["metadata"]["resourceVersion"] = str(self.version)
            self._history.append((self.version, "DELETED", collection, gone))
            self._changed.notify_all()

    def get(self, collection: str, name: str) -> dict[str, Any] | None:
        with self._changed:
            return copy.deepcopy(self._objects.get(collection, {}).get(name))

    def get_all(self, collection: str) -> list[dict[str, Any]]:
        with self._changed:
            return copy.deepcopy(list(self._objects.get(collection, {}).values()))

    def compact(self) -> None:
        """Compact the history, so that older watches must list again."""
        with self._changed:
            self.compacted = self.version

    def cut(self) -> None:
        """End every connection below TLS: `SSLSocket.shutdown` drops the session that its thread still reads."""
        for stream in list(self._streams):
            with suppress(OSError):
                socket.socket.shutdown(stream, socket.SHUT_RDWR)

    def bookmark(self) -> None:
        with self._changed:
            self._history.append((self.version, "BOOKMARK", "", {"metadata": {"resourceVersion": str(self.version)}}))
            self._changed.notify_all()

    @contextmanager
    def running(self) -> Iterator[APIServer]:
        thread = threading.Thread(target=self._accept, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            with self._changed:
                self._closed = True
                self._changed.notify_all()
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.cut()
            thread.join()

    def _accept(self) -> None:
        threads = []
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                break
            threads.append(threading.Thread(target=self._serve, args=(raw,), daemon=True))
            threads[-1].start()
        for thread in threads:
            thread.join(10)

    def _serve(self, raw: socket.socket) -> None:
        self._streams.add(raw)
        try:
            raw.settimeout(30)
            # The handshake comes after the registration, so that `cut` ends it too.
            with self.context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False) as stream:
                self._streams.add(stream)
                try:
                    stream.do_handshake()
                    connection = Connection(stream)
                    self.requests.append((connection.method, connection.target))
                    self.clients.append(stream.getpeercert())
                    if not self.faults or self.faults.popleft()(connection):
                        self._answer(connection)
                finally:
                    self._streams.discard(stream)
        except (OSError, ValueError):
            pass
        finally:
            raw.close()
            self._streams.discard(raw)

    def _answer(self, it: Connection) -> None:
        if it.headers.get("authorization") != f"Bearer {self.token}" and not self.clients[-1]:
            it.answer(401, status(401, "Unauthorized", "Unauthorized"))
        elif it.method == "GET" and it.query.get("watch") == "true":
            self._watch(it)
        elif it.method == "GET" and it.path in self._objects:
            self._list(it)
        elif it.method == "GET":
            collection, _, name = it.path.rpartition("/")
            found = self.get(collection, name)
            it.answer(200, found) if found else self._missing(it)
        else:
            self._write(it)

    def _missing(self, it: Connection) -> None:
        if it.path.count("/") in (5, 4) or it.path == CONFIG_MAPS:
            it.answer(200, self._page([], ""))
        else:
            it.answer(404, status(404, "NotFound", "not found"))

    def _selected(self, it: Connection) -> list[dict[str, Any]]:
        _, _, name = it.query.get("fieldSelector", "").partition("=")
        with self._changed:
            found = self._objects.get(it.path, {})
            return [each for key, each in sorted(found.items()) if not name or key == name]

    def _page(self, items: list[dict[str, Any]], token: str) -> dict[str, Any]:
        return {"kind": "List", "metadata": {"resourceVersion": str(self.version), "continue": token}, "items": items}

    def _list(self, it: Connection) -> None:
        items, limit = self._selected(it), int(it.query.get("limit", "0"))
        start = int(it.query.get("continue", "0"))
        page = items[start : start + limit] if limit else items[start:]
        more = str(start + limit) if limit and start + limit < len(items) else ""
        it.answer(200, self._page(page, more))

    def _watch(self, it: Connection) -> None:
        since = int(it.query["resourceVersion"])
        _, _, name = it.query.get("fieldSelector", "").partition("=")
        it.begin_stream()
        if since < self.compacted:
            it.event("ERROR", status(410, "Expired", "too old resource version"))
            it.chunk(b"")
            return
        self.watchers += 1
        place = 0
        try:
            while not self._closed:
                with self._changed:
                    self._changed.wait_for(lambda seen=place: self._closed or len(self._history) > seen, 20)
                    new, place = self._history[place:], len(self._history)
                for version, kind, collection, content in new:
                    if (kind == "BOOKMARK" and version >= since) or (
                        collection == it.path and version > since and name in ("", content["metadata"]["name"])
                    ):
                        it.event(kind, content)
        finally:
            self.watchers -= 1

    def _write(self, it: Connection) -> None:
        body = json.loads(it.body) if it.body else {}
        if it.path.endswith("/events"):
            self.posted.append(body)
            it.answer(201, {**body, "metadata": {"name": "e", "resourceVersion": "1"}})
            return
        collection, _, name = it.path.removesuffix("/status").rpartition("/")
        if it.method == "POST":
            collection, name = it.path, body["metadata"].get("name") or f"{body['metadata']['generateName']}x1"
        known = self.get(collection, name)
        given = body.get("metadata", {}).get("resourceVersion")
        if it.method == "POST" and known:
            it.answer(409, status(409, "AlreadyExists", "it exists already"))
        elif it.method != "POST" and not known:
            it.answer(404, status(404, "NotFound", "not found"))
        elif known and given and given != known["metadata"]["resourceVersion"]:
            it.answer(409, status(409, "Conflict", "the object has been modified"))
        elif it.method == "DELETE":
            self.delete(collection, name)
            it.answer(200, {"kind": "Status", "status": "Success"})
        else:
            merged = body if it.method != "PATCH" else merge(known or {}, body)
            metadata = {key: value for key, value in body.get("metadata", {}).items() if key != "resourceVersion"}
            it.answer(200 if known else 201, self.put(collection, name, **{**merged, "metadata": metadata}))
