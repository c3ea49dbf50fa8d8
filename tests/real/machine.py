"""What this machine already has: a Docker Engine, a broker, a free port."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.real.broker import ACCEPTED, REFUSED, greeting
from tests.real.engine import answers
from tests.real.work import Failed, say

SOCKET = "unix:///var/run/docker.sock"
USUAL_BROKER = ("127.0.0.1", 1883)
USUAL_PORT = 8099


def engine(environ: Mapping[str, str]) -> str:
    """The address of the Docker Engine to use, empty when there is none."""
    if given := environ.get("DOCKER_HOST"):
        return given
    return SOCKET if answers(SOCKET) else ""


def engine_answers(host: str) -> bool:
    """Whether it can be talked to right now, also by SSH or TLS."""
    if answers(host):
        return True
    if shutil.which("docker") is None:
        return False
    command = ["docker", "-H", host, "version"]
    return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0


def broker(environ: Mapping[str, str]) -> str:
    """The URL of the broker to use, empty when there is none."""
    if given := environ.get("MQTT_BROKER"):
        return given
    host, port = USUAL_BROKER
    user, password = environ.get("MQTT_USERNAME", ""), environ.get("MQTT_PASSWORD", "")
    answer = greeting(host, port, username=user, password=password)
    if answer == REFUSED:
        say(f"the broker on {host}:{port} wants a password (MQTT_USERNAME, MQTT_PASSWORD)")
    return f"mqtt://{host}:{port}" if answer == ACCEPTED else ""


def split_address(text: str) -> tuple[str, int]:
    """`HOST:PORT` as a pair; an IPv6 host stands in brackets."""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or not port:
        raise Failed(f"--listen {text}: expected HOST:PORT")
    return host, port


def listen_address(given: str) -> str:
    """The given `HOST:PORT`, if it is free, or a free loopback port near the usual one."""
    if given:
        if not is_free(*split_address(given)):
            raise Failed(f"{given} is taken; choose another with --listen HOST:PORT")
        return given
    for port in range(USUAL_PORT, USUAL_PORT + 20):
        if is_free_here(port):
            if port != USUAL_PORT:
                say(f"port {USUAL_PORT} is taken; using {port}")
            return f"127.0.0.1:{port}"
    raise Failed("no free port near the usual one; choose one with --listen HOST:PORT")


def is_free(host: str, port: int) -> bool:
    """Whether one can listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def is_free_here(port: int) -> bool:
    """Whether one can listen on this loopback port."""
    return is_free("127.0.0.1", port)


@contextmanager
def alone(folder: Path, what: str) -> Iterator[None]:
    """Hold a folder for the length of the block; `Failed` when someone else does."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Failed(f"another {what} is using {folder}") from None
    else:
        yield
    finally:
        os.close(descriptor)
