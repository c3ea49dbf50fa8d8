"""A request to a server. aiohttp is imported with the first one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from towline.actions.body import Filled
from towline.actions.occasion import Occasion
from towline.actions.template import Template, in_header, in_url
from towline.broker.reasons import network_reason
from towline.config.actions import Http
from towline.errors import Rejected, Retryable
from towline.tls import Credentials

if TYPE_CHECKING:
    import aiohttp
    from yarl import URL

AGAIN: Final = frozenset({408, 425, 429})
"""Statuses below 500 that a later try may change."""

REDIRECTS: Final = frozenset({301, 302, 307, 308})
_DONE: Final = 303
_HOPS: Final = 3
_WORDS: Final = {
    "ClientResponseError": "the answer was not HTTP",
    "ServerDisconnectedError": "closed the connection without an answer",
}
_LONGEST_WAIT: Final = 3600.0
_JSON: Final = "application/json"
_TEXT: Final = "text/plain; charset=utf-8"


class HttpAction:
    """One request for each occasion. A redirect is followed on the same host and nowhere else.

    No reason names the address or a header: both may hold a secret.
    """

    def __init__(self, settings: Http, folder: Path) -> None:
        self._method = settings.method
        self._url = Template(settings.url.reveal(), in_url)
        self._headers = [
            (name, Template(value.reveal(), in_header)) for name, value in settings.headers
        ]
        self._credentials = Credentials(settings.tls, folder)
        self._body = Filled(settings.body)
        self._asked_for_body = settings.body is not None or settings.method != "GET"

    async def perform(self, occasion: Occasion) -> None:
        """Return when the server has said yes."""
        import aiohttp  # few alerts need it

        url = self._url.fill(occasion.words)
        headers = {"Content-Type": _JSON if self._body.json else _TEXT}
        given = {name: value.fill(occasion.words) for name, value in self._headers}
        if any(name.lower() == "content-type" for name in given):
            headers = {}
        body = self._body.of(occasion) if self._asked_for_body else None
        try:
            async with aiohttp.ClientSession(
                headers={"User-Agent": "Towline"} | (headers if body is not None else {}) | given,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            ) as session:
                await self._ask(session, url, body)
        except aiohttp.InvalidURL as exc:
            raise Rejected("the address cannot be used") from exc
        except (aiohttp.ClientError, OSError) as exc:  # some are a ValueError, too
            raise Retryable(_reason(exc)) from exc
        except ValueError as exc:
            raise Rejected("a header cannot be sent") from exc

    async def _ask(self, session: aiohttp.ClientSession, url: str, body: bytes | None) -> None:
        for _ in range(_HOPS + 1):
            tls = await self._credentials.context() if url.startswith("https:") else True
            async with session.request(
                self._method, _encoded(url), data=body, allow_redirects=False, ssl=tls
            ) as answer:
                status = answer.status
                if status not in REDIRECTS:
                    _judge(status, answer.headers.get("Retry-After", ""))
                    return
                url = _next(url, answer.headers.get("Location", ""))
        raise Rejected("redirected again and again")


def _encoded(url: str) -> URL:
    from yarl import URL  # aiohttp brings it

    return URL(url, encoded=True)  # what was quoted stays quoted


def _next(url: str, location: str) -> str:
    """Where a redirect leads, on the same host; `Rejected` for any other."""
    found = urljoin(url, location)
    here, there = urlsplit(url), urlsplit(found)
    if (here.scheme, here.netloc) != (there.scheme, there.netloc):
        raise Rejected("redirected to another host")
    return found


def _judge(status: int, retry_after: str) -> None:
    if 200 <= status < 300 or status == _DONE:
        return
    if status >= 500 or status in AGAIN:
        wait = min(float(retry_after), _LONGEST_WAIT) if retry_after.isdecimal() else None
        raise Retryable(f"HTTP {status}", retry_after=wait)
    raise Rejected(f"HTTP {status}")


def _reason(exc: Exception) -> str:
    """What went wrong, without the address."""
    cause = getattr(exc, "certificate_error", None) or getattr(exc, "os_error", None) or exc
    if isinstance(cause, OSError):
        return network_reason(cause)
    return _WORDS.get(type(cause).__name__, "no answer")
