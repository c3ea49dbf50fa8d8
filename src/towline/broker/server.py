"""Where a broker listens, and who we are there."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from towline.config.settings import Broker

_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class Server:
    """One address of a broker; `tls` verifies against the system's authorities."""

    host: str
    port: int
    tls: bool

    @property
    def text(self) -> str:
        """The address as a person writes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def ssl_context(self) -> ssl.SSLContext | None:
        """What TLS needs, or None without it."""
        return ssl.create_default_context() if self.tls else None


def server(url: str) -> Server:
    """The server of `mqtt://host:port` or `mqtts://host:port`; `ValueError` for anything else."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        raise ValueError(f"expected mqtt:// or mqtts://, got {url!r}")
    if not parts.hostname or parts.username or parts.path.strip("/") or parts.query:
        raise ValueError(f"expected {parts.scheme}://host:port, got {parts.scheme}://...")
    return Server(parts.hostname, parts.port or _PORTS[parts.scheme], parts.scheme == "mqtts")


def client_id(settings: Broker, device: str) -> str:
    """The client id of a device's connection."""
    return settings.client_id.replace("{device}", device)


def claims(settings: Broker, device: str) -> frozenset[str]:
    """What a connection holds alone: a broker drops the elder of two clients with one id."""
    name = client_id(settings, device)
    return frozenset(f"{name}@{server(url).text}" for url in settings.servers)
