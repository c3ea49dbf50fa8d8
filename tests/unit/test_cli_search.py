from __future__ import annotations

import pytest

from towline.client.remote import Address
from towline.client.tail import Away, Back, Gap, Notice
from towline.commands.search import Wanted, in_words


def test_only_what_was_asked_for_is_a_parameter() -> None:
    assert Wanted().parameters == {}
    wanted = Wanted(names=("web",), level=("warn", "error"), grep="x", since="1h")
    assert wanted.parameters == {"name": ["web"], "level": ["warn", "error"], "regex": "x"}


@pytest.mark.parametrize(
    ("notice", "said"),
    [
        (Away("Towline stops"), "the connection to URL is lost (Towline stops); trying again"),
        (Back(), "connected to URL again"),
        (Gap(1, "slow"), "gap: 1 record missed; this terminal took them too slowly"),
        (Gap(7, "expired"), "gap: 7 records missed; the store's retention took them"),
        (
            Gap(None, "unknown_id"),
            "gap: the store at the other end is a new one; what was written meanwhile is lost",
        ),
    ],
)
def test_what_is_not_a_record_is_said_in_words(notice: Notice, said: str) -> None:
    assert in_words(notice, "URL") == said


@pytest.mark.parametrize(
    ("text", "http", "ws"),
    [
        ("pi.local", "http://pi.local:8099", "ws://pi.local:8099"),
        ("pi.local:80", "http://pi.local:80", "ws://pi.local:80"),
        ("http://pi.local", "http://pi.local:80", "ws://pi.local:80"),
        ("https://pi/towline/", "https://pi:443/towline", "wss://pi:443/towline"),
        ("http://[::1]:8099", "http://[::1]:8099", "ws://[::1]:8099"),
    ],
)
def test_an_address_may_be_written_short(text: str, http: str, ws: str) -> None:
    address = Address.parse(text)
    assert (address.url(), address.url("ws")) == (http, ws)


@pytest.mark.parametrize(
    "text", ["", "ftp://x", "http://", "http://a b", "http://x:port", "http://x?y=1", "\x1b[2J"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Address.parse(text)
