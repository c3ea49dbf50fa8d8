"""How git proves who we are, and whom it trusts: files for ssh, the environment for http."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from towline.config.git import GitSettings

_TOKEN: Final = "TOWLINE_GIT_TOKEN"
_USER: Final = "TOWLINE_GIT_USER"
_DEFAULT_USER: Final = "x-access-token"
"""GitHub's name for whoever has a token; GitLab, Gitea and Forgejo take any."""

_PEM: Final = "-----BEGIN"
_ANSWER: Final = f'printf "username=%s\\npassword=%s\\n" "${_USER}" "${_TOKEN}"'
_HELPER: Final = f'!f() {{ test "$1" = get && {_ANSWER}; }}; f'
"""git-credential: a helper that answers from the environment of the git that asks."""


class Access:
    """Files and variables for one repository, below a folder that only we can read.

    The path of `ca` counts from `home`.
    """

    def __init__(
        self, settings: GitSettings, folder: Path, known_hosts: Path, home: Path = Path()
    ) -> None:
        self.folder = folder
        self._settings = settings
        self._kept_hosts = known_hosts
        self._home = home

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be seen in anything that git prints."""
        settings = self._settings
        token = (settings.token.reveal(),) if settings.token else ()
        key = tuple(settings.key.reveal().strip().splitlines()[1:-1]) if settings.key else ()
        return tuple(text for text in (*token, *key) if text)

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables for git."""
        settings = self._settings
        if settings.over_ssh:
            command = f"ssh -F {shlex.quote(str(self.folder / 'ssh_config'))}"
            return {"GIT_SSH_COMMAND": command, "GIT_SSH_VARIANT": "ssh"}
        found = {"GIT_SSL_CAINFO": str(self._ca)} if settings.ca else {}
        if settings.token:
            user = urlsplit(settings.url).username or _DEFAULT_USER
            found |= {_USER: user, _TOKEN: settings.token.reveal()}
        return found

    @property
    def _ca(self) -> Path:
        given = self._settings.ca
        return self.folder / "ca" if given.startswith(_PEM) else (self._home / given).absolute()

    @property
    def configuration(self) -> str:
        """Lines for git's own file. The helper answers for our server only, not after a redirect
        to another one.
        """
        if not self._settings.token:
            return ""
        parts = urlsplit(self._settings.url)
        host = parts.netloc.rpartition("@")[2]
        return f"[credential {quoted(f'{parts.scheme}://{host}')}]\n\thelper = {quoted(_HELPER)}\n"

    def write(self) -> None:
        """Make the folder and its files anew."""
        self.remove()
        self.folder.mkdir(mode=0o700, parents=True)
        if self._settings.ca.startswith(_PEM):
            self._private("ca", self._settings.ca)
        if not self._settings.over_ssh:
            return
        key = self._settings.key.reveal() if self._settings.key else ""
        self._private("key", "\n".join([*key.strip().splitlines(), ""]))
        if self._settings.known_hosts:
            self._private("known_hosts", self._settings.known_hosts.strip() + "\n")
        self._private("ssh_config", self._ssh_config())

    def remove(self) -> None:
        """Leave no key behind."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _ssh_config(self) -> str:
        given = bool(self._settings.known_hosts)
        hosts = self.folder / "known_hosts" if given else self._kept_hosts
        lines = (
            f"IdentityFile {_ssh_path(self.folder / 'key')}",
            "IdentitiesOnly yes",
            "IdentityAgent none",
            "BatchMode yes",
            f"StrictHostKeyChecking {'yes' if given else 'accept-new'}",
            f"UserKnownHostsFile {_ssh_path(hosts)}",
            f"GlobalKnownHostsFile {os.devnull}",
            "ConnectTimeout 20",
            "ServerAliveInterval 15",
            "ForwardAgent no",
            "ForwardX11 no",
            "ClearAllForwardings yes",
            "PermitLocalCommand no",
            "LogLevel ERROR",
        )
        return "\n".join([*lines, ""])

    def _private(self, name: str, text: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(self.folder / name, flags, 0o600), "w") as file:
            file.write(text)


def quoted(text: str) -> str:
    """A value of git's configuration file (git-config: double quotes, backslash escapes)."""
    inner = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{inner}"'


def _ssh_path(path: Path) -> str:
    """A path in ssh's configuration: in quotes, and % is doubled (ssh_config: TOKENS)."""
    return '"' + str(path.absolute()).replace("%", "%%") + '"'
