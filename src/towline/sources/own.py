"""Which container Towline itself runs in: its own lines must not come round again."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Final

_CGROUP: Final = re.compile(r"docker[-/]([0-9a-f]{64})")
_ROOT: Final = re.compile(r"/containers/([0-9a-f]{64})/")
_OWN_FILES: Final = frozenset({"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"})


def own_container_ids() -> tuple[str, ...]:
    """The id of the container that this process runs in, if it does."""
    return tuple(
        in_cgroup(_text("/proc/self/cgroup")) | in_mountinfo(_text("/proc/self/mountinfo"))
    )


def in_cgroup(text: str) -> frozenset[str]:
    """The container's id as `/proc/self/cgroup` tells it, where it shows the host's names."""
    return frozenset(_CGROUP.findall(text))


def in_mountinfo(text: str) -> frozenset[str]:
    """The container's id as `/proc/self/mountinfo` tells it.

    Docker mounts a few files into each container from a folder that bears its id. Other mounts
    with an id in their path are other containers', seen from the host.
    """
    fields = (line.split() for line in text.splitlines())
    own = (field[3] for field in fields if len(field) > 4 and field[4] in _OWN_FILES)
    return frozenset(found[1] for root in own if (found := _ROOT.search(root)))


def _text(path: str) -> str:
    with suppress(OSError):
        return Path(path).read_text(errors="replace")
    return ""
