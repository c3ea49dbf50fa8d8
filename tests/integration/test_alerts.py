"""Alerts in the whole program: real containers, a real broker, a real web server."""

from __future__ import annotations

import json
from pathlib import Path

from tests.integration.alert_rig import alert, running, serving, told
from tests.real.broker import Broker
from tests.real.containers import Containers
from tests.real.engine import Engine
from tests.real.until import auntil


def text(engine: Engine, broker: Broker, alerts: str) -> str:
    return f"""version: 1
device: {{id: pi}}
sources:
  docker: {{type: docker, url: "{engine.host}"}}
brokers:
  home: {{servers: ["{broker.url}"]}}
alerts:
{alerts}
"""


async def test_a_pattern_of_a_real_container_reaches_broker_and_web_server(
    engine: Engine, broker: Broker, containers: Containers, tmp_path: Path
) -> None:
    file = tmp_path / "towline.yaml"
    async with serving() as server:
        file.write_text(
            text(
                engine,
                broker,
                f"""  db_down:
    match: {{container: alarming, regex: "(?i)database"}}
    over: 3 in 1m
    cooldown: 10m
    with_lines: 5
    actions:
      - publish: {{broker: home, topic: "pattern/{{container}}", payload: {{text: "{{message}}"}}}}
      - http: {{url: "{server.url}/{{alert}}?of={{container}}", headers: {{Title: "{{count}}x"}}}}
      - notify: {{}}
""",
            )
        )
        with broker.listen("#") as listener:
            async with running(file, tmp_path / "data") as towline:
                script = (
                    'for i in 1 2 3 4 5 6; do echo "$i Database \\"lost\\"" >&2; done; sleep 60'
                )
                containers.run(script, name="alarming")
                await auntil(lambda: alert(towline, "db_down")["counters"].get("executed") == 3, 60)
                row = alert(towline, "db_down")
                fired = await told(towline)
    published = next(m for m in listener.messages if m.topic == "pattern/alarming")
    assert published.json() == {"text": '3 Database "lost"'}
    notified = next(m for m in listener.messages if m.topic == "towline/pi/alerts/db_down")
    assert notified.json()["record"]["message"] == '3 Database "lost"'
    assert not notified.retain
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/db_down?of=alarming")
    assert request.headers["Title"] == "3x"
    document = json.loads(request.body)
    assert (document["state"], document["count"], document["group"]) == ("fired", 3, "alarming")
    assert document["lines"][-1]["isStdErr"] is True
    assert row["counters"]["fired"] == 1
    assert row["lastFired"]
    assert len(fired) == 1


async def test_a_crash_brings_the_last_lines_of_both_streams(
    engine: Engine, broker: Broker, containers: Containers, tmp_path: Path
) -> None:
    file = tmp_path / "towline.yaml"
    file.write_text(
        text(
            engine,
            broker,
            """  crashed:
    match: {container: "crash-*"}
    event: die
    unless_exit: [0, 143]
    with_lines: 50
    actions: [{publish: {broker: home, topic: "crash/{container}/{exit_code}"}}]
""",
        )
    )
    with broker.listen("crash/#") as listener:
        async with running(file, tmp_path / "data") as towline:
            await auntil(lambda: towline.status()["sources.docker"]["state"] == "up", 60)
            containers.run("echo fine", name="crash-not")
            containers.run("echo one; echo two >&2; exit 3", name="crash-yes")
            await auntil(lambda: listener.messages, 60)
    (message,) = listener.messages
    assert message.topic == "crash/crash-yes/3"
    found = message.json()
    assert found["record"]["fields"] == {"event": "die", "exitCode": 3}
    lines = {(line["message"], line["isStdErr"]) for line in found["lines"]}
    assert lines == {("one", False), ("two", True)}


def small(alerts: str, broker: str = "mqtt://127.0.0.1:1") -> str:
    """Lines of a small program instead of containers."""
    head = "version: 1\ndevice: {id: pi}\nsources: {demo: {type: demo, interval: 50ms}}\n"
    return f'{head}brokers: {{home: {{servers: ["{broker}"]}}}}\nalerts:\n{alerts}\n'


async def test_a_broker_that_is_away_gets_the_alarm_when_it_is_back(tmp_path: Path) -> None:
    file, own = tmp_path / "towline.yaml", Broker(tmp_path / "broker")
    rule = "  any: {match: {}, cooldown: 1h, group: all, actions: [{notify: {}}]}"
    file.write_text(small(rule, own.url))
    async with running(file, tmp_path / "data") as towline:
        await auntil(lambda: alert(towline, "any")["state"] == "degraded", 60)
        assert alert(towline, "any")["reason"].startswith("notify: broker home")
    with own, own.listen("towline/pi/alerts/#") as listener:
        async with running(file, tmp_path / "data") as towline:
            await auntil(lambda: listener.messages, 60)
            await auntil(lambda: alert(towline, "any")["state"] == "up", 60)
            assert len(listener.messages) == 1


async def test_an_edit_of_one_alert_leaves_the_others_and_their_windows_alone(
    tmp_path: Path,
) -> None:
    file = tmp_path / "towline.yaml"
    kept = "  kept: {match: {}, over: 1000 in 1h, group: all, actions: [{log: {}}]}\n"
    file.write_text(small(kept + "  edited: {match: {}, over: 900 in 1h, actions: [{log: {}}]}"))
    async with running(file, tmp_path / "data") as towline:
        await auntil(lambda: alert(towline, "kept")["counters"].get("matched", 0) > 10, 60)
        part = towline.parts()["alerts.kept"]
        changed = small(kept + "  edited: {match: {}, over: 800 in 1h, actions: [{log: {}}]}")
        file.write_text(changed)
        other = towline.parts()["alerts.edited"]
        await auntil(lambda: towline.parts()["alerts.edited"] is not other, 60)
        assert towline.parts()["alerts.kept"] is part
        file.write_text(changed.replace("mqtt://127.0.0.1:1", "mqtt://127.0.0.1:2"))
        broker = towline.parts()["brokers.home"]
        await auntil(lambda: towline.parts()["brokers.home"] is not broker, 60)
        assert towline.parts()["alerts.kept"] is part


async def test_alerts_on_everything_do_not_fire_on_each_other(tmp_path: Path) -> None:
    file = tmp_path / "towline.yaml"
    rule = "match: {regex: configuration}, cooldown: off, actions: [{log: {}}]"
    file.write_text(small(f"  one: {{{rule}}}\n  two: {{{rule}}}"))
    async with running(file, tmp_path / "data") as towline:
        await auntil(lambda: alert(towline, "two")["lag"] == 0)
        before = alert(towline, "one")["counters"].get("fired", 0)
        file.write_text(file.read_text().replace("pi", "pi", 1) + "routes: [{to: nowhere}]\n")
        await auntil(lambda: towline.status()["configuration"]["state"] == "degraded", 60)
        await auntil(lambda: alert(towline, "one")["counters"].get("fired", 0) > before, 60)
        await auntil(lambda: alert(towline, "two")["counters"].get("executed", 0) > 0, 60)
        await auntil(lambda: alert(towline, "one")["lag"] == 0)
        fired = alert(towline, "one")["counters"]["fired"] - before
        assert fired == 1  # the refused file, and none of the records that tell of alerts
