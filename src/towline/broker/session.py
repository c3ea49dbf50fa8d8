"""What paho-mqtt does for us: it connects, pings, subscribes and reads whatever is no
acknowledgement of ours. It never sees a socket.

paho's own socket would block in connect, lacks TCP_NODELAY and takes three system calls for an
acknowledgement; here it gets a stand-in whose bytes another one carries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from towline.broker.incoming import Incoming
from towline.broker.login import Login

MOST_UNACKNOWLEDGED: Final = 256
"""Messages of QoS 1 and 2 that a broker of MQTT 5 may send us before we acknowledge one."""

LARGEST_IN: Final = 16 * 1024 * 1024
_NEVER_RETAINED: Final = 2


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

    def arrived(self, message: Incoming) -> None:
        """A message came."""

    def answered(self, number: int, code: int) -> None:
        """The server's answer to a `subscribe`."""


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
        self._numbered = False
        self._pipe = _Pipe(wire)
        self._paho = self._client()

    def connect(self) -> None:
        """Send the CONNECT."""
        login = self._login
        if not self._version_5:
            self._paho.connect("broker", keepalive=login.keep_alive)
            return
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.ReceiveMaximum = MOST_UNACKNOWLEDGED
        properties.MaximumPacketSize = LARGEST_IN
        if not login.clean_session:
            properties.SessionExpiryInterval = login.expiry
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

    def disconnect(self) -> None:
        """Send a DISCONNECT: the server then forgets our last will."""
        self._leaving = True
        self._paho.disconnect()

    def subscribe(self, topic_filter: str, qos: int, number: int, *, retained: bool) -> int:
        """Ask for a filter's messages; the number that `answered` will bear."""
        if not self._version_5:
            return self._paho.subscribe(topic_filter, qos)[1] or 0
        options = SubscribeOptions(qos, retainHandling=0 if retained else _NEVER_RETAINED)
        properties = None
        if self._numbered:
            properties = Properties(PacketTypes.SUBSCRIBE)  # type: ignore[no-untyped-call]
            properties.SubscriptionIdentifier = number
        return self._paho.subscribe(topic_filter, options=options, properties=properties)[1] or 0

    def unsubscribe(self, topic_filter: str) -> int:
        """Ask for them no longer."""
        return self._paho.unsubscribe(topic_filter)[1] or 0

    def _client(self) -> _Paho:
        login = self._login
        version = MQTTProtocolVersion.MQTTv5 if self._version_5 else MQTTProtocolVersion.MQTTv311
        client = _Paho(
            CallbackAPIVersion.VERSION2,
            client_id=login.client_id,
            clean_session=None if self._version_5 else login.clean_session,
            protocol=version,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.pipe = self._pipe
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        if login.will:
            will = login.will
            client.will_set(will.topic, will.payload.encode(), will.qos, will.retain)
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
        self._numbered = bool(told.get("SubscriptionIdentifierAvailable", 1))
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
        elif not self._leaving:
            self._wire.ended("the broker broke the protocol")

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        mid, qos = message.mid, message.qos
        try:
            topic = message.topic
        except UnicodeDecodeError:
            client.ack(mid, qos)  # no filter of ours can have asked for it
            return
        self._wire.arrived(
            Incoming(
                topic,
                bytes(message.payload),
                qos=qos,
                retained=message.retain,
                identifiers=tuple(getattr(message.properties, "SubscriptionIdentifier", ())),
                acknowledge=lambda: self._acknowledge(mid, qos),
            )
        )

    def _acknowledge(self, mid: int, qos: int) -> None:
        if qos:
            self._paho.ack(mid, qos)

    def _on_subscribe(
        self,
        client: Client,
        userdata: Any,
        number: int,
        codes: Sequence[ReasonCode],
        properties: Properties | None,
    ) -> None:
        self._wire.answered(number, codes[0].value if codes else 0)
