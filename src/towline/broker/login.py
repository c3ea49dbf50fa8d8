"""Who we are at a broker, and what we ask of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from towline.broker.topics import fit, segment, status_topic
from towline.config.brokers import Broker, Will
from towline.config.fields import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What a CONNECT says, the broker's name with us, and our patience with it.

    `expiry` is how many seconds the broker keeps our session while we are away. `will` None: it
    says nothing when we are gone. `patience` is how many seconds an acknowledgement may take: the
    kernel of a server that has stopped still takes our bytes.
    """

    broker: str
    client_id: str
    username: str = field(repr=False)
    password: str = field(repr=False)
    keep_alive: int
    clean_session: bool
    expiry: int
    will: Will | None
    patience: float


def login(name: str, settings: Broker, device: str, patience: float) -> Login:
    """What the connection of a device says when it connects."""
    status = Will(topic=status_topic(device), payload="offline", qos=1, retain=True)
    will = settings.will
    if will:
        will = replace(will, topic=fit(will.topic.replace("{device}", segment(device))))
    return Login(
        broker=name,
        client_id=client_id(settings, device),
        username=plain(settings.username),
        password=settings.password.reveal(),
        keep_alive=max(1, round(settings.keep_alive)),
        clean_session=settings.clean_session,
        expiry=min(round(settings.session_expiry), 0xFFFFFFFE),
        will=will or status,
        patience=patience,
    )


def client_id(settings: Broker, device: str) -> str:
    """The client id of a device's connection."""
    return settings.client_id.replace("{device}", device)
