"""A real MQTT subscriber: `mosquitto_sub`, with what it got as values."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from tests.real.until import until

MARK = "towline-message"


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it came."""

    topic: str
    payload: bytes
    qos: int
    retain: bool

    def json(self) -> Any:
        """The payload as JSON."""
        return json.loads(self.payload)


class Listener:
    """Collects messages from the moment it is entered; `messages` grows in order of arrival."""

    def __init__(self, options: Sequence[str]) -> None:
        # Payload as hexadecimal and topic last: neither newlines nor blanks can be mistaken.
        form = f"{MARK} %q %r .%x %t"
        self._command = ["stdbuf", "-oL", "mosquitto_sub", "-d", *options, "-F", form]
        self._popen: subprocess.Popen[str] | None = None
        self._subscribed = threading.Event()
        self.messages: list[Message] = []

    def expect(self, count: int, timeout: float = 10) -> list[Message]:
        """The messages, as soon as there are at least `count`."""
        until(lambda: len(self.messages) >= count, timeout, f"{count} messages")
        return list(self.messages)

    def __enter__(self) -> Self:
        self._popen = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._subscribed.wait(10):
            self.__exit__()
            raise TimeoutError("mosquitto_sub did not subscribe")
        return self

    def __exit__(self, *exc: object) -> None:
        if self._popen is not None:
            self._popen.kill()
            self._popen.wait()
            self._reader.join()
            if self._popen.stdout is not None:
                self._popen.stdout.close()

    def _read(self) -> None:
        if self._popen is None or self._popen.stdout is None:
            return
        for row in self._popen.stdout:
            if row.startswith(MARK):
                self.messages.append(_message(row.rstrip("\n")))
            elif "SUBACK" in row or row.startswith("Subscribed"):
                self._subscribed.set()


def _message(row: str) -> Message:
    _, qos, retain, payload, topic = row.split(" ", 4)
    return Message(topic, bytes.fromhex(payload[1:]), int(qos), retain == "1")
