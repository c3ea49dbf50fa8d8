"""A record's only encoding: JSON from a template that the origin prepares once.

The order of members is that of DESIGN section 4. What is the same for all records of an origin is
encoded when the origin is first seen; a record adds its own few members between.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import msgspec

from towline.record import Line, Origin, OriginType, Record

_quote = msgspec.json.Encoder().encode
_LOW: Final = tuple(b"%02x" % low for low in range(256))


class Template:
    """The constant members of an origin's records, as JSON text.

    `ends` are the members after `seq`, for stdout and stderr; `system_ends` the same for a line
    that Towline itself added.
    """

    __slots__ = ("ends", "head", "origin", "system_ends")

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        head = {
            "source": {"type": str(origin.type), "name": origin.name},
            "device": origin.device,
            "app": origin.app,
            "project": origin.project,
            "serviceId": origin.service_id,
            "serviceName": origin.service,
            "containerId": origin.container_id,
        }
        ours = origin.type in (OriginType.SYSTEM, OriginType.MANAGER)
        self.head = _members(head) + ","
        self.ends = _end(origin, False, ours), _end(origin, True, ours)
        self.system_ends = _end(origin, False, True), _end(origin, True, True)


def _members(values: dict[str, Any]) -> str:
    given = {key: value for key, value in values.items() if value is not None}
    return _quote(given).decode()[1:-1]


def _end(origin: Origin, stderr: bool, system: bool) -> str:
    names = {"containerName": origin.container, "image": origin.image}
    return _members(names | {"isStdErr": stderr, "isSystem": system})


MAX_ORIGINS: Final = 4096
"""Origins whose templates are kept; more are made again when needed."""

_template_of = lru_cache(maxsize=MAX_ORIGINS)(Template)
_known: dict[int, Template] = {}


def template_of(origin: Origin) -> Template:
    """The template of an origin; kept for the origins in use.

    Looked for by identity first: to hash an origin for each batch would cost more than a line does.
    """
    found = _known.get(id(origin))
    if found is None or found.origin is not origin:
        found = _template_of(origin)
        if found.origin is origin:
            if len(_known) >= MAX_ORIGINS:
                _known.clear()
            _known[id(origin)] = found
    return found


def encode(template: Template, lines: list[Line], offset: int) -> list[Record]:
    """Lines as records, the first at `offset`; every line must have its level."""
    origin, head, ends = template.origin, template.head, template.ends
    records: list[Record] = []
    add = records.append
    high = b""
    for line in lines:
        low = offset & 0xFF
        if not low or not high:  # fourteen of an id's digits stay the same for 256 records
            high = b'{"id":"%014x' % (offset >> 8)
        text = line.text
        timestamp = line.timestamp
        level = line.level
        stderr = line.stderr
        seq = line.seq
        end = template.system_ends[stderr] if line.system else ends[stderr]
        fields = f',"fields":{line.fields}' if line.fields else ""
        try:
            message = _quote(text)
        except UnicodeEncodeError:  # half a surrogate pair: no source should hand one over
            text = text.encode(errors="replace").decode()
            message = _quote(text)
        rest = (
            f',"timestamp":{timestamp},"time":"{line.time}","level":"{level}",'
            f'{head}"seq":{seq},{end}{fields}{line.extra}}}'
        )
        row = high + _LOW[low] + b'","message":' + message + rest.encode()
        add(Record(offset, origin, timestamp, level, stderr, seq, text, row))
        offset += 1
    return records


class _Source(msgspec.Struct):
    type: str
    name: str


class _Stored(msgspec.Struct, gc=False, rename="camel"):
    """The members that are needed of a record read back from a file."""

    id: str
    message: str
    timestamp: int
    level: str
    source: _Source
    device: str
    app: str | None = None
    project: str | None = None
    service_id: int | None = None
    service_name: str | None = None
    container_id: str | None = None
    container_name: str | None = None
    image: str | None = None
    seq: int = 0
    is_std_err: bool = False


_stored = msgspec.json.Decoder(_Stored)


Labels = tuple[tuple[str, str], ...]
Carried = tuple[
    str,
    str,
    str | None,
    str | None,
    str,
    str | None,
    str | None,
    int | None,
    str | None,
    str | None,
]
"""What a record carries of its origin: type, name, container id, image, device, app, project,
service number, service and container."""


def carried(origin: Origin) -> Carried:
    """What records of an origin carry of it."""
    return (
        str(origin.type),
        origin.name,
        origin.container_id,
        origin.image,
        origin.device,
        origin.app,
        origin.project,
        origin.service_id,
        origin.service,
        origin.container,
    )


class Decoder:
    """Records from their own JSON.

    A record carries neither its container's labels nor the name of the source that read it:
    `labels` and `sources` map container ids to them. The store keeps these maps, so that a match
    on them decides the same for a record read back from a file.
    """

    def __init__(self) -> None:
        self.labels: dict[str, Labels] = {}
        self.sources: dict[str, str] = {}
        self._origins: dict[Carried, Origin] = {}

    def __call__(self, row: bytes) -> Record:
        """The record in `row`; `ValueError` when it is none."""
        found = _stored.decode(row)
        return Record(
            int(found.id, 16),
            self._origin(found),
            found.timestamp,
            found.level,
            found.is_std_err,
            found.seq,
            found.message,
            row,
        )

    def _origin(self, found: _Stored) -> Origin:
        return self.origin(
            (
                found.source.type,
                found.source.name,
                found.container_id,
                found.image,
                found.device,
                found.app,
                found.project,
                found.service_id,
                found.service_name,
                found.container_name,
            )
        )

    def origin(self, key: Carried) -> Origin:
        """The origin of records that carry this of it; `ValueError` for a type that is none."""
        origin = self._origins.get(key)
        if origin is None:
            if len(self._origins) >= MAX_ORIGINS:
                self._origins.clear()
            origin = self._origins[key] = self._restore(key)
        return origin

    def _restore(self, key: Carried) -> Origin:
        kind = OriginType(key[0])
        _, name, id_, image, device, app, project, service_id, service, container = key
        own = name if kind is OriginType.SYSTEM else None
        return Origin(
            type=kind,
            name=name,
            device=device,
            app=app,
            project=project,
            service_id=service_id,
            service=service,
            container_id=id_,
            container=container,
            image=image,
            source=self.sources.get(id_) if id_ else own,
            labels=self.labels.get(id_, ()) if id_ else (),
        )
