"""Where a Docker Engine listens, and how it is come at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from towline.tls import Credentials

EXPECTED: Final = "unix:///path/to/docker.sock, tcp://host:port or ssh://user@host"

_PLAIN: Final = 2375
_OVER_TLS: Final = 2376
_SOCKET: Final = "/var/run/docker.sock"


@dataclass(frozen=True, slots=True)
class Address:
    """A socket's path, or a host and port; with `credentials` TLS is spoken there.

    With `ssh` the path is that of a socket on another machine: `tunnel` brings it here.
    """

    url: str
    path: str = ""
    host: str = ""
    port: int = 0
    user: str = ""
    ssh: bool = False
    credentials: Credentials | None = None

    @classmethod
    def parse(cls, url: str, credentials: Credentials | None = None) -> Address:
        """From `unix:///path`, `tcp://host:port` or `ssh://user@host`; `ValueError` otherwise."""
        parts = urlsplit(url)
        user, host, port = parts.username or "", parts.hostname or "", parts.port
        if parts.scheme == "unix" and parts.path:
            return cls(url, path=parts.netloc + parts.path)
        if parts.scheme in ("tcp", "http", "https") and host:
            ready = port or (_OVER_TLS if credentials else _PLAIN)
            return cls(url, host=host, port=ready, credentials=credentials)
        if parts.scheme == "ssh" and host and not (f"{user}{host}".startswith("-")):
            path = parts.path.rstrip("/") or _SOCKET
            return cls(url, path=path, host=host, port=port or 0, user=user, ssh=True)
        raise ValueError(f"not an engine's address: {url!r}")
