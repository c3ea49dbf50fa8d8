"""Tries a broker's settings step by step, and says of each step how it went. Changes nothing."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from towline.broker.certificate import Certificate, certificate_of
from towline.broker.dial import Dialer, NotTaken
from towline.broker.filters import identifier
from towline.broker.incoming import Inbox
from towline.broker.link import Link
from towline.broker.login import login
from towline.broker.reasons import network_reason, reason
from towline.broker.report import Report, Step
from towline.broker.server import Server, server
from towline.broker.topics import device_topic
from towline.config.brokers import Broker
from towline.errors import DeliveryError
from towline.tls import Credentials

LONGEST: Final = 20.0
"""Seconds for everything together."""

STEP: Final = 5.0
ECHO: Final = 3.0
_SOFTWARE: Final = "$SYS/broker/version"
_TOLD: Final = (
    "ReceiveMaximum",
    "MaximumPacketSize",
    "MaximumQoS",
    "RetainAvailable",
    "SessionExpiryInterval",
    "ServerKeepAlive",
)

Guard = Callable[[Server, str], str]
"""Why an address of a server may not be tried, in words; empty where it may."""


def anywhere(at: Server, address: str) -> str:
    """Every address may be tried."""
    return ""


class _Failed(Exception):
    """A step went wrong; the later ones make no sense."""


class Probe:
    """One test of one broker's settings."""

    def __init__(
        self, settings: Broker, device: str, folder: Path, guard: Guard = anywhere
    ) -> None:
        self._settings = settings
        self._device = device
        self._dialer = Dialer(
            settings.version, Credentials(settings.tls, folder), settings.alpn, self._arrived
        )
        self._guard = guard
        self._report = Report()
        self._inbox = Inbox(100)
        self._answers: dict[int, asyncio.Future[int]] = {}
        self._at = ""

    async def run(self) -> Report:
        """Try the servers in their order until one takes us; never raises for what it finds."""
        report = self._report
        try:
            async with asyncio.timeout(LONGEST):
                for at in map(server, self._settings.servers):
                    report.error = None
                    try:
                        await self._server(at)
                    except _Failed as exc:
                        report.error = f"{at.text}: {exc}"
                    if report.connected:
                        break
        except TimeoutError:
            report.error = f"{self._at}: not done after {LONGEST:.0f} s"
        return report

    async def _server(self, at: Server) -> None:
        self._at = at.text
        at = await self._reached(at, await self._resolved(at))
        if at.tls:
            await self._verified(at)
        link = await self._taken(at)
        try:
            await self._used(link)
        finally:
            await link.leave((), 1.0)

    async def _resolved(self, at: Server) -> list[str]:
        """The addresses behind a name. It is asked once: it may say another one later."""
        began = time.monotonic()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(STEP):
                found = await loop.getaddrinfo(at.host, at.port, proto=6)
        except (OSError, UnicodeError) as exc:
            told = network_reason(exc) if isinstance(exc, OSError) else "not a name"
            raise self._failed("dns", told, began) from exc
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
        for address in addresses:
            if denied := self._guard(at, address):
                raise self._failed("dns", denied, began)
        self._passed("dns", ", ".join(addresses[:8]), began)
        return addresses

    async def _reached(self, at: Server, addresses: list[str]) -> Server:
        """The server at the first address that answers; everything after this goes there."""
        began = time.monotonic()
        told = ""
        for address in addresses:
            try:
                async with asyncio.timeout(STEP):
                    _, writer = await asyncio.open_connection(address, at.port)
            except OSError as exc:
                told = network_reason(exc)
                continue
            writer.transport.abort()
            self._passed("tcp", f"connected to {address}", began)
            return replace(at, address=address)
        raise self._failed("tcp", told, began)

    async def _verified(self, at: Server) -> None:
        began = time.monotonic()
        try:
            async with asyncio.timeout(STEP):
                context = await self._dialer.context(at)
                found = await certificate_of(at, context)
        except OSError as exc:
            told = network_reason(exc)
            shown = await self._shown(at)
            raise self._failed("tls", f"{told}{shown}", began) from exc
        self._passed("tls", str(found), began)

    async def _shown(self, at: Server) -> str:
        """What a server that is not trusted shows of itself."""
        try:
            async with asyncio.timeout(STEP):
                found: Certificate | None = await certificate_of(at, None)
        except OSError:
            found = None
        return f" ({found})" if found else ""

    async def _taken(self, at: Server) -> Link:
        began = time.monotonic()
        own = login("test", self._settings, self._device, STEP)
        guest = replace(
            own,
            client_id=f"{own.client_id}-test-{secrets.token_hex(2)}",
            clean_session=True,
            will=None,
        )
        try:
            link = await self._dialer.open(at, guest)
        except NotTaken as exc:
            raise self._failed("connect", str(exc), began) from exc
        version = "5" if link.version_5 else "3.1.1"
        self._report.connected = True
        limits = {key: link.told[key] for key in _TOLD if key in link.told}
        self._report.broker_info = {"version": version, "server": at.url, "limits": limits}
        self._passed("connect", f"taken, MQTT {version}", began)
        return link

    async def _used(self, link: Link) -> None:
        """Publish to a topic of our own and listen to it."""
        link.on_answer = self._answered
        topic = device_topic(self._device, f"test/{secrets.token_hex(4)}")
        began = time.monotonic()
        heard = await self._subscribed(link, topic)
        if heard:
            told = self._wrong("subscribe", f"{heard} ({topic})", began)
            self._report.error = f"{self._at}: {told}"
        else:
            self._passed("subscribe", "allowed", began)
        began = time.monotonic()
        try:
            async with asyncio.timeout(STEP):
                await link.publish([(topic, b"towline")], 1, retain=False).done
        except (DeliveryError, TimeoutError) as exc:
            told = f"{str(exc) or 'no answer'} ({topic})"
            raise self._failed("publish", told, began) from exc
        if heard:
            self._passed("publish", "taken", began)
            return
        try:
            async with asyncio.timeout(ECHO):
                await anext(self._inbox)
        except TimeoutError:
            told = "taken, and yet it did not come back: the broker dropped it without a word"
            raise self._failed("publish", told, began) from None
        self._report.latency_ms = round((time.monotonic() - began) * 1000, 3)
        self._passed("publish", "came back", began)
        await self._software(link)

    async def _software(self, link: Link) -> None:
        """What the broker calls itself, where we may know."""
        if await self._subscribed(link, _SOFTWARE):
            return
        try:
            async with asyncio.timeout(0.5):
                found = await anext(self._inbox)
        except TimeoutError:
            return
        self._report.broker_info["software"] = found.payload[:100].decode(errors="replace")

    async def _subscribed(self, link: Link, topic_filter: str) -> str:
        """Why the broker does not let us listen; empty where it does."""
        number = link.subscribe(topic_filter, 1, identifier(topic_filter), retained=True)
        answer = self._answers.setdefault(number, asyncio.get_running_loop().create_future())
        try:
            async with asyncio.timeout(STEP):
                code = await answer
        except TimeoutError:
            return "no answer"
        return reason(code) if code >= 0x80 else ""

    def _answered(self, number: int, code: int) -> None:
        answer = self._answers.setdefault(number, asyncio.get_running_loop().create_future())
        if not answer.done():
            answer.set_result(code)

    def _arrived(self, message: Any) -> None:
        message.acknowledge()
        self._inbox(message)

    def _passed(self, step: str, text: str, began: float) -> None:
        self._add(step, text, began, ok=True)

    def _wrong(self, step: str, text: str, began: float) -> str:
        self._add(step, text, began, ok=False)
        return f"{step}: {text}"

    def _failed(self, step: str, text: str, began: float) -> _Failed:
        return _Failed(self._wrong(step, text, began))

    def _add(self, step: str, text: str, began: float, *, ok: bool) -> None:
        ms = round((time.monotonic() - began) * 1000, 1)
        self._report.steps.append(Step(server=self._at, step=step, ok=ok, text=text, ms=ms))


async def probe(
    settings: Broker, device: str, folder: Path, guard: Guard = anywhere
) -> dict[str, Any]:
    """The report of a test, as the API serves it."""
    return (await Probe(settings, device, folder, guard).run()).as_json()
