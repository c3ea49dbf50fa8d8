"""Rows and streams as Docker makes them, for tests."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

from hypothesis import strategies as st

from towline.record import time_text

START = int(datetime(2026, 11, 21, 10, tzinfo=UTC).timestamp()) * 1_000_000_000


def frame(payload: bytes, stream: int = 1) -> bytes:
    """One frame of a multiplexed stream."""
    return struct.pack(">BxxxI", stream, len(payload)) + payload


def row(text: bytes, *, ns: int = 0, stderr: bool = False) -> bytes:
    """One row, `ns` after ten o'clock."""
    return frame(time_text(START + ns).encode() + b" " + text, 2 if stderr else 1)


def parts(line: bytes, part: int = 16_384) -> list[bytes]:
    """A line with its newline, cut as Docker cuts it."""
    return [line[at : at + part] for at in range(0, len(line), part)]


def pieces(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    """Data as it might come: cut at some places."""
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(places)]


CUTS = st.lists(st.integers(min_value=0, max_value=1 << 20), max_size=12)
