"""Waiting for something to become true: never a bare sleep in a test."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, TypeVar, overload

T = TypeVar("T")

PAUSE = 0.01


def until(
    predicate: Callable[[], T], timeout: float = 10, what: str = "", *, pause: float = PAUSE
) -> T:
    """The first true value of `predicate`; `TimeoutError` when there is none in time."""
    deadline = time.monotonic() + timeout
    while not (value := predicate()):
        if time.monotonic() > deadline:
            raise TimeoutError(_complaint(predicate, timeout, what, value))
        time.sleep(pause)
    return value


@overload
async def auntil(
    predicate: Callable[[], Awaitable[T]], timeout: float = ..., what: str = ...
) -> T: ...
@overload
async def auntil(predicate: Callable[[], T], timeout: float = ..., what: str = ...) -> T: ...
async def auntil(predicate: Callable[[], Any], timeout: float = 10, what: str = "") -> Any:
    """The same within an event loop; `predicate` may be a coroutine function."""
    deadline = time.monotonic() + timeout
    while not (value := await _value(predicate)):
        if time.monotonic() > deadline:
            raise TimeoutError(_complaint(predicate, timeout, what, value))
        await asyncio.sleep(PAUSE)
    return value


async def _value(predicate: Callable[[], Any]) -> Any:
    value = predicate()
    if isawaitable(value):
        return await value
    return value


def _complaint(predicate: object, timeout: float, what: str, value: object) -> str:
    subject = what or getattr(predicate, "__qualname__", repr(predicate))
    return f"{subject}: still {value!r} after {timeout:g} s"
