"""The five live paths: what a container, service, stack, host or daemon means as a query."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from glob import escape
from typing import Any, Final

from towline.api.ports import Towline
from towline.errors import NotFound
from towline.record import OriginType
from towline.store.query import Query

_SHORT: Final = 12  # as Docker shows a container's id


async def narrowed(towline: Towline, kind: str, name: str, query: Query) -> Query:
    """The query for one origin only; `NotFound` where nobody ever heard of it.

    An origin that is gone is still known while the store has a record of it.
    """
    narrow = _KINDS[kind]
    alone, known = narrow(towline, name, Query(limit=1))
    if not known and not (await towline.store.query(alone)).records:
        raise NotFound(f"{kind}/{name}: unknown")
    return narrow(towline, name, query)[0]


def _container(towline: Towline, name: str, query: Query) -> tuple[Query, bool]:
    for container in towline.containers():
        if _is(container, name):
            # by name: a container that was made anew goes on with its history
            match = replace(query.match, container=(escape(container["name"]),))
            return replace(query, match=match), True
    if len(name) >= _SHORT and all(digit in "0123456789abcdef" for digit in name):
        return replace(query, container_id=(name,)), False
    return replace(query, match=replace(query.match, container=(escape(name),))), False


def _is(container: Mapping[str, Any], name: str) -> bool:
    full = str(container["id"])
    return (
        container["name"] == name or full == name or (len(name) >= _SHORT and full.startswith(name))
    )


def _service(towline: Towline, name: str, query: Query) -> tuple[Query, bool]:
    if name.isascii() and name.isdigit() and len(name) < _SHORT:
        return replace(query, service_id=(int(name),)), False
    known = any(container.get("serviceName") == name for container in towline.containers())
    return replace(query, match=replace(query.match, service=(escape(name),))), known


def _stack(towline: Towline, name: str, query: Query) -> tuple[Query, bool]:
    known = any(container.get("project") == name for container in towline.containers())
    return replace(query, match=replace(query.match, project=(escape(name),))), known


def _host(towline: Towline, name: str, query: Query) -> tuple[Query, bool]:
    found = replace(
        query,
        match=replace(query.match, device=(escape(_device(towline, name)),)),
        source_type=(str(OriginType.HOST),),
    )
    return found, name in {"local", towline.device.id}


def _daemon(towline: Towline, name: str, query: Query) -> tuple[Query, bool]:
    found = replace(query, source_type=(str(OriginType.SYSTEM),))
    if name in {"local", towline.device.id}:
        return found, True
    known = any(source["name"] == name for source in towline.sources())
    return replace(found, match=replace(query.match, source=(escape(name),))), known


def _device(towline: Towline, name: str) -> str:
    return towline.device.id if name == "local" else name


_KINDS: Final[Mapping[str, Callable[[Towline, str, Query], tuple[Query, bool]]]] = {
    "containers": _container,
    "services": _service,
    "stacks": _stack,
    "hosts": _host,
    "daemon": _daemon,
}
