from __future__ import annotations

import json

from towline.actions.occasion import Occasion
from towline.audit.trail import Trail
from towline.subscriptions.pace import Pace
from towline.subscriptions.written import Written

OCCASION = Occasion(about="subscriptions.x", name="x", device="pi", words={}, json=b"{}")


async def test_a_flood_is_told_as_a_number() -> None:
    now = 0.0
    async with Trail(None) as trail:
        written = Written(trail, Pace(2, clock=lambda: now))
        for _ in range(100):
            written(OCCASION, "a/b")
        now = 60.0
        written(OCCASION, "a/b")
        rows = [json.loads(row) for row in (await trail.page(10))[0]]
    assert [row.get("diff") for row in rows] == [{"more": 98}, None, None]
