"""balena's protocol for devices: a stream of lines, batches of lines, and reading them back.

A stream is NDJSON, often gzip, of one request that does not end by itself (open-balena-api
features/device-logs). A line of a wrong shape is passed over and counted; what is no JSON ends the
request.
"""

from __future__ import annotations

import asyncio
import json
import re
import zlib
from collections.abc import AsyncIterator
from glob import escape
from typing import Any, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from towline.api.asked import Asked
from towline.api.auth import bearer
from towline.api.bodies import read_bytes
from towline.api.desk import Desk
from towline.api.ports import Ingest
from towline.config.settings import Match
from towline.errors import NotFound, QueryError
from towline.record import Sent
from towline.store.query import Query

_UUID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
NDJSON: Final = "application/x-ndjson"
MOST_LINE: Final = 4 << 20
"""Bytes of one line, unpacked; a longer one ends the request."""

MOST_LINES: Final = 1000
MOST_READ: Final = 100_000
USUAL: Final = 1000
HEARTBEAT: Final = 58.0
SYNCED: Final = 30.0
"""Seconds for the disk; then the device is told to send again."""

_sent = msgspec.json.Decoder(Sent).decode
_batch = msgspec.json.Decoder(list[Sent]).decode
_members = msgspec.json.Decoder(dict[str, Any]).decode


async def stream(desk: Desk, request: Request) -> Response:
    """Take a device's lines for as long as it sends them; answered when it ends."""
    ingest, uuid = _admitted(desk, request)
    if request.headers.get("content-type") != NDJSON:
        raise HTTPException(415, f"a stream is {NDJSON}")
    lines = _Lines(packed=request.headers.get("content-encoding") == "gzip")
    async for piece in request.stream():
        ingest.take(uuid, _sound(ingest, lines.feed(piece)))
    ingest.take(uuid, _sound(ingest, lines.rest()))
    await _on_disk(ingest)
    return Response(status_code=201)


async def batch(desk: Desk, request: Request) -> Response:
    """Take an array of a device's lines; answered when they are on disk."""
    ingest, uuid = _admitted(desk, request)
    try:
        found = _batch(await read_bytes(request))
    except msgspec.DecodeError as exc:
        raise QueryError("bad_json", f"an array of lines: {exc}") from exc
    if len(found) > MOST_LINES:
        raise QueryError("too_many", f"at most {MOST_LINES} lines at a time")
    ingest.take(uuid, found)
    await _on_disk(ingest)
    return Response(status_code=201)


async def read(desk: Desk, request: Request) -> Response:
    """Give a device's lines, oldest first: `count` (a number or all), `start`, `stream=1`."""
    uuid = _uuid(request)
    follow = request.query_params.get("stream") in ("1", "true")
    query = Query(
        match=Match(device=(escape(uuid),)),
        limit=_count(request, 0 if follow else USUAL),
        since=_start(request),
    )
    return StreamingResponse(_given(desk, query, follow=follow), media_type=NDJSON)


async def _given(desk: Desk, query: Query, *, follow: bool) -> AsyncIterator[bytes]:
    store = desk.towline.store
    reader = store.reader(store.next_offset, memory_only=True)
    if query.limit:
        page = await store.query(query)
        yield b"".join(as_sent(_members(record.json)) for record in reversed(page.records))
    device = query.match.device[0]
    while follow:
        try:
            async with asyncio.timeout(HEARTBEAT):
                await reader.wait()
        except TimeoutError:
            yield b"\n"
            continue
        found = [one for one in await reader.take(1000) if escape(one.origin.device) == device]
        if found:
            yield b"".join(as_sent(_members(record.json)) for record in found)


def as_sent(record: dict[str, Any]) -> bytes:
    """A stored record as devices' own tools read it, a line of JSON."""
    found = {
        "message": record["message"],
        "timestamp": record["timestamp"],
        "createdAt": int(record["id"], 16) >> 20,
        "isStdErr": record.get("isStdErr", False),
        "isSystem": record.get("isSystem", False),
    }
    if "serviceId" in record:
        found["serviceId"] = record["serviceId"]
    return json.dumps(found, ensure_ascii=False).encode() + b"\n"


class _Lines:
    """Lines of a stream, unpacked as far as they are whole."""

    def __init__(self, *, packed: bool) -> None:
        self._unpack = zlib.decompressobj(wbits=31) if packed else None
        self._begun = b""

    def feed(self, piece: bytes) -> list[bytes]:
        """The lines that are whole now; 400 for what is no gzip or a line without end."""
        try:
            text = self._unpack.decompress(piece, MOST_LINE) if self._unpack else piece
            while self._unpack and self._unpack.unconsumed_tail and len(text) < MOST_LINE * 16:
                text += self._unpack.decompress(self._unpack.unconsumed_tail, MOST_LINE)
        except zlib.error as exc:
            raise QueryError("bad_gzip", f"the stream is no gzip: {exc}") from exc
        *whole, self._begun = (self._begun + text).split(b"\n")
        if len(self._begun) > MOST_LINE or (self._unpack and self._unpack.unconsumed_tail):
            raise QueryError("too_long", f"a line has at most {MOST_LINE} bytes")
        return whole

    def rest(self) -> list[bytes]:
        """What came last, without a newline."""
        return [self._begun]


def _sound(ingest: Ingest, rows: list[bytes]) -> list[Sent]:
    found: list[Sent] = []
    for row in rows:
        if not row.strip():
            continue
        try:
            found.append(_sent(row))
        except msgspec.ValidationError:
            ingest.health.counters["passed_over"] += 1
        except msgspec.DecodeError as exc:
            raise QueryError("bad_json", f"a line is no JSON: {exc}") from exc
    return found


async def _on_disk(ingest: Ingest) -> None:
    try:
        async with asyncio.timeout(SYNCED):
            await ingest.synced()
    except TimeoutError as exc:
        raise HTTPException(503, "the lines are not on disk yet; send them again") from exc


def _admitted(desk: Desk, request: Request) -> tuple[Ingest, str]:
    """The source whose token the device has, and the device."""
    sources = desk.towline.ingests()
    if not sources:
        raise NotFound("no source of type ingest takes lines here")
    token = bearer(request.headers)
    found = [source for source in sources if source.admits(token)]
    if not found:
        raise HTTPException(401, "no source of type ingest knows this token")
    return found[0], _uuid(request)


def _uuid(request: Request) -> str:
    uuid = str(request.path_params["uuid"])
    if not _UUID.fullmatch(uuid):
        raise QueryError("bad_parameter", "uuid: letters, digits, - and _")
    return uuid


def _count(request: Request, usual: int) -> int:
    text = request.query_params.get("count", str(usual))
    if text == "all":
        return MOST_READ
    if not (text.isascii() and text.isdigit() and len(text) < 8):
        raise QueryError("bad_parameter", "count: a number, or all")
    return min(int(text), MOST_READ)


def _start(request: Request) -> int | None:
    return Asked(request.query_params.multi_items(), ("count", "start", "stream")).instant("start")
