"""What `brokers:` says: where a broker listens, who we are there, how long it may be silent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping as Map
from dataclasses import dataclass
from typing import Any, Final

import voluptuous as vol

from towline.config.compound import Into, Listing, Mapping
from towline.config.faults import Fault, expected
from towline.config.fields import (
    HOST,
    boolean,
    discreet_text,
    duration,
    one_of,
    publish_topic,
    secret,
    some_text,
    template,
    text,
    whole,
)
from towline.config.settings import Secret
from towline.config.shapes import SECRET_NAME, shaped, words
from towline.config.tls import KEYS, Tls, made, tls_doubts

PORTS: Final = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}
ENCRYPTED: Final = frozenset({"mqtts", "wss"})
SUPERVISOR: Final = "supervisor"
"""In the place of servers: Home Assistant's Supervisor knows the broker, and who we are there."""

_PATH: Final = r"/[A-Za-z0-9._~!$&'()*+,;=:@%/-]{0,512}"
_SERVER = re.compile(rf"([A-Za-z]+)://({HOST})(?::(\d{{1,5}}))?({_PATH})?", re.ASCII)
_DURATION: Final = r"\d{1,9}(?:\.\d{1,6})? ?(?:ms|s|m|h|d)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Will:
    """What the broker publishes for us when we are gone without a word."""

    topic: str
    payload: str
    qos: int
    retain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """A named MQTT connection. `servers` are `mqtt://host:port` in order of preference, or
    `supervisor` alone: it is asked before every connection.

    `fail_back`: seconds that a better server must have been reachable, 0 stays where it is.
    `tls` counts for `mqtts` and `wss`; `alpn` are the protocols offered there. `will` None: the
    device's status.
    """

    servers: tuple[str, ...]
    username: str
    password: Secret
    client_id: str
    keep_alive: float
    clean_session: bool
    session_expiry: float
    version: str
    fail_back: float
    tls: Tls
    alpn: tuple[str, ...]
    will: Will | None


_SCHEMES: Final = "|".join("".join(f"[{c.upper()}{c}]" for c in scheme) for scheme in PORTS)


@shaped(words(rf"(?:{_SCHEMES})://(?:{HOST})(?::\d{{1,5}})?(?:{_PATH})?|{SECRET_NAME}"))
def _server_or_supervisor(value: Any) -> str:
    return SUPERVISOR if value == SUPERVISOR else _server(value)


def _server(value: Any) -> str:
    """`mqtt://host:port` and its like, the port filled in."""
    found = _SERVER.fullmatch(value) if isinstance(value, str) else None
    if not found:
        if isinstance(value, str) and "@" in value:
            hint = "user and password have keys of their own: username, password"
            raise Fault("wrong_value", "expected mqtt://host:port", hint=hint)
        raise expected("mqtt://host:port, mqtts://, ws:// or wss://", value)
    scheme, host, port, path = found[1].lower(), found[2], found[3], found[4] or ""
    if scheme not in PORTS:
        wanted = f"{scheme}:// is not supported; expected one of {', '.join(PORTS)}"
        raise Fault("wrong_value", wanted, word=scheme, known=PORTS)
    number = int(port) if port else PORTS[scheme]
    if not 0 < number <= 65535:
        raise Fault("wrong_value", f"expected a port from 1 to 65535, not {number}")
    if scheme.startswith("mqtt") and path.strip("/"):
        raise Fault("wrong_value", f"{scheme}:// has no path; ws:// and wss:// may have one")
    return f"{scheme}://{host}:{number}{path.rstrip('/')}"


@shaped(words(_DURATION))
def _keep_alive(value: Any) -> float:
    seconds = duration(value)
    if not 5 <= seconds <= 65535:
        raise expected("a duration from 5s to 18h", value)
    return seconds


@shaped(words(rf"off|{_DURATION}"))
def _fail_back(value: Any) -> float:
    """How long a better server must have been reachable; `off` is never."""
    return 0.0 if value == "off" else duration(value)


_client_template = template("device")


@shaped(words(r"[^+#$\u0000-\u001f][^+#\u0000-\u001f]*"))
def _device_topic(value: Any) -> str:
    return str(_client_template(publish_topic(value)))


def _tls(*, alpn: tuple[str, ...], **keys: Any) -> tuple[Tls, tuple[str, ...]]:
    if any(not 0 < len(name.encode()) < 256 for name in alpn):
        raise Fault("wrong_value", "a protocol's name has 1 to 255 bytes", path=["alpn"])
    return made(**keys), alpn


_TLS = Into(Mapping({**KEYS, vol.Optional("alpn", default=list): Listing(some_text, most=8)}), _tls)
_WILL = Into(
    Mapping(
        {
            vol.Required("topic"): _device_topic,
            vol.Optional("payload", default=""): text,
            vol.Optional("qos", default=1): whole(0, 2),
            vol.Optional("retain", default=False): boolean,
        }
    ),
    Will,
)


def _broker(**keys: Any) -> Broker:
    if keys["password"] and not keys["username"]:
        raise Fault("missing_key", "a password needs a username", path=["password"])
    if SUPERVISOR in keys["servers"]:
        if len(keys["servers"]) > 1:
            wanted = "supervisor stands alone: it says which server"
            raise Fault("wrong_value", wanted, path=["servers"])
        if keys["username"]:
            wanted = "supervisor also says who we are there"
            raise Fault("wrong_value", wanted, path=["username"])
    tls, alpn = keys.pop("tls")
    return Broker(tls=tls, alpn=alpn, will=keys.pop("will", None), **keys)


BROKER: Final = Into(
    Mapping(
        {
            vol.Required("servers"): Listing(_server_or_supervisor, least=1, most=16),
            vol.Optional("username", default=""): discreet_text,
            vol.Optional("password", default=""): secret,
            vol.Optional("tls", default=dict): _TLS,
            vol.Optional("client_id", default="towline-{device}"): _client_template,
            vol.Optional("keep_alive", default="60s"): _keep_alive,
            vol.Optional("clean_session", default=False): boolean,
            vol.Optional("session_expiry", default="24h"): duration,
            vol.Optional("version", default="auto"): one_of("auto", "3.1.1", "5"),
            vol.Optional("fail_back", default="60s"): _fail_back,
            vol.Optional("will"): _WILL,
        }
    ),
    _broker,
)
"""Checks the mapping of one broker; its defaults stand here and nowhere else."""


def doubts(brokers: Map[str, Broker]) -> Iterator[Fault]:
    """What is odd in the settings of brokers and can be used."""
    for name, broker in brokers.items():
        for fault in _doubts(broker):
            fault.prepend(["brokers", name])
            yield fault


def _doubts(broker: Broker) -> Iterator[Fault]:
    yield from tls_doubts(broker.tls)
    schemes = {server.partition(":")[0] for server in broker.servers}
    if (broker.tls, broker.alpn) != _NO_TLS and not schemes & {*ENCRYPTED, SUPERVISOR}:
        text = "this does nothing: no server is mqtts:// or wss://"
        yield Fault("unused_key", text, path=["tls"], severity="warning")


_NO_TLS: Final = _TLS({})
SERVER: Final = _server
"""Checks and completes one server's address."""
