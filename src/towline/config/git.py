"""What `git:` says: which repository, branch and file this Towline follows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import voluptuous as vol

from towline.config.compound import Into, Mapping
from towline.config.faults import Fault, expected
from towline.config.fields import duration, plain, secret, some_text, template, text
from towline.config.settings import Secret
from towline.config.shapes import TEXT, shaped, words

LEAST_INTERVAL: Final = 5.0

_SCHEMES: Final = ("https", "http", "ssh", "file")
_SCP = re.compile(
    r"(?:([A-Za-z0-9_][\w.-]*)@)?([A-Za-z0-9][A-Za-z0-9.-]*):(?!//|:)(\S.*)", re.ASCII
)
_URL = re.compile(r"([a-z]+)://([^\s\x00-\x1f\x7f]+)", re.ASCII)
_BAD_IN_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|$)|^[-./]|[./]$")
_PASSWORD = re.compile(r"(://[^/\s:@]*):[^/\s@]*@")


@dataclass(frozen=True, slots=True, kw_only=True)
class GitSettings:
    """A repository and the file in it that a device follows. `interval` is in seconds.

    `known_hosts` is text as in ssh's file of that name; empty: the first key seen is kept. `ca` is
    a file's path or its PEM text; empty: the machine's authorities.
    """

    url: str
    branch: str
    path: str
    interval: float
    key: Secret | None
    token: Secret | None
    known_hosts: str
    ca: str

    @property
    def over_ssh(self) -> bool:
        """Whether the repository is reached by ssh."""
        return self.url.startswith("ssh://") or "://" not in self.url

    @property
    def history(self) -> str:
        """What is followed: with another url or branch it is another history."""
        return f"{self.url} {self.branch}"

    def file(self, device: str) -> str:
        """The path of a device's file in the repository."""
        return self.path.replace("{device}", device)


def masked(url: str) -> str:
    """An address without a password."""
    return _PASSWORD.sub(r"\1:***@", url)


@shaped(TEXT)
def _address(value: Any) -> str:
    """An address that git can fetch from; a password in it is refused: it would be shown."""
    found = plain(some_text(value))
    if not _URL.fullmatch(found):
        if _SCP.fullmatch(found):
            return found
        wanted = "expected https://host/path, ssh://git@host/path or file:///path"
        raise Fault("wrong_value", wanted)
    parts = urlsplit(found)
    if parts.scheme not in _SCHEMES:
        wanted = f"{parts.scheme}:// is not supported; one of: {', '.join(_SCHEMES)}"
        raise Fault("wrong_value", wanted, word=parts.scheme, known=_SCHEMES)
    if parts.password is not None:
        hint = "write it as token: !secret git_token"
        raise Fault("wrong_value", "a password in the address is shown", hint=hint)
    if parts.scheme != "file" and not _host(found):
        raise Fault("wrong_value", "the address names no host, or no valid port")
    return found


def _host(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return None if (parts.hostname or "-").startswith("-") else parts.hostname


@shaped(TEXT)
def _branch(value: Any) -> str:
    found = plain(some_text(value))
    if _BAD_IN_BRANCH.search(found) or len(found) > 200:
        raise expected("the name of a branch such as main or site/berlin", value)
    return found


@shaped(TEXT)
def _path(value: Any) -> str:
    found = str(template("device")(value))
    parts = found.split("/")
    if {"", ".", ".."} & set(parts) or "\\" in found or "\0" in found:
        hint = "a path in the repository, without .. and without a / in front"
        raise expected("a path such as devices/{device}.yaml", value, hint=hint)
    return found


@shaped(words(r"\d{1,9}(?:\.\d{1,6})? ?(?:ms|s|m|h|d)"))
def _interval(value: Any) -> float:
    seconds = duration(value)
    if not LEAST_INTERVAL <= seconds <= 86400:
        raise expected("a duration from 5s to 24h", value)
    return seconds


def _git(**keys: Any) -> GitSettings:
    found = GitSettings(
        url=keys["url"],
        branch=keys["branch"],
        path=keys["path"],
        interval=keys["interval"],
        key=keys.get("key"),
        token=keys.get("token"),
        known_hosts=keys["known_hosts"],
        ca=keys["ca"],
    )
    if found.over_ssh and not found.key:
        raise Fault("missing_key", "an address of ssh needs a key", hint="key: !secret git_key")
    if found.key and not found.over_ssh:
        wanted = "a key is for ssh only; http and https take a token"
        raise Fault("wrong_value", wanted, path=["key"])
    if found.token and not found.url.startswith(("http://", "https://")):
        raise Fault("wrong_value", "a token is for http and https only", path=["token"])
    if found.ca and not found.url.startswith("https://"):
        raise Fault("wrong_value", "an authority is for https only", path=["ca"])
    return found


SCHEMA: Final = Into(
    Mapping(
        {
            vol.Required("url"): _address,
            vol.Optional("branch", default="main"): _branch,
            vol.Optional("path", default="devices/{device}.yaml"): _path,
            vol.Optional("interval", default="60s"): _interval,
            vol.Optional("key"): secret,
            vol.Optional("token"): secret,
            vol.Optional("known_hosts", default=""): text,
            vol.Optional("ca", default=""): text,
        }
    ),
    _git,
)
"""Checks the mapping below `git:`; its defaults stand here and nowhere else."""
