"""How fast records reach a real Mosquitto: `python -m tests.bench.mqtt`. Prints a table.

The subscriber of the latency rows and stock paho, for comparison, run in the same process.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.contract.backends import broker_settings, connected
from tests.integration.mqtt_rig import append, delivering
from tests.real.broker import Broker
from towline.backends.mqtt import Packing
from towline.broker.connection import Connection
from towline.broker.packets import packet_end

PAYLOAD = b"x" * 361
TOPIC = "towline/pi/logs/1/web/info"


async def timed(count: int, work: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Records per second and microseconds of our processor per record, the best of three."""
    best = (0.0, 0.0)
    for _ in range(3):
        wall, cpu = time.perf_counter(), time.process_time()
        await work()
        speed = count / (time.perf_counter() - wall)
        best = max(best, (speed, (time.process_time() - cpu) / count * 1e6))
    return best


def row(name: str, speed: float, cost: float) -> None:
    print(f"{name:<52}{speed:>12,.0f}{cost:>10.1f}")


async def singles(connection: Connection, qos: int, count: int = 30_000) -> tuple[float, float]:
    messages = [(TOPIC, PAYLOAD)] * 500

    async def work() -> None:
        for _ in range(count // 500):
            await connection.publish_all(messages, qos=qos)

    return await timed(count, work)


async def delivered(
    folder: Path, connection: Connection, batch: Packing | None, count: int = 60_000
) -> tuple[float, float]:
    async with delivering(folder, connection, batch=batch) as (store, delivery):
        store.resize(count + 1)
        lines = [f"2026-01-01 INFO request {n} took 12 ms, 200 OK " + "x" * 40 for n in range(500)]

        async def work() -> None:
            for _ in range(count // 500):
                append(store, lines)
                await asyncio.sleep(0)
            while delivery.lag:
                await asyncio.sleep(0.001)

        return await timed(count, work)


def stock_paho(port: int, count: int = 10_000) -> tuple[float, float]:
    """paho with its own thread, a message at a time, until the last is acknowledged."""
    client = Client(CallbackAPIVersion.VERSION2)
    left, done = count, threading.Event()

    def published(*_: object) -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set()

    client.on_publish = published
    client.max_inflight_messages_set(1000)
    client.connect("127.0.0.1", port)
    client.loop_start()
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(count):
        client.publish(TOPIC, PAYLOAD, qos=1)
    done.wait(60)
    result = count / (time.perf_counter() - wall), (time.process_time() - cpu) / count * 1e6
    client.disconnect()
    client.loop_stop()
    return result


async def latency(port: int, connection: Connection, rate: int, count: int) -> list[float]:
    """Milliseconds from `publish` to a subscriber, sorted."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00")
    writer.write(b"\x82\x08\x00\x01\x00\x03lat\x00")
    found: list[float] = []

    async def receive() -> None:
        buffer = b""
        while len(found) < count:
            buffer += await reader.read(65536)
            while 0 < (end := packet_end(buffer, 0)) <= len(buffer):
                if buffer[0] & 0xF0 == 0x30:
                    found.append((time.perf_counter() - float(buffer[7:end])) * 1000)
                buffer = buffer[end:]

    receiving = asyncio.create_task(receive())
    await asyncio.sleep(0.2)
    for _ in range(count):
        await connection.publish("lat", b"%f" % time.perf_counter())
        await asyncio.sleep(1 / rate)
    await asyncio.wait_for(receiving, 10)
    writer.close()
    return sorted(found)


async def main() -> None:
    """Measure and print."""
    title = "361-byte records, until the last acknowledgement"
    with tempfile.TemporaryDirectory() as name, Broker(Path(name) / "broker") as broker:
        print(f"{title:<52}{'records/s':>12}{'us CPU':>10}")
        row(
            "stock paho, own thread, single, QoS 1",
            *await asyncio.to_thread(stock_paho, broker.port),
        )
        for version in ("5", "3.1.1"):
            async with connected(broker_settings(broker.url, version=version)) as connection:
                for qos in (0, 1, 2):
                    row(
                        f"connection, single, MQTT {version}, QoS {qos}",
                        *await singles(connection, qos),
                    )
        async with connected(broker_settings(broker.url)) as connection:
            for text, batch in (
                ("single", None),
                ("batches of 50", Packing(max_age=1, max_records=50, compression="none")),
            ):
                speed = await delivered(Path(name) / text, connection, batch)
                row(f"encode, store in memory, delivery, {text}, QoS 1", *speed)
            for rate in (100, 1000):
                times = await latency(broker.port, connection, rate, rate * 3)
                p50, p99 = statistics.median(times), times[int(len(times) * 0.99)]
                print(f"latency to a subscriber at {rate}/s: p50 {p50:.2f} ms, p99 {p99:.2f} ms")


if __name__ == "__main__":
    asyncio.run(main())
