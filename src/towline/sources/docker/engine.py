"""The control plane of one Docker Engine: the `docker` package, its blocking calls in threads."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from towline.errors import NotFound, SourceError
from towline.sources.docker.origins import Container

if TYPE_CHECKING:
    from docker import APIClient

_log = logging.getLogger(__name__)
TIMEOUT: Final = 10
Event = Mapping[str, Any]


class Engine:
    """One connected engine. `id` names it for ever, `api` is the API's version, as (1, 41)."""

    def __init__(self, url: str, client: APIClient, info: Mapping[str, Any]) -> None:
        self.url = url
        self.id: str = info.get("ID") or url
        self.version: str = info.get("ServerVersion") or ""
        self._client = client

    @property
    def api(self) -> tuple[int, int]:
        """The version of the API that is spoken."""
        major, _, minor = str(self._client.api_version).partition(".")
        return int(major), int(minor)

    async def containers(self) -> list[Mapping[str, Any]]:
        """All containers, running or not, as `GET /containers/json?all=1` lists them."""
        found: list[Mapping[str, Any]] = await _blocking(self._client.containers, all=True)
        return found

    async def inspect(self, container: str) -> Container:
        """One container; `NotFound` when it is gone."""
        return Container.parse(await _blocking(self._client.inspect_container, container))

    @asynccontextmanager
    async def events(self, lost: Callable[[], None]) -> AsyncIterator[asyncio.Queue[Event]]:
        """Events of containers, from now on; `lost` is called in the loop when the stream ends.

        A thread does nothing but take them: a stalled reader of events slows the whole daemon.
        """
        client = await _blocking(_connect, self.url, None)
        stream = await _blocking(client.events, decode=True, filters={"type": "container"})
        loop = asyncio.get_running_loop()
        faults = _faults()
        queue: asyncio.Queue[Event] = asyncio.Queue()

        def drain() -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody is left to tell
                try:
                    for event in stream:
                        loop.call_soon_threadsafe(queue.put_nowait, event)
                except faults as exc:
                    _log.debug("event stream broke", extra={"reason": str(exc)})
                loop.call_soon_threadsafe(lost)

        thread = threading.Thread(target=drain, name="docker events", daemon=True)
        thread.start()
        try:
            yield queue
        finally:
            with suppress(OSError, AttributeError):  # the SDK closes a socket that may be gone
                stream.close()
            client.close()

    def close(self) -> None:
        """Let go of the engine's connections."""
        self._client.close()


async def connect(url: str) -> Engine:
    """Reach an engine; `SourceError` when it is not there."""
    client, info = await _blocking(_open, url)
    return Engine(url, client, info)


def _open(url: str) -> tuple[APIClient, Mapping[str, Any]]:
    client = _connect(url, TIMEOUT)
    return client, client.info()


def _connect(url: str, timeout: int | None) -> APIClient:
    from docker import APIClient  # imported when an engine is used: it costs 20 MB

    return APIClient(base_url=url, version="auto", timeout=timeout)  # type: ignore[arg-type]


def _faults() -> tuple[type[Exception], ...]:
    from docker.errors import DockerException
    from requests import RequestException
    from urllib3.exceptions import HTTPError

    return OSError, ValueError, DockerException, RequestException, HTTPError


async def _blocking(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Run a call of the `docker` package in a thread; its errors become ours."""
    from docker.errors import NotFound as DockerNotFound

    try:
        return await asyncio.to_thread(call, *args, **kwargs)
    except DockerNotFound as exc:
        raise NotFound(exc.explanation or str(exc)) from exc
    except _faults() as exc:
        raise SourceError(_words(exc)) from exc


def _words(exc: BaseException) -> str:
    """The innermost reason: the SDK wraps a refused connection five times."""
    while isinstance(inner := exc.__cause__ or exc.__context__, Exception):
        exc = inner
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror
    return str(exc) or type(exc).__name__
