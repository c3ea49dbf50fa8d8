from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from towline.homeassistant.names import Place, called, safe

FIT = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@given(st.text(max_size=200))
def test_any_name_becomes_fit_for_a_discovery_topic(name: str) -> None:
    assert FIT.fullmatch(safe(name))


@given(st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30))
def test_two_names_never_share_an_id(one: str, other: str) -> None:
    assert (safe(one) == safe(other)) == (one == other)


def test_a_fit_name_stays_as_it_is() -> None:
    assert safe("shop-api_1") == "shop-api_1"
    assert safe("shop.api.1") != safe("shop_api_1")


def test_ids_are_of_host_and_name_alone() -> None:
    one, other = Place("homeassistant", "pi", "web"), Place("homeassistant", "nas", "web")
    assert one.unique_id("state") == "towline_pi_c_web_state"
    assert one.identifier != other.identifier
    assert one.discovery != other.discovery
    assert one.state != other.state


def test_a_container_called_towline_is_not_towline() -> None:
    own, container = Place("homeassistant", "pi"), Place("homeassistant", "pi", "towline")
    for attribute in ("discovery", "identifier", "state", "command"):
        assert getattr(own, attribute) != getattr(container, attribute)


def test_commands_of_all_containers_are_heard_by_one_filter() -> None:
    home, web = Place("homeassistant", "my.pi"), Place("homeassistant", "my.pi", "a b/#")
    head, tail = home.containers_command.split("+")
    assert web.command.startswith(head)
    assert web.command.endswith(tail)
    assert "/" not in web.command[len(head) : -len(tail)]


def test_a_container_on_another_device_is_another_one() -> None:
    assert called("web", "pi", "pi") == called("web", "", "pi") == "web"
    assert called("web", "nas", "pi") == "nas-web"
