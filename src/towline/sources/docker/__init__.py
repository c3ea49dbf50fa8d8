"""Lines of containers, from a Docker Engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

import voluptuous as vol

from towline.config import fields
from towline.config.compound import Listing
from towline.config.doubts import doubt
from towline.config.faults import Fault
from towline.config.kinds import Kind, Surroundings
from towline.config.match import match
from towline.config.settings import Device
from towline.config.shapes import SECRET_NAME, shaped, words
from towline.config.tls import TLS, tls_doubts
from towline.sources.docker.address import EXPECTED, Address

LOCAL: Final = "unix:///var/run/docker.sock"


@shaped(words(rf"unix://.*/.+|(?:tcp|https?|ssh)://.+|{SECRET_NAME}"))
def _url(value: Any) -> str:
    text = fields.some_text(value)
    try:
        Address.parse(text)
    except ValueError as exc:
        raise Fault("wrong_value", f"expected {EXPECTED}") from exc
    if urlsplit(text).password is not None:
        hint = "ssh takes a key: ssh: {key: !secret nas_key}"
        raise Fault("wrong_value", "a password in the address is shown", hint=hint)
    return text


_SSH: Final = fields.mapping(
    {
        vol.Optional("key", default=""): fields.secret,
        vol.Optional("known_hosts", default=""): fields.text,
    }
)
REACH: Final = {
    vol.Optional("url", default=LOCAL): _url,
    vol.Optional("tls"): TLS,
    vol.Optional("ssh"): _SSH,
}
"""Keys of every source that comes at an engine."""

_KEYS: Final = REACH | {
    vol.Optional("device"): fields.device_id,
    vol.Optional("read", default="auto"): fields.one_of("auto", "api", "files"),
    vol.Optional("files"): fields.some_text,
    vol.Optional("stats", default="auto"): fields.one_of("auto", "always", "never"),
    vol.Optional("include", default=[{"name": "*"}]): Listing(match),
    vol.Optional("exclude", default=[{"label": "towline.enable=false"}]): Listing(match),
}


def _config(
    *,
    include: Any,
    exclude: Any,
    **keys: Any,
) -> Any:
    from towline.sources.docker.choice import DockerConfig

    return DockerConfig(include=tuple(include), exclude=tuple(exclude), **reached(keys))


def reached(keys: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of `REACH`, and whatever else there is, as the fields of `Reach`."""
    found = dict(keys)
    found |= found.pop("ssh", None) or {}
    if found["url"].startswith("https:"):
        found.setdefault("tls", TLS({}))
    return found


def _open(name: str, config: Any, around: Surroundings) -> Any:
    from towline.sources.docker.source import DockerSource

    if config.device:
        around = replace(around, device=Device(id=config.device, name=config.device))
    return DockerSource(name, config, around)


def reach_doubts(config: Any) -> Iterator[Fault]:
    """What is odd about the way to an engine."""
    over = config.url.partition("://")[0]
    if config.tls and over in ("tcp", "http", "https"):
        yield from tls_doubts(config.tls)
    elif config.tls:
        yield doubt("unused", "tls does nothing here: it is for tcp://", ["tls"])
    if over != "ssh" and (config.key or config.known_hosts):
        yield doubt("unused", "ssh does nothing here: it is for ssh://", ["ssh"])


KIND: Final = Kind(
    schema=fields.mapping(_KEYS),
    config=_config,
    open=_open,
    claims=lambda config: frozenset({f"engine {config.url}"}),
    doubts=reach_doubts,
)
