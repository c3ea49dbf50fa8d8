"""A running Towline over HTTP, with the standard library alone."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from towline.errors import ConfigError, Declined, NoAnswer, Problem, TowlineError

DEFAULT_URL: Final = "http://127.0.0.1:8099"
DEFAULT_PORT: Final = 8099
PAGE: Final = 10_000
"""Records of one page at most (api.asked.MAX_LIMIT)."""

TIMEOUT: Final = 60.0
_API: Final = "/api/v1"
_NEXT: Final = "X-Towline-Next"

Parameters = Mapping[str, str | Sequence[str]]
"""Filters as the API names them; a sequence gives several values."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a Towline listens; `path` is what a proxy puts before the API's own."""

    secure: bool
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """`http://host:port/path`; a bare host is asked at port 8099. `ValueError` otherwise."""
        if not text.isascii() or not text.isprintable() or " " in text:
            raise ValueError(f"expected http://host:port, not {text!r}")
        bare = "://" not in text
        parts = urlsplit(f"http://{text}" if bare else text)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"expected http://host:port, not {text!r}")
        if parts.username is not None or parts.query or parts.fragment:
            raise ValueError("expected http://host:port alone; a token has an option of its own")
        secure = parts.scheme == "https"
        usual = DEFAULT_PORT if bare else (443 if secure else 80)
        return cls(secure, parts.hostname, parts.port or usual, parts.path.rstrip("/"))

    def url(self, scheme: str = "http") -> str:
        """The address as people write it; `ws` for a WebSocket."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}{'s' if self.secure else ''}://{host}:{self.port}{self.path}"


@dataclass(frozen=True, slots=True)
class Rows:
    """Records as they are stored, one JSON text each, and the id to go on from ("" at the end)."""

    rows: list[bytes]
    next: str


class Remote:
    """One running Towline. `ValueError` for an address or token that cannot be one.

    Every method raises `NoAnswer` or `Declined`, never anything else.
    """

    def __init__(self, url: str = DEFAULT_URL, token: str = "", *, timeout: float = TIMEOUT):
        if not token.isascii() or not token.isprintable():
            raise ValueError("a token holds plain characters only")
        self.address = Address.parse(url)
        self.token = token
        self._timeout = timeout

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def get(self, path: str) -> dict[str, Any]:
        """The JSON object behind a path such as `status`."""
        data, _ = self._ask("GET", quote(path), None)
        return self._object(data)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Have something done, and what came of it."""
        data, _ = self._ask("POST", quote(path), json.dumps(body or {}).encode())
        return self._object(data)

    def put_to_test(self, path: str, text: bytes, called: str) -> dict[str, Any]:
        """What is said of a configuration's text, which its problems name `called`.

        Also raises `ConfigError`, when the text is at fault.
        """
        query = urlencode({"file": called})
        data, _ = self._ask("POST", f"{quote(path)}?{query}", text, "application/yaml")
        return self._object(data)

    def _object(self, data: bytes) -> dict[str, Any]:
        try:
            found = json.loads(data)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise self.stranger("an answer that is no JSON object")
        return found

    def page(self, parameters: Parameters, limit: int = PAGE) -> Rows:
        """The first records that match, newest first unless `order` says otherwise.

        Asked in a body: no pattern is too long for it, and ingress lets it through.
        """
        body = {**parameters, "limit": limit, "format": "ndjson"}
        data, next_id = self._ask("POST", "logs/search", json.dumps(body).encode())
        return Rows(data.split(b"\n")[:-1], next_id)

    def oldest_first(self, parameters: Parameters) -> Iterator[list[bytes]]:
        """Everything that matches, page by page."""
        page = self.page({**parameters, "order": "asc"})
        yield page.rows
        while page.next:
            page = self.page({**parameters, "order": "asc", "after": page.next})
            yield page.rows

    def newest(self, parameters: Parameters, count: int) -> Rows:
        """The newest `count` records that match, oldest first; `next` if there are older ones."""
        page = self.page(parameters, min(count, PAGE))
        found = page.rows
        while page.next and len(found) < count:
            rest = {**parameters, "before": page.next}
            page = self.page(rest, min(count - len(found), PAGE))
            found = found + page.rows
        return Rows(found[::-1], page.next)

    def stream_url(self, parameters: Parameters) -> str:
        """Where live records come from."""
        given = {name: value for name, value in parameters.items() if value}
        return f"{self.address.url('ws')}{_API}/logs/stream?{urlencode(given, doseq=True)}"

    def _ask(
        self, method: str, path: str, body: bytes | None, kind: str = "application/json"
    ) -> tuple[bytes, str]:
        connection = self._connection()
        headers = self.headers | ({} if body is None else {"Content-Type": kind})
        try:
            connection.request(method, f"{self.address.path}{_API}/{path}", body, headers)
            answer = connection.getresponse()
            data = answer.read()
        except (OSError, UnicodeError, http.client.HTTPException) as exc:
            raise self.silent(exc) from exc
        finally:
            connection.close()
        if answer.status != http.HTTPStatus.OK:
            raise self.refusal(answer.status, data, answer.headers.get("Location", ""))
        return data, answer.headers.get(_NEXT, "")

    def _connection(self) -> http.client.HTTPConnection:
        here = self.address
        if here.secure:
            return http.client.HTTPSConnection(here.host, here.port, timeout=self._timeout)
        return http.client.HTTPConnection(here.host, here.port, timeout=self._timeout)

    def silent(self, exc: BaseException) -> NoAnswer:
        """What to say when nobody answers."""
        said = f"no Towline answers at {self.address.url()}: {reason(exc)}"
        if isinstance(exc, ConnectionRefusedError):
            said += "; is it running? (towline run)"
        return NoAnswer(said)

    def refusal(self, status: int, data: bytes, location: str = "") -> TowlineError:
        """An answer that is not the one wanted, in words."""
        try:
            error = json.loads(data)["error"]
            code, message = str(error["code"]), str(error["message"])
            if code == "config_invalid":
                return ConfigError([_problem(each) for each in error["problems"]])
        except (ValueError, LookupError, TypeError):
            return self.stranger(f"HTTP {status}" + (f", see {location}" if location else ""))
        return declined(code, message)

    def stranger(self, answer: str) -> NoAnswer:
        """What to say when it is no Towline that answers."""
        return NoAnswer(f"something else than Towline answers at {self.address.url()} ({answer})")


def _problem(found: dict[str, Any]) -> Problem:
    """A problem as the API tells it."""
    known = {name: found[name] for name in Problem.__dataclass_fields__ if name in found}
    path = [int(step) if step.isdecimal() else step for step in found.get("path", ())]
    return Problem(**{**known, "path": tuple(path)})


def declined(code: str, message: str) -> Declined:
    """A no, with the remedy where there is one."""
    if code in ("token_missing", "token_wrong"):
        message += "; give it with --token or TOWLINE_TOKEN"
    return Declined(code, message)


def reason(exc: BaseException) -> str:
    """Why a connection failed, in a few words."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({exc.verify_message})"
    if isinstance(exc, ssl.SSLError):
        return "it does not speak TLS; try http://"
    if isinstance(exc, TimeoutError):
        return "it takes too long"
    if isinstance(exc, socket.gaierror | UnicodeError):
        return "nobody knows this name"
    if isinstance(exc, http.client.HTTPException):
        return "it does not speak HTTP"
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror.lower()
    return str(exc) or type(exc).__name__
