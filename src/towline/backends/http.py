"""One HTTP destination. What it says becomes `Retryable` or `Rejected`; aiohttp ends here.

A status says whose fault it is: 400, 413 and 422 the records', so that delivery narrows it down to
the one; 401, 403, 404, 405, 415 and redirects the configuration's, which somebody will mend, so
nothing is thrown away for them; 429 and 5xx the destination's.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, Self, TypeVar

import msgspec

from towline.broker.reasons import network_reason
from towline.config.http import Http
from towline.errors import Rejected, Retryable
from towline.record import Batch
from towline.tls import Credentials

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T")

LARGEST_ANSWER: Final = 4 * 1024 * 1024
LONGEST_WAIT: Final = 3600.0
"""Seconds that a destination may send us away for."""

_CONNECT: Final = 10.0
_IN_A_THREAD: Final = 64 * 1024
_QUOTED: Final = 200
_STRANGE = re.compile(r"[\x00-\x20\x7f-\x9f]+")
_RECORDS_AT_FAULT: Final = frozenset({400, 413, 422})
_WORDS: Final = {
    401: "not authorised",
    403: "not allowed",
    404: "nothing at this address",
    405: "not an address to send to",
    413: "larger than it takes",
    429: "asks to slow down",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with a status of 200 to 299."""

    status: int
    body: bytes
    content_type: str

    def json(self, shape: type[T]) -> T:
        """The body as JSON of a shape; anything else comes from something in between."""
        try:
            return msgspec.json.decode(self.body, type=shape)
        except ValueError:
            told = f"answered with {self.content_type or 'nothing'} that cannot be understood"
            raise Retryable(told) from None


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent: `path` is put behind the address."""

    path: str
    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Wire(Protocol):
    """How one kind of destination wants its records, and what its answers mean. Pure."""

    def request(self, batch: Batch) -> Request:
        """The request that carries a batch."""

    def judge(self, batch: Batch, answer: Answer) -> None:
        """Return when all of it has arrived; `Retryable` or `Rejected` otherwise."""


class HttpBackend:
    """Sends each batch as one request."""

    def __init__(self, settings: Http, folder: Path, wire: Wire) -> None:
        self._endpoint = Endpoint(settings, folder)
        self._wire = wire
        self.max_records = settings.batch.max_records
        self.max_age = settings.batch.max_age

    async def __aenter__(self) -> Self:
        await self._endpoint.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._endpoint.__aexit__(*exc)

    async def send(self, batch: Batch) -> None:
        """Send all records and return when the destination has taken them."""
        self._wire.judge(batch, await self._endpoint.post(self._wire.request(batch)))


class Endpoint:
    """A session with a destination, opened and closed by the backend that owns it."""

    def __init__(self, settings: Http, folder: Path) -> None:
        self._settings = settings
        self._credentials = Credentials(settings.tls, folder)
        self._session: aiohttp.ClientSession | None = None
        secrets = (settings.password, settings.token, *(value for _, value in settings.headers))
        self._secrets = [secret.reveal() for secret in secrets if secret]
        self._headers = _headers(settings)
        self._secrets += self._headers.get("Authorization", "").split(" ")[1:]

    @property
    def secured(self) -> bool:
        """Whether TLS is spoken."""
        return self._settings.url.lower().startswith("https:")

    async def __aenter__(self) -> Self:
        import aiohttp  # costs 25 MB, which only those pay who use it

        self._session = aiohttp.ClientSession(
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=self._settings.timeout, sock_connect=min(_CONNECT, self._settings.timeout)
            ),
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def post(self, request: Request) -> Answer:
        """Send a request and wait for the answer to it."""
        import aiohttp

        if self._session is None:
            raise Retryable("closed")
        body, headers = request.body, {"Content-Type": request.content_type, **request.headers}
        if self._settings.compression == "gzip":
            body, headers["Content-Encoding"] = await _compressed(body), "gzip"
        try:
            async with self._session.post(
                self._settings.url + request.path,
                data=body,
                headers=headers,
                allow_redirects=False,
                ssl=await self._credentials.context() if self.secured else True,
            ) as response:
                answer = Answer(response.status, await _read(response), response.content_type)
                wait = retry_after(response.headers.get("Retry-After", ""), datetime.now(UTC))
                return self._judged(answer, wait, response.headers.get("Location", ""))
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise Retryable(_reason(exc)) from exc

    def _judged(self, answer: Answer, retry_after: float | None, location: str) -> Answer:
        status = answer.status
        if 200 <= status < 300:
            if answer.content_type == "text/html":
                raise Retryable("answered with a web page: something in between, such as a login")
            return answer
        if 300 <= status < 400:
            raise Retryable(f"sends us elsewhere ({status}): {self._quoted(location.encode())}")
        reason = f"{_WORDS.get(status, 'refused')} ({status}) {self._quoted(answer.body)}".strip()
        if status in _RECORDS_AT_FAULT:
            raise Rejected(reason)
        raise Retryable(reason, retry_after=retry_after)

    def _quoted(self, body: bytes) -> str:
        """What it said, in one short line that holds none of our secrets."""
        text = body[: 8 * _QUOTED].decode(errors="replace")
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return _STRANGE.sub(" ", text).strip()[:_QUOTED]


def _headers(settings: Http) -> dict[str, str]:
    found = {"User-Agent": "towline", "Accept-Encoding": "identity"}
    found |= {name: value.reveal() for name, value in settings.headers}
    if settings.token:
        found["Authorization"] = f"Bearer {settings.token.reveal()}"
    elif settings.username:
        pair = f"{settings.username}:{settings.password.reveal()}"
        found["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return found


async def _compressed(body: bytes) -> bytes:
    if len(body) < _IN_A_THREAD:
        return gzip.compress(body, 1, mtime=0)
    return await asyncio.to_thread(gzip.compress, body, 1, mtime=0)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body of an answer, up to a bound."""
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_chunked(_IN_A_THREAD):
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER:
            raise Retryable(f"answered with more than {LARGEST_ANSWER} bytes")
    return b"".join(parts)


def retry_after(text: str, now: datetime) -> float | None:
    """The seconds of a header `Retry-After` (RFC 9110 section 10.2.3), within reason."""
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return min(max(0.0, (until - now).total_seconds()), LONGEST_WAIT)


def _reason(exc: Exception) -> str:
    """Why there was no answer, in words of ours."""
    import aiohttp

    cause = getattr(exc, "certificate_error", None) or getattr(exc, "os_error", None) or exc
    if isinstance(cause, UnicodeError):
        return "not the name of a host"
    if isinstance(cause, aiohttp.ServerDisconnectedError):
        return "closed the connection without an answer"
    if isinstance(cause, aiohttp.ClientPayloadError):
        return "the answer broke off"
    if isinstance(cause, OSError):
        return network_reason(cause)
    if isinstance(cause, aiohttp.ClientResponseError):
        return "the answer was not HTTP"
    return f"no answer: {type(cause).__name__}"
