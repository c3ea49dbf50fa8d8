"""An engine behind ssh: its socket brought here by one `ssh` that runs as long as we are with it.

Every connection of ours goes over that one. What the `docker` command does, a login and a program
on the other side for each connection, costs too much where each container that is read has one;
and many of them over one login end at ten, where sshd ends (MaxSessions). Forwarding has no such
limit.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from towline.errors import SourceError
from towline.sources.docker.address import Address

CONNECT: Final = 20.0
"""Seconds within which ssh must have logged in."""

KEY: Final = "key"
KNOWN_HOSTS: Final = "known_hosts"
_LOOK: Final = 0.05
_SAID: Final = 1 << 14
_OPTIONS: Final = (
    "BatchMode=yes",
    "ConnectTimeout=15",
    "ServerAliveInterval=10",
    "ServerAliveCountMax=3",
    "ExitOnForwardFailure=yes",
    "StreamLocalBindMask=0177",
    "RequestTTY=no",
    "ForwardAgent=no",
    "ForwardX11=no",
    "PermitLocalCommand=no",
    "ControlMaster=no",
    "ControlPath=none",
    "LogLevel=INFO",
)

# Ours, killed, could not end it: the kernel does (prctl 1 is PR_SET_PDEATHSIG, 15 is SIGTERM).
_BOUND: Final = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 15); os.execvp(sys.argv[1], sys.argv[1:])"
)

_WORDS: Final = (
    ("remote host identification has changed", "the host key of {} has changed"),
    (
        "host key verification failed",
        "the host key of {} is not known: log in there once, or give ssh.known_hosts",
    ),
    ("could not resolve hostname", "the name {} is not known"),
    ("error in libcrypto", "ssh.key is not a private key that ssh can read"),
    ("invalid format", "ssh.key is not a private key that ssh can read"),
    ("permission denied", "{} does not take our key"),
    (
        "open failed",  # the same words whichever of the three it is
        "its socket cannot be opened on {}: it must be there, that user must be allowed to open"
        " it, and the ssh server to forward it (AllowStreamLocalForwarding)",
    ),
    ("connection refused", "{} refuses connections: no ssh server there"),
    ("timed out", "{} does not answer"),
    ("no such file or directory", "there is no ssh command on this machine"),
)
"""What ssh prints (in lower case), first match first, and what we say."""


@asynccontextmanager
async def tunnel(address: Address, key: str, known_hosts: str) -> AsyncIterator[Address]:
    """Where the engine's socket stands here; `SourceError` in words where ssh gives them.

    `key` and `known_hosts` are texts; until ssh has logged in they are in files that only we can
    read.
    """
    with tempfile.TemporaryDirectory(prefix="towline-ssh-") as name:
        folder = Path(name)
        here = folder / "docker.sock"
        command = _command(address, here, _files(folder, key, known_hosts))
        said = bytearray()
        try:
            async with _started(command, said) as process:
                await _stands(process, here)
                _forget(folder)
                yield Address(address.url, path=str(here))
        except SourceError as exc:
            told = reason(bytes(said), address.host)
            raise SourceError(told or str(exc)) from exc


def reason(said: bytes, host: str) -> str:
    """What ssh printed, in our words; its own last ones where we know none, empty without any."""
    text = said.decode("utf-8", "replace")
    for sign, words in _WORDS:
        if sign in text.lower():
            return words.format(host)
    return (text.strip().splitlines() or [""])[-1][:300]


def _files(folder: Path, key: str, known_hosts: str) -> list[str]:
    """Options for the files that are given, which are written."""
    options: list[str] = []
    if key:
        _private(folder / KEY, key)
        options += [f"IdentityFile={folder / KEY}", "IdentitiesOnly=yes", "IdentityAgent=none"]
    if known_hosts:
        _private(folder / KNOWN_HOSTS, known_hosts)
        options += [f"UserKnownHostsFile={folder / KNOWN_HOSTS}", "StrictHostKeyChecking=yes"]
        options += [f"GlobalKnownHostsFile={os.devnull}"]
    return options


def _forget(folder: Path) -> None:
    """Leave no key where it is not needed any more: ours, killed, could not remove it."""
    for name in (KEY, KNOWN_HOSTS):
        (folder / name).unlink(missing_ok=True)


def _private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write("\n".join([*text.strip().splitlines(), ""]))


def _command(address: Address, here: Path, options: list[str]) -> Sequence[str]:
    port = ["-p", str(address.port)] if address.port else []
    user = ["-l", address.user] if address.user else []
    settings = [word for option in (*options, *_OPTIONS) for word in ("-o", option)]
    forward = ["-N", "-L", f"{here}:{address.path}"]
    ssh = ["ssh", *settings, *port, *user, *forward, "--", address.host]
    return [sys.executable, "-ISc", _BOUND, *ssh]


@asynccontextmanager
async def _started(command: Sequence[str], said: bytearray) -> AsyncIterator[Process]:
    """A process that is gone, and all it said heard, when this is left."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, start_new_session=True
    )
    listening = asyncio.create_task(_listen(process, said), name="what ssh says")
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        await listening


async def _listen(process: Process, said: bytearray) -> None:
    """Keep the end of what it prints."""
    while process.stderr and (chunk := await process.stderr.read(4096)):
        said += chunk
        del said[:-_SAID]


async def _stands(process: Process, here: Path) -> None:
    """Wait for the socket: ssh makes it once it has logged in."""
    try:
        async with asyncio.timeout(CONNECT):
            while not _is_there(here):
                if process.returncode is not None:
                    raise SourceError(f"ssh ended with code {process.returncode}")
                await asyncio.sleep(_LOOK)
    except TimeoutError as exc:
        raise SourceError(f"ssh has not logged in within {CONNECT:g} s") from exc


def _is_there(path: Path) -> bool:
    return path.exists()
