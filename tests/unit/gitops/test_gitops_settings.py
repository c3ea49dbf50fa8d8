"""What may stand below `git:`."""

from __future__ import annotations

from typing import Any

import pytest
import voluptuous as vol

from towline.config.git import SCHEMA, GitSettings, masked
from towline.config.settings import Secret

HTTPS = "https://git.example.org/fleet.git"


def read(**written: Any) -> GitSettings:
    found = SCHEMA({"url": HTTPS, **written})
    assert isinstance(found, GitSettings)
    return found


def problem(**written: Any) -> str:
    with pytest.raises(vol.MultipleInvalid) as caught:
        read(**written)
    return str(caught.value.errors[0].msg)


def test_an_address_alone_is_enough() -> None:
    assert read() == GitSettings(
        url=HTTPS,
        branch="main",
        path="devices/{device}.yaml",
        interval=60.0,
        key=None,
        token=None,
        known_hosts="",
        ca="",
    )


def test_the_template_names_the_devices_file() -> None:
    assert read().file("kitchen-pi") == "devices/kitchen-pi.yaml"
    assert read(path="towline.yaml").file("kitchen-pi") == "towline.yaml"


@pytest.mark.parametrize(
    "url",
    [
        "ssh://git@host.example/a/b.git",
        "ssh://git@host.example:2222/a",
        "git@host.example:a/b.git",
        "host.example:b.git",
    ],
)
def test_an_address_of_ssh_takes_a_key_and_no_token(url: str) -> None:
    assert read(url=url, key="secret key").over_ssh
    assert problem(url=url) == "an address of ssh needs a key"
    assert "token is for http" in problem(url=url, key="secret key", token="t")


@pytest.mark.parametrize("url", [HTTPS, "http://[::1]:3000/f.git", "file:///srv/fleet.git"])
def test_other_addresses_take_no_key(url: str) -> None:
    assert not read(url=url).over_ssh
    assert "key is for ssh only" in problem(url=url, key="secret key")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "fleet.git",
        "/srv/fleet.git",
        "ext::sh -c reboot",
        "git://host/fleet.git",
        "ftp://host/fleet.git",
        "https://",
        "https://host:port/fleet.git",
        "https://ho st/fleet.git",
        "https://host/a\nb",
        "--upload-pack=reboot",
        "-oProxyCommand=reboot:a",
        "ssh://-oProxyCommand=reboot/a",
    ],
)
def test_an_address_that_git_should_not_see_is_refused(url: str) -> None:
    assert "key" not in problem(url=url, key="secret key"), "it was taken, and missed a key"


def test_an_authority_is_for_https_only() -> None:
    assert read(url=HTTPS, ca="ca.pem").ca == "ca.pem"
    for url in ("http://git.example.org/fleet.git", "file:///fleet.git"):
        assert "https only" in problem(url=url, ca="ca.pem")


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    assert "s3cret" not in problem(url="https://me:s3cret@host/fleet.git")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:s3cret@host/a", "https://me:***@host/a"),
        ("https://:s3cret@host/a", "https://:***@host/a"),
        ("ssh://git@host:22/a", "ssh://git@host:22/a"),
        (
            "fatal: 'https://a:b@c/' and 'http://d:e@f/'",
            "fatal: 'https://a:***@c/' and 'http://d:***@f/'",
        ),
    ],
)
def test_addresses_are_shown_without_passwords(url: str, shown: str) -> None:
    assert masked(url) == shown


@pytest.mark.parametrize(
    "branch",
    [
        "",
        "-d",
        "a b",
        "a..b",
        "a:b",
        "*",
        "a~1",
        "a^",
        "a//b",
        "a.lock",
        "a/",
        ".a",
        "a/.b",
        "@{1}",
    ],
)
def test_what_is_no_name_of_a_branch_is_refused(branch: str) -> None:
    problem(branch=branch)


@pytest.mark.parametrize("branch", ["main", "site/berlin", "v1.2", "küche", "a@b"])
def test_a_branch_may_have_any_name_that_git_takes(branch: str) -> None:
    assert read(branch=branch).branch == branch


@pytest.mark.parametrize(
    "path",
    ["", "/etc/{device}", "../{device}", "a/../b", "a//b", "./a", "{host}.yaml", "a\\b", "a/"],
)
def test_a_path_cannot_leave_the_repository(path: str) -> None:
    problem(path=path)


@pytest.mark.parametrize("interval", ["4s", "25h", 60, "soon"])
def test_an_interval_is_from_seconds_to_a_day(interval: object) -> None:
    problem(interval=interval)
    assert read(interval="5m").interval == 300.0


def test_key_and_token_are_never_shown() -> None:
    found = read(token="s3cret")
    assert isinstance(found.token, Secret)
    assert "s3cret" not in repr(found)
