"""Why a repository could not be followed: git's own words turned into ours, without secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from towline.config.git import masked
from towline.errors import Problem, TowlineError

_LONGEST: Final = 300

_WORDS: Final[tuple[tuple[str, str], ...]] = (
    ("remote host identification has changed", "the server's host key has changed"),
    ("host key verification failed", "the server's host key is not among known_hosts"),
    ("could not resolve host", "host not found"),
    ("could not read username", "not authorised: a token is needed"),
    ("authentication failed", "not authorised: check the token"),
    ("error in libcrypto", "the key is not a private key that ssh can read"),
    ("invalid format", "the key is not a private key that ssh can read"),
    ("permission denied", "not authorised: check the key"),
    ("returned error: 401", "not authorised: check the token"),
    ("returned error: 403", "not authorised: check the token"),
    ("connection refused", "connection refused"),
    ("no route to host", "no route to host"),
    ("network is unreachable", "network is unreachable"),
    ("timed out", "no answer in time"),
    ("operation too slow", "no answer in time"),
    ("problem with the ssl ca cert", "the file of ca cannot be read, or holds no certificate"),
    ("certificate verify locations", "the file of ca cannot be read, or holds no certificate"),
    ("certificate", "the server's certificate is not trusted"),
    ("no space left on device", "no space left on device"),
    ("does not appear to be a git repository", "there is no such repository"),
    ("repository not found", "there is no such repository, or no right to read it"),
    ("not found", "there is no such repository"),
    ("could not connect", "connection refused"),
    ("failed to connect", "connection refused"),
    ("cannot run ssh", "there is no ssh command on this machine"),
)
"""What git, curl and ssh print (in lower case), first match first, and what we say."""

_DAMAGE: Final = (
    "is corrupt", "is empty", "bad object", "missing blob", "missing tree", "unable to read",
    "not a git repository:", "did not send all necessary objects", "packfile", "broken",
)  # fmt: skip
"""What git prints when files of a repository on disk are damaged."""

_PREFIX = re.compile(r"^(?:remote: )?(?:fatal|error): ", re.IGNORECASE)


class GitFailed(TowlineError):
    """The repository cannot be followed at the moment; the next try may find it well."""


class BranchGone(GitFailed):
    """The repository answers and has no such branch."""


class TooLarge(GitFailed):
    """More data than a configuration may have; trying again soon is of no use."""


class Damaged(GitFailed):
    """Our own copy of the repository cannot be read; it has to be made anew."""


class CommitRefused(TowlineError):
    """A commit that will not be used: its author can mend it with another one."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(problem.text for problem in problems))
        self.problems = tuple(problems)


def scrubbed(text: str, secrets: Iterable[str]) -> str:
    """A text of git's without any of these secrets."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return masked(text)


def failure(said: str) -> GitFailed:
    """The error for what git printed while it asked the remote."""
    lower = said.lower()
    return (Damaged if any(sign in lower for sign in _DAMAGE) else GitFailed)(reason(said))


def reason(said: str) -> str:
    """The short reason in what git printed; its own last words where we know none."""
    lower = said.lower()
    for sign, words in _WORDS:
        if sign in lower:
            return words
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    told = [line for line in lines if _PREFIX.match(line)] or lines[-1:] or ["git said nothing"]
    return _PREFIX.sub("", told[0])[:_LONGEST]
