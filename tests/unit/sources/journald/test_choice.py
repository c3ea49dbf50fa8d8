from __future__ import annotations

from typing import Any

from towline.config.settings import Match
from towline.record import Origin, OriginType
from towline.sources.journald.choice import Choice, JournaldConfig, journal_matches


def config(**keys: Any) -> JournaldConfig:
    given: dict[str, Any] = {"path": "", "units": ("*",), "kernel": True, "containers": False}
    everything: dict[str, Any] = {"include": (Match(name=("*",)),), "exclude": ()}
    return JournaldConfig(**(given | everything | keys))


def host(name: str) -> Origin:
    return Origin(type=OriginType.HOST, name=name, device="pi")


API = Origin(type=OriginType.CONTAINER, name="api", device="pi", container_id="c" * 64)


def test_units_by_pattern_the_kernel_and_containers_by_wish() -> None:
    choice = Choice(config(units=("ssh*",), kernel=False))
    assert choice(host("ssh.service"))
    assert not choice(host("cron.service"))
    assert not choice(host("kernel"))
    assert not choice(API)
    assert Choice(config(containers=True))(API)


def test_matches_narrow_it_down() -> None:
    choice = Choice(config(containers=True, exclude=(Match(name=("a*",)),)))
    assert not choice(API)
    assert choice(host("ssh.service"))


def test_the_journal_s_index_is_used_where_names_are_given() -> None:
    assert journal_matches(config(units=("a.service",), kernel=True)) == [
        "_SYSTEMD_UNIT=a.service", "+", "UNIT=a.service", "+", "SYSLOG_IDENTIFIER=a.service", "+",
        "_TRANSPORT=kernel",
    ]  # fmt: skip
    assert journal_matches(config(units=("*",))) == []
    assert journal_matches(config(units=("a.service",), containers=True)) == []
