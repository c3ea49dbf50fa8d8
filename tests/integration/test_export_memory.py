"""An export of more than memory should hold, from a Towline of its own."""

from __future__ import annotations

import http.client
from pathlib import Path

import pytest

from tests.bench.queries import Served, fill
from tests.bench.usage import peak
from towline.store.codec import lines

RECORDS = 250_000
MB_AT_MOST = 60
"""What ninety megabytes of records may add to what the process needs anyhow."""


@pytest.mark.slow
async def test_an_export_is_not_held_in_memory(tmp_path: Path) -> None:
    data = tmp_path / "data"
    await fill(data, RECORDS)
    with Served(tmp_path, data) as served:
        before = peak(served.process.pid)
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
        connection.request("GET", "/api/v1/logs/export")
        answer = connection.getresponse()
        exported = tmp_path / "logs.ndjson"
        with exported.open("wb") as file:
            while piece := answer.read(1 << 20):
                file.write(piece)
        connection.close()
        assert peak(served.process.pid) - before < MB_AT_MOST
    assert exported.stat().st_size > 80_000_000
    ids = [row[7:23] for row in lines(exported)]
    assert len(ids) >= RECORDS
    assert ids == sorted(set(ids))
