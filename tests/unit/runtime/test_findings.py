from __future__ import annotations

from typing import Any

import pytest

from towline.runtime.findings import AHEAD, BEHIND, Finding, Look, findings

NOW = 1_000_000_000
UP: dict[str, Any] = {"state": "up", "reason": None, "counters": {}}


def look(
    status: dict[str, Any] | None = None,
    containers: list[dict[str, Any]] | None = None,
    backends: list[dict[str, Any]] | None = None,
) -> list[Finding]:
    return findings(
        Look(
            status=status or {},
            containers=containers or [],
            backends=backends or [],
            now=NOW,
        )
    )


def away(reason: str = "why", **counters: int) -> dict[str, Any]:
    return {"state": "degraded", "reason": reason, "counters": counters}


def counted(**counters: int) -> dict[str, Any]:
    return UP | {"counters": counters}


def container(**log: Any) -> list[dict[str, Any]]:
    return [{"name": "web", "log": log}]


def engines(*devices: str) -> list[dict[str, Any]]:
    """A container of one name on engines that are said to be there."""
    return [
        {"name": "web", "device": device, "source": f"engine{number}"}
        for number, device in enumerate(devices)
    ]


def backend(**more: Any) -> list[dict[str, Any]]:
    return [{"name": "mqtt", "state": "up", "lag": 0, "counters": {}} | more]


REASONS: list[tuple[str, str, dict[str, Any]]] = [
    ("configuration", "error", {"status": {"configuration": away("line 3")}}),
    ("warning", "note", {"status": {"configuration": UP | {"warnings": [{"message": "odd"}]}}}),
    ("source_away", "error", {"status": {"sources.docker": away("permission denied")}}),
    ("missed_container", "warning", {"status": {"sources.docker": counted(missed_container=2)}}),
    ("unreadable", "warning", {"status": {"sources.host": counted(unreadable=1)}}),
    ("excluded", "note", {"containers": [{"name": "web", "excluded": True}]}),
    ("unreadable_log", "error", {"containers": container(fault="driver none")}),
    ("gaps", "warning", {"containers": container(gaps=3, rotated=True)}),
    ("non_blocking", "warning", {"containers": container(nonBlocking=True)}),
    ("clock", "warning", {"containers": container(lastAt=NOW + AHEAD + 1)}),
    ("same_name", "warning", {"containers": engines("pi", "pi")}),
    ("store", "error", {"status": {"store": away("cannot write: No space left on device")}}),
    ("unwritten", "error", {"status": {"store": counted(unwritten=5)}}),
    ("pipeline", "note", {"status": {"pipeline": counted(dropped=5)}}),
    ("broker_away", "error", {"status": {"brokers.home": away("connection refused")}}),
    ("paused", "warning", {"backends": backend(paused=True)}),
    ("backend_away", "error", {"backends": backend(state="degraded", reason="503")}),
    ("behind", "warning", {"backends": backend(lag=BEHIND + 1)}),
    ("missed", "warning", {"backends": backend(counters={"missed": 1})}),
    ("rejected", "warning", {"backends": backend(counters={"rejected": 1})}),
]


@pytest.mark.parametrize(("code", "severity", "given"), REASONS)
def test_every_reason_is_one_finding_with_a_remedy(
    code: str, severity: str, given: dict[str, Any]
) -> None:
    (found,) = look(**given)
    assert (found.code, found.severity) == (code, severity)
    assert found.about
    assert found.text
    assert found.remedy or code == "warning"


def test_where_all_is_well_nothing_is_found() -> None:
    status = dict.fromkeys(("configuration", "store", "pipeline", "sources.docker"), UP)
    assert look(status, container(gaps=0, fault=None, lastAt=NOW), backend(lag=BEHIND)) == []


def test_the_gravest_comes_first() -> None:
    found = look(
        {"brokers.home": away()},
        [{"name": "web", "excluded": True}, *container(gaps=1)],
    )
    assert [each.severity for each in found] == ["error", "warning", "note"]


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("Permission denied", "group"),
        ("No such file or directory", "DOCKER_HOST"),
        ("journalctl is not installed: the journal cannot be read", "install"),
        ("it stumbled", "tried again"),
    ],
)
def test_the_remedy_fits_the_reason(reason: str, word: str) -> None:
    (found,) = look({"sources.docker": away(reason)})
    assert word in found.remedy


def test_containers_of_one_name_on_two_devices_are_two() -> None:
    assert look(containers=engines("pi", "nas")) == []
