"""The Home Assistant app's folders, by Supervisor's rules and by those of the community's linter.

Both are restated here from supervisor/apps/validate.py, apps/utils.py and the linter's schema.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.real.pages import wanted
from towline import __version__
from towline.config.homeassistant import LANGUAGES

ROOT: Final = Path(__file__).parents[2]
APPS: Final = ("towline", "towline-full")
KEYS: Final = {
    "name", "version", "slug", "description", "url", "arch", "image", "init", "startup", "boot",
    "stage", "ports", "ports_description", "ingress", "ingress_port", "ingress_entry",
    "ingress_stream", "panel_icon", "panel_title", "panel_admin", "homeassistant",
    "homeassistant_api", "hassio_api", "hassio_role", "auth_api", "docker_api", "full_access",
    "host_network", "host_pid", "host_ipc", "host_uts", "host_dbus", "privileged", "apparmor",
    "services", "discovery", "map", "options", "schema", "environment", "tmpfs", "journald",
    "stdin", "udev", "devices", "timeout", "backup", "backup_pre", "backup_post", "backup_exclude",
    "breaking_versions", "ulimits",
}  # fmt: skip
"""What Supervisor knows; anything else it drops without a word."""

DEFAULTS: Final[dict[str, Any]] = {
    "init": True, "startup": "application", "boot": "auto", "stage": "stable", "ingress": False,
    "ingress_port": 8099, "ingress_stream": False, "panel_admin": True, "panel_icon": "mdi:puzzle",
    "homeassistant_api": False, "hassio_api": False, "hassio_role": "default", "auth_api": False,
    "docker_api": False, "full_access": False, "host_network": False, "host_pid": False,
    "apparmor": True, "journald": False, "tmpfs": False, "timeout": 10, "backup": "hot",
}  # fmt: skip
"""The linter refuses a key that repeats its default."""

OPTION: Final = re.compile(
    r"(?:(?:str|int|float|password)(?:\(\d*,\d*\))?|bool|email|url|port|match\(.*\)|list\(.+\))\??"
)
CAPABILITIES: Final = {
    "BPF", "CHECKPOINT_RESTORE", "DAC_READ_SEARCH", "NET_ADMIN", "NET_RAW", "PERFMON", "SYS_ADMIN",
    "SYS_MODULE", "SYS_PTRACE", "SYS_RAWIO",
}  # fmt: skip


def config(app: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "addon" / app / "config.yaml").read_text())
    return found


def rating(found: dict[str, Any], *, own_profile: bool) -> int:
    """The security rating as Supervisor computes it, 1 to 8."""
    score = 5
    if found.get("apparmor") is False:
        score -= 1
    elif own_profile:
        score += 1
    if found.get("ingress"):
        score += 2
    elif found.get("auth_api"):
        score += 1
    if CAPABILITIES & set(found.get("privileged", ())):
        score -= 1
    score -= {"manager": 1, "admin": 2}.get(found.get("hassio_role", ""), 0)
    score -= 1 if found.get("host_network") else 0
    score -= 2 if found.get("host_pid") else 0
    if found.get("docker_api") or found.get("full_access"):
        score = 1
    return max(1, min(8, score))


@pytest.mark.parametrize("app", APPS)
def test_supervisor_takes_the_app_and_knows_every_key(app: str) -> None:
    found = config(app)
    assert found.keys() <= KEYS
    for key in ("name", "version", "slug", "description", "arch"):
        assert found[key]
    assert re.fullmatch(r"[-_.A-Za-z0-9]+", found["slug"])
    assert set(found["arch"]) == {"aarch64", "amd64"}
    assert ":" not in found["image"].rpartition("/")[2], "the version is the tag"
    assert found["startup"] in {"initialize", "system", "services", "application", "once"}
    assert all(re.fullmatch(r"\d+(/tcp|/udp)?", port) for port in found["ports"])
    assert all(re.fullmatch(r"(mqtt|mysql):(provide|want|need)", s) for s in found["services"])
    assert 10 <= found["timeout"] <= 300
    assert re.fullmatch(r"\d{4}\.\d{1,2}\.\d+", found["homeassistant"])


@pytest.mark.parametrize("app", APPS)
def test_the_linter_has_nothing_to_say(app: str) -> None:
    found = config(app)
    assert not {"webui", "watchdog", "advanced", "codenotary"} & found.keys()
    for key, default in DEFAULTS.items():
        assert key not in found or found[key] != default, f"{key} repeats its default"
    assert found["map"] == ["addon_config:rw"], "older Supervisors do not know app_config"
    assert not list((ROOT / "addon" / app).glob("build.*")), "build.yaml is deprecated"


@pytest.mark.parametrize("app", APPS)
def test_every_option_has_a_type_and_is_explained_in_every_language(app: str) -> None:
    found = config(app)
    for name, kind in found["schema"].items():
        assert OPTION.fullmatch(kind), f"{name}: {kind}"
        assert name in found["options"] or kind.endswith("?")
    for code in LANGUAGES:
        own = yaml.safe_load((ROOT / "addon" / app / "translations" / f"{code}.yaml").read_text())
        assert own["configuration"].keys() == found["schema"].keys()
        assert own["network"].keys() == found["ports"].keys()
        for option in own["configuration"].values():
            assert option["name"]
            assert option["description"]


@pytest.mark.parametrize("app", APPS)
@pytest.mark.parametrize("code", LANGUAGES)
def test_translations_of_an_app_are_those_of_the_project(app: str, code: str) -> None:
    ours = yaml.safe_load((ROOT / "translations" / f"{code}.yaml").read_text())
    own = yaml.safe_load((ROOT / "addon" / app / "translations" / f"{code}.yaml").read_text())
    assert own == {key: ours[key] for key in ("configuration", "network")}


def test_the_security_rating_is_as_promised() -> None:
    assert rating(config("towline"), own_profile=has_profile("towline")) == 8
    assert rating(config("towline-full"), own_profile=has_profile("towline-full")) == 1


def test_only_the_full_flavour_asks_for_the_engine() -> None:
    plain, full = config("towline"), config("towline-full")
    assert "docker_api" not in plain
    assert full["docker_api"] is True
    assert full["hassio_role"] == "manager"
    both = {key: value for key, value in plain.items() if key in full}
    differing = {key for key in both if full[key] != plain[key]}
    assert differing == {"name", "slug", "description", "panel_icon"}


def has_profile(app: str) -> bool:
    text = (ROOT / "addon" / app / "apparmor.txt").read_text()
    return len(re.findall(r"^profile (\S+)", text, re.MULTILINE)) == 1


@pytest.mark.parametrize("app", APPS)
def test_the_profile_bears_the_app_s_name_and_leaves_the_journal_alone(app: str) -> None:
    text = (ROOT / "addon" / app / "apparmor.txt").read_text()
    assert has_profile(app)
    assert f"profile {app} " in text
    assert "deny /var/log/journal/** w" in text
    assert ("docker.sock" in text) == (app == "towline-full")
    for folder in ("/data/**", "/config/**"):
        assert f"{folder} rwkl" in text


@pytest.mark.parametrize("app", APPS)
def test_version_pictures_and_pages_are_there(app: str) -> None:
    folder = ROOT / "addon" / app
    assert config(app)["version"] == __version__
    assert size(folder / "icon.png") == (128, 128)
    assert size(folder / "logo.png") == (250, 100)
    for page in ("README.md", "DOCS.md", "CHANGELOG.md"):
        assert (folder / page).read_text().startswith("# ")


def size(picture: Path) -> tuple[int, int]:
    """Width and height of a PNG."""
    data = picture.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def test_no_other_file_looks_like_an_app_to_supervisor() -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for ending in ("yaml", "yml", "json")
        for path in ROOT.rglob(f"config.{ending}")
        if not any(part.startswith(".") or part in {"data", "rootfs"} for part in path.parts)
    }
    assert found == {f"addon/{app}/config.yaml" for app in APPS}


@pytest.mark.parametrize("copy", sorted(wanted(ROOT)), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_an_app_s_folder_has_of_the_project_is_equal(copy: Path) -> None:
    assert copy.read_text() == wanted(ROOT)[copy], "./dev copy brings it there"
