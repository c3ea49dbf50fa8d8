"""Where a broker listens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from towline.broker.login import client_id
from towline.config.brokers import ENCRYPTED, PORTS, SUPERVISOR, Broker

DEFAULT_PATH: Final = "/mqtt"


@dataclass(frozen=True, slots=True)
class Server:
    """One address of a broker; `path` counts for WebSocket. `address` stands for the host where it
    is known, so that no name is asked again.
    """

    scheme: str
    host: str
    port: int
    path: str = ""
    address: str = ""

    @property
    def tls(self) -> bool:
        """Whether it speaks TLS."""
        return self.scheme in ENCRYPTED

    @property
    def web(self) -> bool:
        """Whether it speaks MQTT inside of a WebSocket."""
        return self.scheme.startswith("ws")

    @property
    def text(self) -> str:
        """The address as a person writes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The address with its scheme and path."""
        return f"{self.scheme}://{self.text}{self.path}"


def server(url: str) -> Server:
    """The server of `mqtt://host:port` and its like; `ValueError` for anything else."""
    parts = urlsplit(url)
    if parts.scheme not in PORTS:
        raise ValueError(f"expected one of {', '.join(PORTS)}, got {url!r}")
    path = parts.path.rstrip("/")
    if not parts.hostname or parts.username or parts.query:
        raise ValueError(f"expected {parts.scheme}://host:port, got {parts.scheme}://...")
    if parts.scheme.startswith("ws"):
        path = path or DEFAULT_PATH
    elif path:
        raise ValueError(f"expected {parts.scheme}://host:port without a path")
    return Server(parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme], path)


def claims(settings: Broker, device: str) -> frozenset[str]:
    """What a connection holds alone: a broker drops the elder of two clients with one id."""
    name = client_id(settings, device)
    return frozenset(
        f"{name}@{url if url == SUPERVISOR else server(url).text}" for url in settings.servers
    )
