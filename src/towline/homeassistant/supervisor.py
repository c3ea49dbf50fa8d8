"""What Home Assistant's Supervisor tells an app: the broker, itself, all apps and their states.

Facts of the interface: supervisor/api (security middleware, services, apps). An answer is
`{"result": "ok", "data": {...}}` or `{"result": "error", "message": ...}`.
"""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from towline.broker.servers import Account
from towline.config.brokers import SERVER
from towline.config.faults import Fault
from towline.config.settings import Secret

HOST: Final = "supervisor"
TIMEOUT: Final = 5.0
"""Seconds that an answer may take: less than a stop may."""

LARGEST: Final = 1 << 20

NO_BROKER: Final = "no MQTT broker app is installed and running (the Mosquitto broker app is one)"
NOT_ALLOWED: Final = "Supervisor does not let this app ask for the MQTT broker (services: mqtt)"
ODD: Final = "Supervisor's answer is not understood"

Answer = tuple[int, bytes]
Ask = Callable[[str, str], Answer]
"""Ask for a path with a token: the status and the body. Blocks; `OSError` without an answer."""


@dataclass(frozen=True, slots=True)
class App:
    """An app as Supervisor lists it; `slug` is part of its container's name."""

    slug: str
    name: str
    state: str
    version: str
    update_available: bool


@dataclass(frozen=True, slots=True)
class Ourselves:
    """This app as Supervisor sees it. While it is `protected` there is no Docker socket."""

    slug: str
    docker: bool
    protected: bool


class Supervisor:
    """Asks Supervisor. `OSError` with words where it does not tell."""

    def __init__(self, token: Secret, ask: Ask | None = None) -> None:
        self._token = token
        self._ask = ask or asking(HOST)

    async def account(self) -> Account:
        """The broker that an app provides, and who we are there."""
        status, data = await self._get("/services/mqtt")
        if status == HTTPStatus.BAD_REQUEST:
            raise OSError(NO_BROKER)
        if status == HTTPStatus.FORBIDDEN:
            raise OSError(NOT_ALLOWED)
        found = _ok("/services/mqtt", status, data)
        host, scheme = str(found.get("host") or ""), "mqtts" if found.get("ssl") else "mqtt"
        try:
            at = SERVER(f"{scheme}://{host}:{int(found.get('port') or 0)}")
        except (Fault, ValueError, TypeError) as exc:
            raise OSError(ODD) from exc
        user, password = str(found.get("username") or ""), str(found.get("password") or "")
        return Account(username=user, password=Secret(password), servers=(at,))

    async def ourselves(self) -> Ourselves:
        """What it knows of this app."""
        found = _ok("/addons/self/info", *await self._get("/addons/self/info"))
        return Ourselves(
            slug=str(found.get("slug") or ""),
            docker=found.get("docker_api") is True,
            protected=found.get("protected") is True,
        )

    async def apps(self) -> tuple[App, ...]:
        """Every installed app."""
        about = _ok("/supervisor/info", *await self._get("/supervisor/info"))
        found = about.get("addons", about.get("apps"))  # apps are called so since 2026
        if not isinstance(found, list):
            raise OSError(ODD)
        return tuple(_app(each) for each in found if isinstance(each, dict) and each.get("slug"))

    async def _get(self, path: str) -> tuple[int, Any]:
        status, body = await asyncio.to_thread(self._ask, path, self._token.reveal())
        try:
            return status, json.loads(body)
        except (ValueError, RecursionError):
            return status, None


def asking(host: str, port: int = 80) -> Ask:
    """Asks over HTTP, one connection for each question: they are few."""

    def ask(path: str, token: str) -> Answer:
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            return answer.status, answer.read(LARGEST)
        except http.client.HTTPException as exc:
            raise ConnectionError(ODD) from exc
        except OSError as exc:
            told = exc.strerror or "no answer in time"
            raise ConnectionError(f"Supervisor cannot be reached: {told}") from exc
        finally:
            connection.close()

    return ask


def _ok(path: str, status: int, answer: Any) -> Mapping[str, Any]:
    data = answer.get("data") if isinstance(answer, dict) else None
    if status == HTTPStatus.OK and isinstance(data, dict):
        return data
    told = answer.get("message") if isinstance(answer, dict) else None
    raise OSError(f"Supervisor answers {path} with {status}: {told or ODD}")


def _app(row: Mapping[str, Any]) -> App:
    return App(
        slug=str(row["slug"]),
        name=str(row.get("name") or row["slug"]),
        state=str(row.get("state") or "unknown"),
        version=str(row.get("version") or ""),
        update_available=row.get("update_available") is True,
    )
