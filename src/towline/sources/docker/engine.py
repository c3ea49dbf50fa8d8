"""The control plane of one Docker Engine: the `docker` package, its blocking calls in a thread."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from towline.errors import NotFound, SourceError
from towline.sources.docker.address import Address
from towline.sources.docker.origins import Container
from towline.sources.docker.stream import Stream, fetch, open_stream
from towline.tls import tls_reason

if TYPE_CHECKING:
    from docker import APIClient

TIMEOUT: Final = 5
"""Seconds for one call; a hung daemon keeps the thread no longer, not even at the end."""

PATIENCE: Final = 2.0
"""Seconds in which a daemon answers a ping, however busy."""


class Engine:
    """One connected engine. `id` names it for ever, `api` is the API's version, as (1, 41).

    The client's connections are not for several threads at a time, so it has one thread.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.id = ""
        self.version = ""
        self.api = (0, 0)
        self._client: APIClient | None = None
        self._closed = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="docker control")

    async def connect(self) -> None:
        """Reach the engine; `SourceError` when it is not there or does not answer."""
        await self.ping()
        info = await self._call(self._open)
        assert self._client is not None
        major, _, minor = str(self._client.api_version).partition(".")
        self.api = int(major), int(minor)
        self.id = info.get("ID") or self.address.url
        self.version = info.get("ServerVersion") or ""

    @property
    def filters_since(self) -> bool:
        """Whether `since` passes over the rows at the top only; before it drops each older row."""
        return self.api >= (1, 42)

    async def ping(self) -> None:
        """`SourceError` when the engine does not answer; needs no thread, a hung one holds none."""
        await fetch(self.address, "/_ping", PATIENCE)

    async def containers(self) -> list[Mapping[str, Any]]:
        """All containers, running or not, as `GET /containers/json?all=1` lists them."""
        found: list[Mapping[str, Any]] = await self._call(lambda: self._ready.containers(all=True))
        return found

    async def inspect(self, container: str) -> Container:
        """One container; `NotFound` when it is gone."""
        return Container.parse(await self._call(lambda: self._ready.inspect_container(container)))

    async def log(self, container: str, query: str, feed: Callable[[bytes], None]) -> Stream:
        """Ask for a container's log, with times, and feed what comes."""
        version = "{}.{}".format(*self.api)
        about = f"stdout=1&stderr=1&timestamps=1&{query}"
        return await open_stream(
            self.address, f"/v{version}/containers/{container}/logs?{about}", feed
        )

    async def control(self, container: str, what: str) -> None:
        """`start`, `stop` or `restart` a container; returns when the engine has done it."""
        await self._call(lambda: getattr(self._ready, what)(container))

    def close(self) -> None:
        """Let go of the engine's connections; a call that hangs ends by its own timeout."""
        self._closed = True
        self._thread.shutdown(wait=False, cancel_futures=True)
        if self._client is not None:
            self._client.close()

    @property
    def _ready(self) -> APIClient:
        if self._client is None:
            raise SourceError("the engine is away")
        return self._client

    def _open(self) -> Mapping[str, Any]:
        self._client = _client(self.address)
        info: Mapping[str, Any] = self._client.info()
        return info

    async def _call(self, call: Callable[[], Any]) -> Any:
        """Run a call of the `docker` package in the thread; its errors become ours."""
        if self._closed:
            raise SourceError("the engine is away")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, _translated, call)


def _client(address: Address) -> APIClient:
    """A client that has asked for the engine's version."""
    from docker import APIClient  # imported when an engine is used: it costs 20 MB

    if address.path:
        return APIClient(base_url=f"unix://{address.path}", version="auto", timeout=TIMEOUT)
    url = f"tcp://{address.host}:{address.port}"
    if address.credentials is None:
        return APIClient(base_url=url, version="auto", timeout=TIMEOUT)
    from towline.sources.docker.secured import Secured

    secured = Secured(address.host, address.port, address.credentials)
    return APIClient(base_url=url, version="auto", timeout=TIMEOUT, tls=secured)


def _translated(call: Callable[[], Any]) -> Any:
    from docker.errors import DockerException
    from docker.errors import NotFound as DockerNotFound
    from requests import RequestException
    from urllib3.exceptions import HTTPError

    try:
        return call()
    except DockerNotFound as exc:
        raise NotFound(str(exc.explanation or exc)) from exc
    except (OSError, ValueError, DockerException, RequestException, HTTPError) as exc:
        raise SourceError(_words(exc)) from exc


def _words(exc: BaseException) -> str:
    """The innermost reason: the SDK wraps a refused connection five times."""
    while isinstance(inner := exc.__cause__ or exc.__context__, Exception):
        exc = inner
    if isinstance(exc, ssl.SSLError):
        return tls_reason(exc)
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror
    return str(exc) or type(exc).__name__
