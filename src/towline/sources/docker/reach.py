"""How an engine is come at: its own socket, a port with or without TLS, or ssh."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from towline.config.settings import Secret
from towline.config.tls import Tls
from towline.sources.docker.address import Address
from towline.sources.docker.tunnel import tunnel
from towline.tls import Credentials


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What the file says of it. `tls` is None where TLS is not spoken.

    `key` and `known_hosts` are for ssh; empty: what ssh itself knows.
    """

    url: str
    tls: Tls | None = None
    key: Secret | None = None
    known_hosts: str = ""


class Way:
    """The way to one engine; paths of certificates count from `folder`."""

    def __init__(self, reach: Reach, folder: Path) -> None:
        self._reach = reach
        credentials = Credentials(reach.tls, folder) if reach.tls else None
        self._address = Address.parse(reach.url, credentials)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Address]:
        """Where to connect to, for one session; `SourceError` where ssh does not come there."""
        if not self._address.ssh:
            yield self._address
            return
        key = self._reach.key.reveal() if self._reach.key else ""
        async with tunnel(self._address, key, self._reach.known_hosts) as here:
            yield here
