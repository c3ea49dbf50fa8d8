"""What `tls:` says: whom to trust, who we are, whether to verify."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import voluptuous as vol

from towline.config.compound import Into, Mapping
from towline.config.doubts import doubt
from towline.config.faults import Fault
from towline.config.fields import boolean, secret, text
from towline.config.settings import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How TLS is spoken. `ca`, `cert` and `key` are a file's path or its PEM text; empty: none."""

    ca: str
    cert: str
    key: Secret
    verify: bool


def made(**keys: Any) -> Tls:
    """Settings of these keys; `Fault` where one does not go with another."""
    if keys["key"] and not keys["cert"]:
        raise Fault("missing_key", "a key needs the certificate it belongs to", path=["key"])
    if keys["ca"] and not keys["verify"]:
        wanted = "with verify: false every server is trusted: ca does nothing"
        raise Fault("wrong_value", wanted, path=["verify"])
    return Tls(**keys)


KEYS: Final[dict[Any, Any]] = {
    vol.Optional("ca", default=""): text,
    vol.Optional("cert", default=""): text,
    vol.Optional("key", default=""): secret,
    vol.Optional("verify", default=True): boolean,
}
TLS: Final = Into(Mapping(KEYS), made)
"""Checks the mapping below `tls:` of a server."""


def tls_doubts(tls: Tls) -> Iterator[Fault]:
    """A server that may be anyone."""
    if not tls.verify:
        text = "whoever answers is trusted: passwords and records can be read on the way"
        yield doubt("unverified", text, ["tls", "verify"], hint="name the authority with tls.ca")
