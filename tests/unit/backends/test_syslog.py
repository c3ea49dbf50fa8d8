from __future__ import annotations

from typing import Any

import pytest
import voluptuous as vol

from tests.unit.backends.records import configured
from towline.backends.syslog import KIND
from towline.config.syslog import Server


def settings(**written: Any) -> Any:
    return configured(KIND, **({"url": "tls://siem"} | written))


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("tls://siem", ("tls", "siem", 6514)),
        ("tcp://siem/", ("tcp", "siem", 514)),
        ("udp://10.0.0.1:5140", ("udp", "10.0.0.1", 5140)),
        ("tcp://[::1]:99", ("tcp", "::1", 99)),
    ],
)
def test_an_address_names_protocol_host_and_port(url: str, server: tuple[str, str, int]) -> None:
    scheme, host, port = server
    assert settings(url=url).server == Server(scheme=scheme, host=host, port=port)


@pytest.mark.parametrize(
    "written",
    [
        {"url": "http://siem"},
        {"url": "tcp://siem:0"},
        {"url": "tcp://siem:70000"},
        {"url": "tcp://"},
        {"framing": "nul"},
        {"facility": "local8"},
        {"max_size": "479B"},
        {"max_size": "2MB"},
        {"url": "udp://siem", "max_size": "70KB"},
        {"enterprise": -1},
    ],
)
def test_a_wrong_value_is_refused(written: dict[str, Any]) -> None:
    with pytest.raises(vol.Invalid):
        settings(**written)


def test_what_is_not_written_has_the_documented_default() -> None:
    found = settings()
    assert (found.framing, found.facility, found.max_size) == ("octet", "user", 8000)
    assert [doubt.code for doubt in KIND.doubts(settings(tls={"verify": False}))] == ["unverified"]
