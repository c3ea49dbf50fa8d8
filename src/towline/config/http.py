"""What every backend that speaks HTTP says: where, who we are there, how much at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import voluptuous as vol

from towline.config.batching import Batching, batching
from towline.config.compound import KEEPERS
from towline.config.doubts import doubt
from towline.config.faults import Fault, expected
from towline.config.fields import HOST, discreet_text, duration, one_of, plain, secret, text
from towline.config.settings import Secret
from towline.config.shapes import SECRET_NAME, TEXT, shaped, words
from towline.config.tls import TLS, Tls, tls_doubts

_URL = re.compile(rf"https?://(?:{HOST})(?::\d{{1,5}})?(?:/[^\s?#]*)?", re.ASCII | re.IGNORECASE)
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_VALUE = re.compile(r"[\t -~\x80-\xff]{0,8192}")
_TOKEN = re.compile(r"[!-~]{0,8192}")
_OURS: Final = frozenset(
    {"connection", "content-encoding", "content-length", "content-type", "expect",
     "host", "transfer-encoding", "upgrade"}
)  # fmt: skip
_MOST_HEADERS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    """A destination that is reached by HTTP. `timeout` is seconds; of a password and a token only
    one is given; `headers` go with every request.
    """

    url: str
    username: str
    password: Secret
    token: Secret
    headers: tuple[tuple[str, Secret], ...]
    tls: Tls
    timeout: float
    compression: str
    batch: Batching


@shaped(words(f"{_URL.pattern}|{SECRET_NAME}"))
def address(value: Any) -> str:
    """`http://host:port/path` without a slash at its end."""
    found = _URL.fullmatch(value) if isinstance(value, str) else None
    if not found:
        if isinstance(value, str) and "@" in value:
            hint = "they have keys of their own: username, password"
            raise Fault("wrong_value", "user and password in an address are shown", hint=hint)
        raise expected("an address such as https://host:port/path", value)
    given = plain(value)
    try:
        _ = urlsplit(given).port
    except ValueError:
        raise expected("an address with a port up to 65535", value) from None
    return given.rstrip("/")


@shaped({"type": ["object", "string"], "additionalProperties": {"type": ["string", "integer"]}})
def headers(value: Any) -> tuple[tuple[str, Secret], ...]:
    """Headers by name; what they hold is never shown."""
    if not isinstance(value, dict) or len(value) > _MOST_HEADERS:
        raise expected(f"a mapping of at most {_MOST_HEADERS} headers", value)
    return tuple((_header(name), _value(name, given)) for name, given in value.items())


@shaped(TEXT)
def bearer(value: Any) -> Secret:
    """A token or key that goes into a header: one word."""
    found = secret(value)
    if not _TOKEN.fullmatch(found.reveal()):
        raise Fault("wrong_value", "expected a token: one word of plain letters, digits and signs")
    return found


KEEPERS.append(bearer)


def _header(name: object) -> str:
    if not isinstance(name, str) or not _HEADER.fullmatch(name):
        raise Fault("wrong_value", "expected the name of a header", path=[str(name)], at_key=True)
    if name.lower() in _OURS:
        raise Fault("wrong_value", "this header is set already", path=[name], at_key=True)
    return name


def _value(name: object, given: Any) -> Secret:
    try:
        found = secret(given)
    except Fault as fault:
        fault.prepend([str(name)])
        raise
    if not _VALUE.fullmatch(found.reveal()):
        raise Fault("wrong_value", "expected one line of text", path=[str(name)])
    return found


HTTP: Final = {
    vol.Required("url"): address,
    vol.Optional("username", default=""): discreet_text,
    vol.Optional("password", default=""): secret,
    vol.Optional("token", default=""): bearer,
    vol.Optional("headers", default=dict): headers,
    vol.Optional("tls", default=dict): TLS,
    vol.Optional("timeout", default="30s"): duration,
    vol.Optional("compression", default="gzip"): one_of("gzip", "none"),
    vol.Optional("batch", default=dict): batching(500),
}
"""Keys of every kind that speaks HTTP; a kind adds its own."""


def http(keys: dict[str, Any]) -> Http:
    """Take the shared keys out of a kind's, and make one value of them."""
    own = {str(key): keys.pop(str(key)) for key in HTTP}
    if own["password"] and not own["username"]:
        raise Fault("missing_key", "a password needs a username", path=["password"])
    ways = [own["username"], own["token"], "authorization" in _names(own["headers"])]
    if sum(map(bool, ways)) > 1:
        wanted = "one of username, token and a header Authorization, not several"
        raise Fault("wrong_value", wanted, path=["token" if own["token"] else "headers"])
    return Http(**own | {"username": text(own["username"])})


def _names(given: tuple[tuple[str, Secret], ...]) -> list[str]:
    return [name.lower() for name, _ in given]


def http_doubts(settings: Http) -> Iterator[Fault]:
    """What is odd, and yet can be used."""
    yield from tls_doubts(settings.tls)
    by_header = "authorization" in _names(settings.headers)
    yield from exposure(settings.url, settings.password or settings.token or by_header)


def exposure(url: str, secret: object) -> Iterator[Fault]:
    """A secret that goes over a network as it is."""
    if secret and not url.lower().startswith("https:"):
        told = "the password or token can be read on the way"
        yield doubt("unprotected", told, ["url"], hint="use https://")
