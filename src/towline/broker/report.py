"""What came of a test of a broker's settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that was tried at one server."""

    server: str
    step: str
    ok: bool
    text: str
    ms: float

    def as_json(self) -> dict[str, Any]:
        """The shape that the API serves."""
        return {"server": self.server, "step": self.step, "ok": self.ok, "text": self.text} | {
            "ms": self.ms
        }


@dataclass(slots=True)
class Report:
    """What came of a test. `error` is the step that failed last, in words."""

    connected: bool = False
    latency_ms: float | None = None
    broker_info: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    steps: list[Step] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The shape that the API serves."""
        return {
            "status": "failed" if self.error else "ok",
            "connected": self.connected,
            "latency_ms": self.latency_ms,
            "broker_info": self.broker_info or None,
            "error": self.error,
            "steps": [step.as_json() for step in self.steps],
        }


def words(report: dict[str, Any]) -> Sequence[str]:
    """A report as rows for people."""
    rows = [
        f"{'ok  ' if step['ok'] else 'FAIL'} {step['server']:<24} {step['step']:<9} "
        f"{step['ms']:>7.1f} ms  {step['text']}"
        for step in report["steps"]
    ]
    if report["latency_ms"] is not None:
        rows.append(f"there and back in {report['latency_ms']} ms")
    return rows
