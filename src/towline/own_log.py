"""Towline's own log: constant text, data as fields, as text or as JSON, and in the store."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, Self

TOLD: Final = {"told": True}
"""Goes into `extra` of what is a record in the store already: it does not become a second one."""

_STANDARD: Final = frozenset(
    {*vars(logging.makeLogRecord({})), *TOLD, "message", "asctime", "taskName"}
)
MOST: Final = 30
"""Warnings that enter the store within `PERIOD` seconds; the rest is counted."""

PERIOD: Final = 60.0
_LEVELS: Final = ((logging.CRITICAL, "fatal"), (logging.ERROR, "error"))


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


def _time(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def _sentence(record: logging.LogRecord) -> str:
    pairs = "".join(f" {key}={_value(value)}" for key, value in _fields(record).items())
    return f"{record.getMessage()}{pairs}"


def _value(value: object) -> str:
    """A value as one word, or quoted so that it can neither end a line nor steer a terminal."""
    text = str(value)
    if text.isprintable() and text and not set(text) & set(' "='):
        return text
    return json.dumps(text, ensure_ascii=not text.isprintable())


class TextFormat(logging.Formatter):
    """`time LEVEL text key=value ...`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the traceback of a fault of ours below it."""
        text = f"{_time(record)} {record.levelname:<7} {_sentence(record)}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


class JsonFormat(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, message, logger, then the fields; a field cannot take their place."""
        found = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            "logger": record.name,
        }
        found = found | _fields(record) | found
        if record.exc_info:
            found["traceback"] = self.formatException(record.exc_info)
        return json.dumps(found, default=str, ensure_ascii=False)


class StoreHandler(logging.Handler):
    """Warnings and errors of this process as records, while it is entered inside a running loop.

    `tell` takes a text and a level, in the loop, whatever thread the warning comes from. What
    telling itself logs is not told: no loop. More than `most` in a period are only counted
    (`left_out`), and the count is told with the next one.
    """

    def __init__(
        self,
        tell: Callable[[str, str], None],
        *,
        most: int = MOST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell
        self._most = most
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._telling = 0
        self._entered = False
        self._began = clock()
        self._told = 0
        self._untold = 0
        self.left_out = 0

    def __enter__(self) -> Self:
        self._entered = True
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *exc: object) -> None:
        logging.getLogger().removeHandler(self)
        self._entered = False

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one on, or count it. The caller holds the handler's lock."""
        if self._telling == threading.get_ident() or not TOLD.keys().isdisjoint(vars(record)):
            return
        if not self._may():
            self.left_out += 1
            self._untold += 1
            return
        text = _sentence(record)
        if record.exc_info and record.exc_info[1] is not None:
            fault = record.exc_info[1]
            text = f"{text}: {type(fault).__name__}: {fault}"
        if self._untold:
            text = f"{text} ({self._untold} more before it are in Towline's own output only)"
            self._untold = 0
        level = next((word for least, word in _LEVELS if record.levelno >= least), "warn")
        with suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            self._loop.call_soon_threadsafe(self._hand_over, text, level)

    def _may(self) -> bool:
        now = self._clock()
        if now - self._began >= PERIOD:
            self._began, self._told = now, 0
        self._told += 1
        return self._told <= self._most

    def _hand_over(self, text: str, level: str) -> None:
        if not self._entered:
            return
        self._telling = threading.get_ident()
        try:
            self._tell(text, level)
        finally:
            self._telling = 0


def begin_logging(level: str, form: str) -> None:
    """Log to standard error from now on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormat() if form == "json" else TextFormat())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("towline").setLevel(level.upper())
