"""Debian packages: which tools are missing, and installing those without starting anything."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.real.work import Failed, say, work


@dataclass(frozen=True, slots=True)
class Tool:
    """A program, the Debian package that brings it and what it is for."""

    command: str
    package: str
    purpose: str


ENGINE = (
    Tool("dockerd", "docker.io", "a Docker Engine for the containers"),
    Tool("docker", "docker-cli", "the docker command"),
)
IMAGE = (Tool("busybox", "busybox-static", "the content of their image"),)
BROKER = (Tool("mosquitto", "mosquitto", "an MQTT broker"),)
CLIENTS = (Tool("mosquitto_sub", "mosquitto-clients", "to look at MQTT messages"),)
GIT = (
    Tool("git", "git", "a configuration that follows a repository"),
    Tool("ssh", "openssh-client", "repositories over ssh"),
)
TESTS = (
    Tool("journalctl", "systemd", "tests of the journal"),
    Tool("debootstrap", "debootstrap", "a root filesystem for a real Home Assistant"),
    Tool("sshd", "openssh-server", "tests of repositories over ssh"),
    Tool("rsyslogd", "rsyslog-gnutls", "tests of records to a syslog server"),
    Tool("chromium", "chromium", "tests of the page"),
    Tool("jq", "jq", "tests that stored files are plain JSON"),
    Tool("strace", "strace", "tests of disks that fail"),
    Tool("debootstrap", "debootstrap", "the base of the image that tests build"),
    Tool("zstd", "zstd", "tests that compressed files are plain zstd"),
)
LISTS = Path("/var/lib/apt/lists")
QUIET = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}

ALL = (*ENGINE, *IMAGE, *BROKER, *CLIENTS, *GIT, *TESTS)


def missing(tools: Iterable[Tool], which: Callable[[str], str | None] = shutil.which) -> list[Tool]:
    """Those of `tools` that are not on this machine."""
    lacking = [tool for tool in tools if which(tool.command) is None]
    # Debian 12 ships the docker command with its engine, later releases beside it.
    with_engine = any(tool.package == "docker.io" for tool in lacking)
    return [tool for tool in lacking if not (with_engine and tool.package == "docker-cli")]


def venv_missing() -> list[Tool]:
    """Debian's Python comes without what makes a virtual environment."""
    if importlib.util.find_spec("ensurepip") and importlib.util.find_spec("venv"):
        return []
    return [Tool("", "python3-venv", "an own environment for Python packages")]


def install(tools: Iterable[Tool], logs: Path) -> None:
    """Install the packages of `tools` that are missing; `Failed` where that is not possible."""
    lacking = list(tools)
    if not lacking:
        return
    for tool in lacking:
        say(f"needs {tool.package}: {tool.purpose}")
    packages = [tool.package for tool in lacking]
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise Failed(f"cannot install here; as root: apt-get install {' '.join(packages)}")
    _fetch(packages, logs)
    work(
        "installing them",
        [*_apt(), *_no_services(logs), "install", *packages],
        log=logs / "apt-install.log",
        env=QUIET,
        interruptible=False,
    )


def _apt() -> list[str]:
    return ["apt-get", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120"]


def _fetch(packages: list[str], logs: Path) -> None:
    # Downloading may be interrupted, unpacking may not: two commands.
    command = [*_apt(), "install", "--download-only", *packages]
    if any(LISTS.glob("*_Packages*")):
        try:
            work("downloading them", command, log=logs / "apt-download.log", env=QUIET)
        except Failed:
            say("the package lists may be old")
        else:
            return
    update = ["apt-get", "update"]
    work("updating the package lists", update, log=logs / "apt-update.log", env=QUIET)
    work("downloading them", command, log=logs / "apt-download.log", env=QUIET)


def _no_services(logs: Path) -> list[str]:
    """Keep the packages from starting their services, for this one call of apt-get.

    A policy-rc.d would do it too, but that file is the machine's and not ours.
    """
    folder = logs / "no-services"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("invoke-rc.d", "deb-systemd-invoke"):
        script = folder / name
        script.write_text("#!/bin/sh\nexit 0\n")
        script.chmod(0o755)
    return ["-o", f"DPkg::Path={folder}:/usr/sbin:/usr/bin:/sbin:/bin"]


def mirror() -> str:
    """Where this machine itself gets Debian packages."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return next(address for address in done.stdout.split() if "security" not in address)
