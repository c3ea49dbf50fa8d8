"""The pause between syncs, the status, what git gets to know."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.config.git import GitSettings
from towline.config.settings import Secret
from towline.errors import Problem
from towline.gitops.access import Access, quoted
from towline.gitops.command import passed_on
from towline.gitops.pace import pause
from towline.gitops.repository import Commit
from towline.gitops.states import Sync
from towline.gitops.status import Status


def settings(url: str, **more: Secret | str | None) -> GitSettings:
    key, token = more.get("key"), more.get("token")
    return GitSettings(
        url=url,
        branch="main",
        path="a.yaml",
        interval=60.0,
        key=key if isinstance(key, Secret) else None,
        token=token if isinstance(token, Secret) else None,
        known_hosts=str(more.get("known_hosts", "")),
        ca=str(more.get("ca", "")),
    )


def test_failures_are_tried_again_sooner_than_the_interval_and_then_ever_later() -> None:
    assert [pause(60, failures, 0.5) for failures in (0, 1, 2, 3, 9, 99)] == [
        60, 10, 20, 40, 300, 300,
    ]  # fmt: skip
    assert [pause(3600, failures, 0.5) for failures in (0, 1, 99)] == [3600, 10, 3600]


@given(st.floats(5, 86400), st.integers(0, 10**6), st.floats(0, 1))
def test_a_pause_is_within_its_bounds(interval: float, failures: int, chance: float) -> None:
    assert 4.5 <= pause(interval, failures, chance) <= 1.1 * max(interval, 300)


def test_a_status_before_the_first_sync_says_starting() -> None:
    shown = Status(settings("file:///f"), "a.yaml", clock=lambda: 5.0).as_json()
    assert (shown["state"], shown["since"], shown["running"]) == ("starting", 5000, None)
    assert {"commit", "author", "subject", "committedAt", "lastSync", "lastError"} <= shown.keys()


def test_a_status_changes_with_state_or_reason_and_dates_the_state() -> None:
    now = 1.0
    status = Status(settings("file:///f"), "a.yaml", clock=lambda: now)
    assert status.become(Sync.UNREACHABLE, "host not found")
    now = 2.0
    assert not status.become(Sync.UNREACHABLE, "host not found")
    assert status.become(Sync.UNREACHABLE, "connection refused")
    assert status.since == 1.0
    assert status.become(Sync.IN_SYNC)
    assert (status.since, status.last_error) == (2.0, "connection refused")


def test_a_status_tells_a_wanted_commit_as_far_as_it_is_known() -> None:
    status = Status(settings("https://u:p@h/f"), "a.yaml")
    status.wanted = Commit(id="a" * 40, author="", subject="", committed_at=0)
    status.become(Sync.INVALID, "no", [Problem(code="x", text="no", file="a.yaml")])
    shown = status.as_json()
    assert (shown["wanted"], shown["wantedAuthor"]) == ("a" * 40, None)
    assert shown["problems"][0]["file"] == "a.yaml"
    assert shown["url"] == "https://u:***@h/f"


def test_git_gets_the_way_out_of_our_environment_and_nothing_else() -> None:
    given_ = {
        "PATH": "/bin",
        "https_proxy": "http://p",
        "MQTT_PASSWORD": "x",
        "GIT_DIR": "/",
        "NO_PROXY": "",
    }
    assert passed_on(given_) == {"PATH": "/bin", "https_proxy": "http://p"}


def test_a_token_is_in_the_environment_and_in_no_file(tmp_path: Path) -> None:
    access = Access(
        settings("https://host:8443/f", token=Secret("t0ken")), tmp_path / "p", tmp_path
    )
    access.write()
    assert "t0ken" in access.environment.values()
    assert "t0ken" not in access.configuration
    assert '[credential "https://host:8443"]' in access.configuration
    assert list((tmp_path / "p").iterdir()) == []
    assert access.secrets == ("t0ken",)


@pytest.mark.parametrize(
    ("known", "strict"), [("", "accept-new"), ("host ssh-ed25519 AAAA", "yes")]
)
def test_a_key_is_in_a_private_file_and_in_no_variable(
    tmp_path: Path, known: str, strict: str
) -> None:
    text = "-----BEGIN KEY-----\r\nc2VjcmV0\r\n-----END KEY-----"
    access = Access(
        settings("git@host:f", key=Secret(text), known_hosts=known), tmp_path / "p", tmp_path / "k"
    )
    access.write()
    key = tmp_path / "p" / "key"
    assert key.read_text() == "-----BEGIN KEY-----\nc2VjcmV0\n-----END KEY-----\n"
    assert key.stat().st_mode & 0o777 == 0o600
    assert "c2VjcmV0" not in str(access.environment)
    assert access.secrets == ("c2VjcmV0",)
    assert f"StrictHostKeyChecking {strict}\n" in (tmp_path / "p/ssh_config").read_text()
    access.remove()
    assert not key.parent.exists()


def test_a_value_for_gits_file_is_quoted() -> None:
    assert quoted('a "b" \\ c\nd') == '"a \\"b\\" \\\\ c\\nd"'
