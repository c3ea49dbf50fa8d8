from __future__ import annotations

import pytest

from towline.broker.guard import Guard
from towline.broker.server import server

ELSEWHERE = server("mqtt://broker:1883")


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "100.100.100.200",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "255.255.255.255",
        "no address",
    ],
)
def test_what_no_broker_can_live_at_is_denied_to_everybody(address: str) -> None:
    assert Guard(local=True)(ELSEWHERE, address)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"])
def test_this_machine_may_be_tried_by_its_own_people_or_when_it_is_configured(
    address: str,
) -> None:
    assert Guard()(ELSEWHERE, address)
    assert not Guard(local=True)(ELSEWHERE, address)
    assert not Guard({"broker:1883"})(ELSEWHERE, address)


def test_a_configured_server_counts_with_its_port() -> None:
    assert Guard({"broker:1883"})(server("mqtt://broker:22"), "127.0.0.1")


@pytest.mark.parametrize("address", ["192.168.1.5", "10.0.0.1", "8.8.8.8", "fd12::5", "2a00::1"])
def test_a_home_and_the_world_may_be_tried(address: str) -> None:
    assert not Guard()(ELSEWHERE, address)
