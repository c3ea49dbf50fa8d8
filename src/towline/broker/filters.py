"""Topic filters: which topics a subscription takes. Pure (OASIS MQTT 5 sections 4.7 and 4.8)."""

from __future__ import annotations

import zlib
from typing import Final

LONGEST_FILTER: Final = 1024
_SHARED: Final = "$share/"
_MOST_IDENTIFIER: Final = 268_435_455


def fault(topic_filter: str) -> str:
    """What is wrong with a filter, in words; empty for a sound one."""
    own = unshared(topic_filter)
    if not own or (topic_filter.startswith(_SHARED) and own == topic_filter):
        return "a shared filter is $share/group/filter" if topic_filter else "a filter is not empty"
    if len(topic_filter.encode(errors="replace")) > LONGEST_FILTER:
        return f"a filter has at most {LONGEST_FILTER} bytes"
    if not topic_filter.isprintable():
        return "a filter holds no control characters"
    parts = own.split("/")
    if any("#" in part and (part != "#" or at < len(parts) - 1) for at, part in enumerate(parts)):
        return "# stands alone, and last"
    if any("+" in part and part != "+" for part in parts):
        return "+ stands for a whole segment"
    return ""


def unshared(topic_filter: str) -> str:
    """The filter without the group that shares it."""
    if not topic_filter.startswith(_SHARED):
        return topic_filter
    group, slash, own = topic_filter.removeprefix(_SHARED).partition("/")
    return own if group and slash and own and not set("+#") & set(group) else topic_filter


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a filter takes a topic; wildcards in front do not take topics that begin with $."""
    wanted = unshared(topic_filter).split("/")
    found = topic.split("/")
    if topic.startswith("$") and wanted[0] in ("#", "+"):
        return False
    for at, part in enumerate(wanted):
        if part == "#":
            return True
        if at >= len(found) or part not in ("+", found[at]):
            return False
    return len(wanted) == len(found)


def identifier(topic_filter: str) -> int:
    """The number under which the broker names this filter in what it sends (MQTT 5).

    The same in every run: a session that outlived us may still hold filters of ours.
    """
    return zlib.crc32(topic_filter.encode(errors="replace")) % _MOST_IDENTIFIER + 1
