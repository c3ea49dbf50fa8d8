"""TLS for the `docker` package: its requests over connections that our own contexts make.

Its own way knows files only, and reads them once.
"""

from __future__ import annotations

import socket
from typing import Any

from docker.tls import TLSConfig
from requests import PreparedRequest, Session
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from towline.tls import Credentials


class Secured(TLSConfig):
    """What the client asks to make it ready for TLS (docker.tls.TLSConfig.configure_client)."""

    def __init__(self, host: str, port: int, credentials: Credentials) -> None:
        self._pool = _Pool(host, port, credentials)

    def configure_client(self, client: Session) -> None:
        """Have every request of the client go over connections of ours."""
        client.mount("https://", _Adapter(self._pool))


class _Adapter(HTTPAdapter):
    """Knows one engine, whatever the address; no proxy stands before it."""

    def __init__(self, pool: HTTPConnectionPool) -> None:
        super().__init__()
        self._pool = pool

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> HTTPConnectionPool:
        return self._pool

    def cert_verify(self, *_: Any) -> None:
        """The context does it; requests would add authorities of its own."""

    def request_url(self, request: PreparedRequest, proxies: Any) -> str:
        return request.path_url

    def close(self) -> None:
        super().close()
        self._pool.close()


class _Pool(HTTPConnectionPool):
    def __init__(self, host: str, port: int, credentials: Credentials) -> None:
        super().__init__(host, port)
        self._credentials = credentials

    def _new_conn(self) -> HTTPConnection:
        return _Connection(self.host, self.port, self._credentials)


class _Connection(HTTPConnection):
    def __init__(self, host: str, port: int | None, credentials: Credentials) -> None:
        super().__init__(host, port)
        self._credentials = credentials

    def _new_conn(self) -> socket.socket:
        context = self._credentials.fresh()  # in the engine's own thread
        return context.wrap_socket(super()._new_conn(), server_hostname=self.host)
