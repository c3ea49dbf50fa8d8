"""What paho-mqtt does for us: it connects, pings, subscribes and reads whatever is no
acknowledgement of ours. It never sees a socket.

paho's own socket would block in connect, lacks TCP_NODELAY and takes three system calls for an
acknowledgement; here it gets a stand-in whose bytes another one carries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

SESSION_EXPIRY: Final = 24 * 3600
"""Seconds that a broker keeps our session while we are away."""

_KEEP_ALIVE_TIMEOUT: Final = 0x8D


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What a CONNECT says, the broker's name with us, and our patience with it.

    `patience` is how many seconds an acknowledgement may take: the kernel of a server that has
    stopped still takes our bytes.
    """

    broker: str
    client_id: str
    username: str = field(repr=False)
    password: str = field(repr=False)
    keep_alive: int
    clean_session: bool
    status_topic: str
    patience: float


class Wire(Protocol):
    """What carries the session's bytes and hears what becomes of it."""

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def welcomed(self, told: Mapping[str, Any], *, session_kept: bool) -> None:
        """The server took us; `told` holds what its CONNACK says by property name."""

    def dismissed(self, code: int) -> None:
        """The server said that it closes, and why."""

    def ended(self, why: str) -> None:
        """paho gives up."""


class _Pipe:
    """Stands in for a socket towards paho."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._waiting = b""

    def fill(self, packet: bytes) -> None:
        self._waiting = packet

    def recv(self, size: int) -> bytes:
        if not self._waiting:
            raise BlockingIOError
        data, self._waiting = self._waiting[:size], self._waiting[size:]
        return data

    def send(self, data: bytes | bytearray) -> int:
        self._wire.write(bytes(data))
        return len(data)

    def close(self) -> None:
        """Closing is told by `ended` and `dismissed`."""

    def fileno(self) -> int:
        return -1

    def setblocking(self, _: bool) -> None:
        """Never blocks."""


class _Paho(Client):
    pipe: _Pipe

    def _create_socket(self) -> Any:
        return self.pipe


class Session:
    """One MQTT session from CONNECT to its end, made anew for every connection."""

    def __init__(self, login: Login, wire: Wire, *, version_5: bool) -> None:
        self._login = login
        self._wire = wire
        self._version_5 = version_5
        self._leaving = False
        self._pipe = _Pipe(wire)
        self._paho = self._client()

    def connect(self) -> None:
        """Send the CONNECT."""
        login = self._login
        if not self._version_5:
            self._paho.connect("broker", keepalive=login.keep_alive)
            return
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        if not login.clean_session:
            properties.SessionExpiryInterval = SESSION_EXPIRY
        self._paho.connect(
            "broker",  # paho wants a name; the connection is there already
            keepalive=login.keep_alive,
            clean_start=login.clean_session,
            properties=properties,
        )

    def take(self, packet: bytes) -> None:
        """Read one whole packet."""
        self._pipe.fill(packet)
        self._paho.loop_read()

    def tick(self) -> None:
        """Send pings and look for missing answers; about once a second."""
        self._paho.loop_misc()

    def disconnect(self) -> None:
        """Send a DISCONNECT: the server then forgets our last will."""
        self._leaving = True
        self._paho.disconnect()

    def _client(self) -> _Paho:
        login = self._login
        version = MQTTProtocolVersion.MQTTv5 if self._version_5 else MQTTProtocolVersion.MQTTv311
        client = _Paho(
            CallbackAPIVersion.VERSION2,
            client_id=login.client_id,
            clean_session=None if self._version_5 else login.clean_session,
            protocol=version,
            reconnect_on_failure=False,
        )
        client.pipe = self._pipe
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.will_set(login.status_topic, b"offline", qos=1, retain=True)
        if login.username:
            client.username_pw_set(login.username, login.password or None)
        return client

    def _on_connect(
        self,
        client: Client,
        userdata: Any,
        flags: ConnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        told: dict[str, Any] = properties.json() if properties else {}  # type: ignore[no-untyped-call]
        self._wire.welcomed(told, session_kept=bool(flags.session_present))

    def _on_disconnect(
        self,
        client: Client,
        userdata: Any,
        flags: DisconnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._wire.dismissed(code.value)
        elif code.value == _KEEP_ALIVE_TIMEOUT:
            self._wire.ended("no answer from the broker")
        elif not self._leaving:
            self._wire.ended("the broker broke the protocol")
