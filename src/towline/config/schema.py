"""The schema of a whole file. Every default of Towline stands here, as a user would write it."""

from __future__ import annotations

import re
from typing import Any, Final

import voluptuous as vol

from towline.config.alerts import ALERTS
from towline.config.brokers import BROKER
from towline.config.compound import ByType, Into, Listing, Mapping, Named
from towline.config.faults import Fault, expected
from towline.config.fields import (
    PATTERNS,
    boolean,
    device_id,
    duration,
    listen,
    name,
    one_of,
    plain,
    shell_patterns,
    some_text,
)
from towline.config.git import SCHEMA as GIT
from towline.config.homeassistant import HOMEASSISTANT
from towline.config.kinds import Kinds
from towline.config.match import match
from towline.config.pipeline import SCHEMA as PIPELINE
from towline.config.requests import SCHEMA as REQUESTS
from towline.config.settings import (
    Api,
    Device,
    Entry,
    Route,
    Token,
)
from towline.config.shapes import SECRET_NAME, shaped, words
from towline.config.state import STATE
from towline.config.store import SCHEMA as STORE
from towline.config.subscriptions import SUBSCRIPTIONS
from towline.config.trials import CASES

DEFAULT_SOURCES: Final = {"docker": {"type": "docker"}}
RESTART: Final = frozenset({"store.path", "store.persist", "git"})
"""Keys that count from the next start on."""

SCOPES: Final = ("read", "operate", "admin")

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


@shaped({"const": 1})
def _version(value: Any) -> int:
    if value == 1 and isinstance(value, int) and not isinstance(value, bool):
        return value
    raise expected("version 1", value, hint="this Towline reads files of version: 1")


def _device(**keys: Any) -> Device:
    return Device(id=keys["id"], name=keys.get("name", keys["id"]))


def _entry(kinds: Kinds) -> ByType:
    return ByType({word: _kind(word, kinds) for word in kinds})


def _kind(word: str, kinds: Kinds) -> Into:
    kind = kinds[word]
    return Into(kind.schema, lambda **keys: Entry(type=word, config=kind.config(**keys)))


@shaped(PATTERNS)
def _backend_names(value: Any) -> tuple[str, ...]:
    return tuple(name(item) for item in shell_patterns(value))


@shaped(words(f"{_SHA256.pattern}|{SECRET_NAME}"))
def _hash(value: Any) -> str:
    if isinstance(value, str) and _SHA256.fullmatch(value):
        return plain(value).lower()
    wanted = "the SHA-256 of a token: 64 hexadecimal digits"
    raise Fault("wrong_value", f"expected {wanted}", hint="printf %s TOKEN | sha256sum")


def _api(**keys: Any) -> Api:
    host, port = keys["listen"]
    return Api(host=host, port=port, tokens=keys["tokens"])


@shaped(words(r"off|\d{1,9}(?:\.\d{1,6})? ?(?:ms|s|m|h|d)"))
def _watch(value: Any) -> float:
    """How long a change is on probation, as seconds; `off` is none."""
    return 0.0 if value == "off" else duration(value)


_ROUTE = Into(
    Mapping(
        {
            vol.Optional("match", default=dict): match,
            vol.Required("to"): _backend_names,
            vol.Optional("final", default=False): boolean,
        }
    ),
    Route,
)
_TOKEN = Into(
    Mapping(
        {
            vol.Required("name"): name,
            vol.Required("hash"): _hash,
            vol.Optional("scopes", default=["read"]): Listing(one_of(*SCOPES), least=1),
        }
    ),
    Token,
)


def schema(sources: Kinds, backends: Kinds) -> Mapping:
    """The schema of a file, for these kinds."""
    return Mapping(
        {
            vol.Required("version"): _version,
            vol.Required("device"): Into(
                Mapping({vol.Required("id"): device_id, vol.Optional("name"): some_text}), _device
            ),
            vol.Optional("sources", default=DEFAULT_SOURCES): Named(_entry(sources)),
            vol.Optional("pipeline", default=dict): PIPELINE,
            vol.Optional("store", default=dict): STORE,
            vol.Optional("brokers", default=dict): Named(BROKER),
            vol.Optional("backends", default=dict): Named(_entry(backends)),
            vol.Optional("routes", default=list): Listing(_ROUTE),
            vol.Optional("alerts", default=dict): ALERTS,
            vol.Optional("subscriptions", default=dict): SUBSCRIPTIONS,
            vol.Optional("requests", default=dict): REQUESTS,
            vol.Optional("homeassistant", default=dict): HOMEASSISTANT,
            vol.Optional("state", default=dict): STATE,
            vol.Optional("apply", default=dict): Mapping(
                {vol.Optional("watch", default="off"): _watch}
            ),
            vol.Optional("api", default=dict): Into(
                Mapping(
                    {
                        vol.Optional("listen", default="127.0.0.1:8099"): listen,
                        vol.Optional("tokens", default=list): Listing(_TOKEN),
                    }
                ),
                _api,
            ),
            vol.Optional("git"): GIT,
            vol.Optional("tests", default=list): CASES,
        }
    )
