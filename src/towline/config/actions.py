"""How actions are written: what is done when an alert fires. Each owner says which words it has."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from collections.abc import Mapping as Map
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

import voluptuous as vol

from towline.config.compound import Into, Listing, Mapping
from towline.config.faults import Fault, expected, shown
from towline.config.fields import (
    HOST,
    boolean,
    level,
    name,
    one_of,
    plain,
    some_text,
    text,
    whole,
)
from towline.config.patience import Patience, patience_keys, patient
from towline.config.settings import Secret
from towline.config.shapes import TEXT, shaped
from towline.config.templates import Body, body, lenient, strict, topic
from towline.config.tls import TLS, Tls

METHODS: Final = ("POST", "PUT", "GET", "PATCH", "DELETE")
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f]")
_MOST_HEADERS: Final = 32
_OURS: Final = frozenset({"host", "content-length", "transfer-encoding", "connection"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """A message to a broker; without a payload the whole occasion as JSON."""

    kind: ClassVar[str] = "publish"
    broker: str
    topic: str
    payload: Body | None
    qos: int
    retain: bool
    patience: Patience


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    """A request; without a body the whole occasion as JSON. Neither address nor headers show."""

    kind: ClassVar[str] = "http"
    url: Secret
    method: str
    headers: tuple[tuple[str, Secret], ...]
    body: Body | None
    tls: Tls
    patience: Patience


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """A word to Home Assistant."""

    kind: ClassVar[str] = "notify"
    patience: Patience


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A record of Towline's own."""

    kind: ClassVar[str] = "log"
    message: str
    level: str
    patience: Patience


Action = Publish | Http | Notify | Log


def actions(known: tuple[str, ...], also: Map[str, Any] = MappingProxyType({})) -> Listing:
    """A list of actions whose templates may name these words; `fields.` allows every field.

    `also` are further kinds that the owner allows, with their validators.
    """
    common = patience_keys()
    publish = Mapping(
        {
            vol.Required("broker"): name,
            vol.Required("topic"): topic(known),
            vol.Optional("payload"): body(known),
            vol.Optional("qos", default=1): whole(0, 2),
            vol.Optional("retain", default=False): boolean,
        }
        | common
    )
    http = Mapping(
        {
            vol.Required("url"): _url(strict(known)),
            vol.Optional("method", default="POST"): one_of(*METHODS),
            vol.Optional("headers", default=dict): _headers(known),
            vol.Optional("body"): body(known),
            vol.Optional("tls", default=dict): TLS,
        }
        | common
    )
    log = Mapping(
        {
            vol.Optional("message", default="{message}"): lenient(known),
            vol.Optional("level", default="warn"): level,
        }
    )
    kinds = {
        vol.Optional("publish"): Into(publish, patient(Publish, payload=None)),
        vol.Optional("http"): Into(http, patient(Http, body=None)),
        vol.Optional("notify"): Into(Mapping(common), patient(Notify)),
        vol.Optional("log"): Into(log, lambda **keys: Log(**keys, patience=_AT_ONCE)),
    } | {vol.Optional(kind): validator for kind, validator in also.items()}
    return Listing(Into(Mapping(kinds), _sole(kinds)), most=16)


_AT_ONCE: Final = Patience(timeout=10.0, retry=0.0)


def _sole(known: Iterable[Any]) -> Callable[..., Any]:
    names = ", ".join(map(str, known))

    def one(**keys: Any) -> Any:
        if len(keys) != 1:
            said = f"one action in each item, not {len(keys)}" if keys else "an action"
            wanted = f"expected {said}; one of: {names}"
            raise Fault("wrong_value", wanted, hint="begin each with '- '")
        (found,) = keys.values()
        return found

    return one


def _url(filled: Callable[[str], str]) -> Callable[[Any], Secret]:
    """An address. It is kept as a secret: many hold a token in their path."""

    @shaped(TEXT)
    def validate(value: Any) -> Secret:
        found = filled(plain(some_text(value)))
        scheme, mark, rest = found.partition("://")
        host = rest.partition("/")[0].partition("?")[0]
        if scheme not in ("http", "https") or not mark:
            raise Fault("wrong_value", "expected an address such as https://host/path")
        if "{" in host:
            raise Fault("wrong_value", "the host of an address cannot be a placeholder")
        if "@" in host:
            hint = "headers: {Authorization: !secret name}"
            raise Fault("wrong_value", "an address with a user and password", hint=hint)
        if not _is_host(host) or _CONTROL.search(found) or " " in found:
            raise Fault("wrong_value", "the address names no host, or no valid port")
        return Secret(found)

    return validate


def _is_host(host: str) -> bool:
    if not re.fullmatch(rf"(?:{HOST})(?::\d{{1,5}})?", host, re.ASCII):
        return False
    try:
        return bool(urlsplit(f"//{host}").hostname) and urlsplit(f"//{host}").port != 0
    except ValueError:
        return False


def _headers(known: tuple[str, ...]) -> Callable[[Any], tuple[tuple[str, Secret], ...]]:
    fill = lenient(known)

    @shaped({"type": "object", "additionalProperties": {"type": ["string", "integer"]}})
    def validate(value: Any) -> tuple[tuple[str, Secret], ...]:
        if not isinstance(value, dict):
            raise expected("a mapping of headers and their values", value)
        if len(value) > _MOST_HEADERS:
            raise Fault("wrong_length", f"expected at most {_MOST_HEADERS} headers")
        found = []
        for key, item in value.items():
            held = str(key)
            if not _HEADER.fullmatch(held) or held.lower() in _OURS:
                raise Fault("wrong_value", f"{shown(held)} cannot be set as a header", path=[key])
            try:
                written = fill(plain(text(item)))
            except Fault as fault:
                fault.prepend([key])
                raise
            if _CONTROL.search(written):
                raise Fault("wrong_value", "a header holds no control characters", path=[key])
            found.append((held, Secret(written)))
        return tuple(found)

    return validate
