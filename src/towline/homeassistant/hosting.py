"""Running as an app of Home Assistant: what Supervisor provides, and the options of the app."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from towline.config.compound import checked
from towline.config.environment import Overrides
from towline.config.git import SCHEMA as GIT
from towline.config.settings import Secret
from towline.homeassistant.beginning import first_text
from towline.homeassistant.supervisor import Supervisor

_log = logging.getLogger(__name__)

TOKEN: Final = "SUPERVISOR_TOKEN"
INGRESS: Final = "172.30.32.2"
"""Supervisor's own address: whoever comes from there was let in by Home Assistant."""

LISTEN: Final = "0.0.0.0:8099"
DATA: Final = Path("/data")
CONFIG: Final = Path("/config")
SOCKET: Final = Path("/run/docker.sock")

_PRIVATE: Final = frozenset({TOKEN, "HASSIO_TOKEN"})
_JOURNAL: Final = {"type": "journald", "containers": True}
_WITH_ENGINE: Final = {"docker": {"type": "docker"}, "journal": {"type": "journald"}}
_WITHOUT: Final = {"journal": _JOURNAL}


@dataclass(frozen=True, slots=True, kw_only=True)
class AppOptions:
    """The options of the app. `faults` say what of them could not be used."""

    config_file: str = "towline.yaml"
    log_level: str = "info"
    git_url: str = ""
    git_token: str = field(default="", repr=False)
    encryption_key: str = field(default="", repr=False)
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosting:
    """What Towline runs on as an app. Folders are Supervisor's, always the same."""

    supervisor: Supervisor
    options: AppOptions
    ingress: str = INGRESS
    data: Path = DATA
    config: Path = CONFIG
    socket: Path = SOCKET

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """The environment without what is Supervisor's, with the key for encrypted values."""
        found = {name: text for name, text in given.items() if name not in _PRIVATE}
        if self.options.encryption_key:
            found["TOWLINE_KEY"] = self.options.encryption_key
        return found

    def overrides(self, data: str | None, listen: str | None) -> Overrides:
        """What stands above the file, and the sources where it names none.

        The socket comes and goes with Protection mode: what is there decides at every start.
        """
        options = self.options
        git = _git(options.git_url, options.git_token)
        sources = _WITH_ENGINE if self.socket.is_socket() else _WITHOUT
        data, listen = data or str(self.data), listen or LISTEN
        return Overrides(data=data, listen=listen, git=git, sources=sources)

    def file(self, given: Path | None) -> Path:
        """The configuration; written with comments where there is none."""
        for fault in self.options.faults:
            _log.warning("an option of the app is not used", extra={"reason": fault})
        if given is not None:
            return given
        file = self.config / self.options.config_file
        if not file.exists():
            _begin(file)
        return file


def _begin(file: Path) -> None:
    """Write the first configuration, whole or not at all."""
    new = file.with_name(f".{file.name}.new")
    try:
        new.write_text(first_text(), "utf-8")
        new.replace(file)
    except OSError as exc:
        about = {"file": str(file), "reason": exc.strerror}
        _log.error("the first configuration is not written", extra=about)
    else:
        _log.info("the first configuration is written", extra={"file": str(file)})


def hosting(environment: Mapping[str, str], data: Path = DATA) -> Hosting:
    """What Supervisor provides; the options are read once."""
    return Hosting(
        supervisor=Supervisor(Secret(environment[TOKEN])),
        options=options_of(data / "options.json"),
    )


def options_of(file: Path) -> AppOptions:
    """The options that Supervisor has written; what is at fault counts as not given."""
    try:
        found = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return AppOptions()
    except (OSError, ValueError, RecursionError) as exc:
        return AppOptions(faults=(f"{file.name} cannot be read: {exc}",))
    if not isinstance(found, dict):
        return AppOptions(faults=(f"{file.name} holds no options",))
    return _checked(found)


def _checked(found: Mapping[str, Any]) -> AppOptions:
    kept, faults = {}, []
    for name, is_fit in _FIT.items():
        value = found.get(name)
        if isinstance(value, str) and is_fit(value):
            kept[name] = value
        elif value not in (None, ""):
            faults.append(f"{name}: not of the form that it must have")
    if kept.get("git_url"):
        _, wrong = checked(GIT, _git(kept["git_url"], kept.get("git_token", "")))
        if wrong:
            faults.append(f"git_url: {wrong[0].msg}")
            kept["git_url"] = ""
    return AppOptions(**kept, faults=tuple(faults))


def _git(url: str, token: str) -> dict[str, Any]:
    """The keys of `git` that options give."""
    given = {"url": url} if url else {}
    return given | {"token": Secret(token)} if url and token else given


_FIT: Final[Mapping[str, Callable[[str], object]]] = {
    "config_file": re.compile(r"[A-Za-z0-9_.-]+\.yaml").fullmatch,
    "log_level": ("debug", "info", "warning", "error").__contains__,
    "git_url": bool,
    "git_token": bool,
    "encryption_key": bool,
}
"""Every option, and what it must be like."""
