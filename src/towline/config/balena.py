"""What a backend of type `balena` says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import voluptuous as vol

from towline.config import fields
from towline.config.faults import Fault, expected
from towline.config.http import address, bearer
from towline.config.settings import Secret
from towline.config.shapes import SECRET_NAME, shaped, words
from towline.config.tls import TLS, Tls

_UUID: Final = r"[0-9a-fA-F]{4,64}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BalenaSettings:
    """What a backend of type `balena` says."""

    url: str
    uuid: str
    key: Secret
    tls: Tls


@shaped(words(f"{_UUID}|{SECRET_NAME}"))
def _uuid(given: Any) -> str:
    """A device's id at balena."""
    found = fields.text(given)
    if not re.fullmatch(_UUID, found):
        raise expected("a device's UUID: hexadecimal digits", given)
    return found


def balena(*, key: Secret, **keys: Any) -> BalenaSettings:
    """The settings of these keys."""
    if not key:
        raise Fault("wrong_value", "expected the device's API key", path=["key"])
    return BalenaSettings(key=key, **keys)


BALENA: Final = fields.mapping(
    {
        vol.Optional("url", default="https://api.balena-cloud.com"): address,
        vol.Required("uuid"): _uuid,
        vol.Required("key"): bearer,
        vol.Optional("tls", default=dict): TLS,
    }
)
"""Checks the keys of a backend of type `balena`."""
