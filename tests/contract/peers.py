"""Destinations over HTTP that behave by their protocol and keep what they have taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from tests.real.http import HttpPeer, Reply, Seen


class Peer(Protocol):
    """A destination that can be away, and shows what it has taken."""

    @property
    def url(self) -> str: ...

    def lines(self) -> list[bytes]:
        """The messages of what it has taken, in order."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Loki(HttpPeer):
    """Takes pushes as Loki does: a line once per stream and time, nothing before `oldest`."""

    def __init__(self) -> None:
        super().__init__()
        self.oldest = 0
        self.entries: list[tuple[dict[str, str], int, str, dict[str, str]]] = []

    def answer(self, seen: Seen) -> Reply:
        if seen.path != "/loki/api/v1/push":
            return Reply(404, b"404 page not found", "text/plain")
        late = 0
        for stream in seen.json()["streams"]:
            labels = stream["stream"]
            if not labels or not all(isinstance(each, str) and each for each in labels.values()):
                return Reply(400, b"error at least one label pair is required", "text/plain")
            for nanoseconds, line, *metadata in stream["values"]:
                entry = labels, int(nanoseconds), line, (metadata or [{}])[0]
                if not all(isinstance(each, str) for each in entry[3].values()):
                    return Reply(400, b"Value looks like Number/Boolean/None", "text/plain")
                if entry[1] < self.oldest:
                    late += 1
                elif entry[:3] not in [kept[:3] for kept in self.entries]:
                    self.entries.append(entry)
        if late:
            return Reply(400, b"entry too far behind, total ignored: %d" % late, "text/plain")
        return Reply(204)

    def lines(self) -> list[bytes]:
        """Every line kept, in order."""
        return [line.encode() for _, _, line, _ in self.entries]


class Elasticsearch(HttpPeer):
    """Takes `create` actions as a data stream does: each id once; `refuse` decides on documents."""

    def __init__(self) -> None:
        super().__init__()
        self.documents: dict[tuple[str, str], dict[str, Any]] = {}
        self.refuse: Callable[[dict[str, Any]], int] = lambda _: 0

    def answer(self, seen: Seen) -> Reply:
        if seen.path != "/_bulk" or not seen.body.endswith(b"\n"):
            return Reply(400, b'{"error":{"type":"illegal_argument_exception"}}')
        rows = seen.rows()
        items = [
            {"create": self._create(action["create"], document)}
            for action, document in zip(rows[::2], rows[1::2], strict=True)
        ]
        errors = any("error" in item["create"] for item in items)
        return Reply(200, msgspec.json.encode({"took": 1, "errors": errors, "items": items}))

    def _create(self, action: dict[str, str], document: dict[str, Any]) -> dict[str, Any]:
        key = action["_index"], action["_id"]
        status = self.refuse(document)
        if "@timestamp" not in document:
            status = 400
        if not status and key in self.documents:
            status = 409
        if status:
            return {"status": status, "error": {"type": "refused", "reason": f"by {status}"}}
        self.documents[key] = document
        return {"status": 201, "_id": action["_id"]}

    def lines(self) -> list[bytes]:
        return [document["message"].encode() for document in self.documents.values()]


class Collector(HttpPeer):
    """An OpenTelemetry collector: takes every log record of an export."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[tuple[dict[str, Any], dict[str, Any]]] = []

    def answer(self, seen: Seen) -> Reply:
        if seen.path != "/v1/logs":
            return Reply(404)
        for group in seen.json()["resourceLogs"]:
            for scope in group["scopeLogs"]:
                self.records += [(group["resource"], record) for record in scope["logRecords"]]
        return Reply(200, b"{}")

    def lines(self) -> list[bytes]:
        return [record["body"]["stringValue"].encode() for _, record in self.records]


class ClickHouse(HttpPeer):
    """Inserts rows of JSON into the table `logs`; a block with a known token is passed over."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, Any]] = []
        self._tokens: set[str] = set()

    def answer(self, seen: Seen) -> Reply:
        if seen.query["query"] != "INSERT INTO logs FORMAT JSONEachRow":
            return Reply(404, b"Code: 60. DB::Exception: Unknown table", "text/plain")
        token = seen.query["insert_deduplication_token"]
        if token not in self._tokens:
            self._tokens.add(token)
            self.rows += seen.rows()
        return Reply(200)

    def lines(self) -> list[bytes]:
        return [row["message"].encode() for row in self.rows]
