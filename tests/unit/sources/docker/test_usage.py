from __future__ import annotations

from typing import Any

import pytest

from towline.sources.docker.usage import INTEREST, Meter, Usage


def answer(second: int, spent: int, **memory: Any) -> dict[str, Any]:
    return {
        "read": f"2026-11-21T10:00:{second:02}.5Z",
        "cpu_stats": {"cpu_usage": {"total_usage": spent}},
        "memory_stats": {"usage": 50_000, "limit": 1_000_000, **memory},
    }


def test_cpu_is_what_was_used_between_two_answers() -> None:
    first = Usage.parse(answer(1, 4_000_000_000), None)
    assert first is not None
    assert "cpu" not in first.as_json()
    second = Usage.parse(answer(3, 5_000_000_000), first)
    assert second is not None
    assert second.as_json() == {"cpu": 50.0, "memory": 50_000, "memoryLimit": 1_000_000}
    restarted = Usage.parse(answer(5, 10), second)
    assert restarted is not None
    assert restarted.cpu is None


@pytest.mark.parametrize("key", ["total_inactive_file", "inactive_file"])  # cgroups 1 and 2
def test_memory_is_counted_without_what_the_kernel_can_drop(key: str) -> None:
    found = Usage.parse(answer(1, 1, stats={key: 20_000}), None)
    assert found is not None
    assert found.memory == 30_000


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"read": "0001-01-01T00:00:00Z", "cpu_stats": {"cpu_usage": {"total_usage": 0}}},
        {"read": "x", "cpu_stats": {"cpu_usage": {"total_usage": 1}}, "memory_stats": {"usage": 1}},
        {"read": "2026-11-21T10:00:00Z", "cpu_stats": None, "memory_stats": None},
    ],
)
def test_a_stopped_container_uses_nothing(found: dict[str, Any]) -> None:
    assert Usage.parse(found, None) is None


def test_the_engine_is_asked_while_somebody_asks() -> None:
    now = 1000.0
    meters = {when: Meter(when, clock=lambda: now) for when in ("auto", "always", "never")}
    assert {when: meter.wanted for when, meter in meters.items()} == {
        "auto": False,
        "always": True,
        "never": False,
    }
    for meter in meters.values():
        meter.ask()
    assert (meters["auto"].wanted, meters["never"].wanted) == (True, False)
    now += INTEREST
    assert not meters["auto"].wanted
