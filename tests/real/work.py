"""A command that takes a while: one calm line on the terminal, its output in a file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.real.stops import Stopped


class Failed(Exception):
    """A command did not work; the text ends with what it said last."""


def say(text: str) -> None:
    """One line for the person at the terminal."""
    print(f"· {text}", flush=True)


def work(
    text: str,
    command: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    interruptible: bool = True,
) -> None:
    """Run a command quietly; `Failed` with the end of its output when it fails.

    One that must not be interrupted is waited for, even when someone asked to stop.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with log.open("w+b") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
        try:
            _watch(process, text, started)
        except Stopped:
            _wind_up(process, interruptible)
            raise
    if process.returncode:
        print(" failed", flush=True)
        said = "\n".join(log.read_text(errors="replace").splitlines()[-12:])
        raise Failed(f"{text}: failed ({log})\n{said}")
    again = f"\r· {text} …" if sys.stdout.isatty() else ""
    print(f"{again} done in {_seconds(started)}", flush=True)


def _watch(process: subprocess.Popen[bytes], text: str, started: float) -> None:
    print(f"· {text} …", end="", flush=True)
    while True:
        try:
            process.wait(1)
        except subprocess.TimeoutExpired:
            if sys.stdout.isatty():
                print(f"\r· {text} … {_seconds(started)}", end="", flush=True)
        else:
            return


def _wind_up(process: subprocess.Popen[bytes], interruptible: bool) -> None:
    print(flush=True)
    if interruptible:
        os.killpg(process.pid, signal.SIGINT)
    else:
        say("letting the package installation finish")
    try:
        process.wait(10 if interruptible else 300)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def _seconds(started: float) -> str:
    return f"{time.monotonic() - started:.0f} s"
