"""Who may do what: bearer tokens with scopes, trust by address, Host and Origin. No I/O.

Trust by address (loopback, ingress) is what a web page somebody visits could borrow, so there,
and only there, the Host must be one of ours: DNS rebinding needs a name of its own.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from towline.config.settings import Token

SCOPES: Final = ("public", "read", "operate", "admin")
"""Each one holds those before it. `public` needs nothing at all."""

_LONGEST_NAME: Final = 64
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443", "ws": ":80", "wss": ":443"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """One request as far as access goes. `headers` have lower-case names."""

    peer: str
    headers: Mapping[str, str] = field(default_factory=dict)
    token: str = ""
    unsafe: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not, as HTTP says it and as a WebSocket's close code does (0: no handshake at all)."""

    status: int
    code: str
    text: str
    close: int


_LOOPBACK_ONLY = Refusal(
    403, "loopback_only", "without tokens only this machine is served; add api.tokens", 4403
)
_FORWARDED = Refusal(
    403,
    "loopback_only",
    "a proxy asks: trust in this machine does not reach that far",
    4403,
)
_MISSING = Refusal(401, "token_missing", "a bearer token is needed", 4401)
_WRONG = Refusal(401, "token_wrong", "the token is none of ours", 4401)
_HOST = Refusal(403, "foreign_host", "this name is none of ours", 0)
_ORIGIN = Refusal(403, "foreign_origin", "a page from elsewhere may not do this", 0)


class Gate:
    """Decides on requests. `host` is where the API listens, `names` are further names of ours.

    `ingress` is Supervisor's address where Towline runs under it, else empty: whoever comes from
    there was let in by Home Assistant and may read and operate.
    """

    def __init__(
        self,
        tokens: Sequence[Token],
        *,
        host: str,
        names: Sequence[str] = (),
        ingress: str = "",
    ) -> None:
        self._tokens = [(token.hash.lower().encode(), _rank(token)) for token in tokens]
        self._owners = {token.hash.lower(): token.name for token in tokens}
        self._local = is_loopback(host)
        self._names = {"localhost", host.lower(), *(name.lower() for name in names)}
        self._ingress = ingress

    def admit(self, asker: Asker, scope: str) -> Refusal | None:
        """None where the request may go on."""
        if asker.unsafe and not _same_origin(asker.headers):
            return _ORIGIN
        needed = SCOPES.index(scope)
        if needed == 0:
            return None
        rank = self._rank(asker)
        if isinstance(rank, Refusal):
            return rank
        if needed > rank:
            text = f"needs the scope {scope}; this token has {SCOPES[rank]}"
            return Refusal(403, "scope_missing", text, 4403)
        return None

    def who(self, asker: Asker) -> str:
        """Who asks, for the history: a token's name, ingress, or the address."""
        if asker.token:
            return self._owners.get(hashlib.sha256(asker.token.encode()).hexdigest(), asker.peer)
        from_ingress = asker.peer and asker.peer == self._ingress
        return _person(asker.headers) if from_ingress else asker.peer

    def _rank(self, asker: Asker) -> int | Refusal:
        if self._tokens and asker.token:
            return self._by_token(asker.token) or _WRONG
        if asker.peer and asker.peer == self._ingress:
            return SCOPES.index("operate")
        if self._tokens and not self._local:
            return _MISSING
        if not is_loopback(asker.peer):
            return _MISSING if self._tokens else _LOOPBACK_ONLY
        if "x-forwarded-for" in asker.headers or "forwarded" in asker.headers:
            return _MISSING if self._tokens else _FORWARDED
        if not self._is_ours(asker.headers.get("host", "")):
            return _HOST
        return SCOPES.index("admin")

    def _by_token(self, text: str) -> int:
        given = hashlib.sha256(text.encode()).hexdigest().encode()
        found = 0
        for known, rank in self._tokens:  # every one, so that time tells nothing
            if hmac.compare_digest(known, given):
                found = rank
        return found

    def _is_ours(self, host: str) -> bool:
        name = urlsplit(f"//{host}").hostname or ""
        return (
            not host  # HTTP/1.0: no browser leaves it out
            or name in self._names
            or name.endswith((".local", ".localhost"))
            or _is_address(name)
        )


def bearer(headers: Mapping[str, str]) -> str:
    """The token of an `Authorization` header, or nothing."""
    kind, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def is_loopback(address: str) -> bool:
    """Whether an address or name is this machine's own."""
    if address.lower() == "localhost":
        return True
    try:
        found = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)  # ::ffff:127.0.0.1 on a dual-stack socket
    return (mapped or found).is_loopback


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _person(headers: Mapping[str, str]) -> str:
    """Who asks through ingress: Home Assistant says it, as raw UTF-8, and nobody else can."""
    named = headers.get("x-remote-user-display-name") or headers.get("x-remote-user-name") or ""
    text = named.encode("latin-1", "replace").decode("utf-8", "replace")
    name = "".join(letter for letter in text if letter.isprintable())[:_LONGEST_NAME].strip()
    return f"{name} (ingress)" if name else "ingress"


def _rank(token: Token) -> int:
    return max((SCOPES.index(scope) for scope in token.scopes), default=0)


def _same_origin(headers: Mapping[str, str]) -> bool:
    """Whether the page that asks is ours. No Origin means that no page asks.

    A proxy may have changed the Host and left the page's own in X-Forwarded-Host, a header that
    no page may send along to another site.
    """
    origin = headers.get("origin")
    if origin is None:
        return True
    parts = urlsplit(origin)
    port = _DEFAULT_PORTS.get(parts.scheme, "")
    ours = {headers.get("host", ""), headers.get("x-forwarded-host", "")} - {""}
    return parts.netloc.removesuffix(port).lower() in {
        name.lower().removesuffix(port) for name in ours
    }
