from __future__ import annotations

import asyncio
from typing import Any, cast

from tests.unit.config.kinds import loaded
from tests.unit.delivery.rig import settle
from towline.actions.runner import Runner
from towline.broker.connection import Connection
from towline.broker.subscriptions import Subscription
from towline.config.subscriptions import Subscription as Settings
from towline.status import Health, State
from towline.subscriptions.listener import Listener


class Line:
    """A connection that remembers who listens."""

    def __init__(self) -> None:
        self.subscription: Subscription | None = None
        self.standing: bool | None = None

    def subscribe(self, topic_filter: str, handler: Any, **how: Any) -> Subscription:
        self.subscription = Subscription(topic_filter, handler, how["qos"], retained=False)
        return self.subscription

    def unsubscribe(self, subscription: Subscription, *, standing: bool) -> None:
        assert subscription is self.subscription
        self.standing = standing


def settings(more: str = "") -> Settings:
    text = "version: 1\nbrokers: {home: {servers: [mqtt://nas]}}\n"
    own = f"subscriptions: {{one: {{broker: home, topic: a/+{more}}}}}\n"
    return loaded(text + own).subscriptions["one"]


def listener(line: Line, own: Settings, *, still: bool = False) -> Listener:
    health = Health()
    runner = Runner("subscriptions.one", [], health)
    connection = cast(Connection, line)
    return Listener("one", own, "pi", connection, runner, health, still=lambda: still)


async def ran(found: Listener) -> asyncio.Task[None]:
    task = asyncio.create_task(found.run())
    await settle()
    return task


async def test_a_refusal_is_told_for_as_long_as_it_lasts() -> None:
    line = Line()
    found = listener(line, settings())
    task = await ran(found)
    assert line.subscription is not None
    assert found.health.state == State.UP
    line.subscription.refused = "not authorised"
    assert (found.health.state, found.health.reason) == (State.DEGRADED, "a/+: not authorised")
    line.subscription.refused = ""
    assert found.health.state == State.UP
    found.drain()
    await task


async def test_the_broker_keeps_what_somebody_goes_on_with() -> None:
    for still in (True, False):
        line = Line()
        found = listener(line, settings(), still=still)
        task = await ran(found)
        found.drain()
        await task
        assert line.standing is still


async def test_one_that_is_switched_off_does_not_listen() -> None:
    line = Line()
    found = listener(line, settings(", enabled: false"))
    task = await ran(found)
    assert line.subscription is None
    assert found.as_json()["enabled"] is False
    found.drain()
    await task
