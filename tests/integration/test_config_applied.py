"""A running Towline whose configuration lies in several files: each of them counts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from tests.real.broker import free_port
from tests.real.until import auntil
from towline.app import Towline
from towline.config.encrypted import KEY, Keys
from towline.config.environment import Overrides
from towline.config.reader import nothing
from towline.config.rotation import rotated
from towline.runtime.configuration import Options
from towline.runtime.reload import Applied

FILE = "version: 1\nsources: {}\nbrokers: !include_dir_named brokers\n"
BROKER = "servers: [mqtt://127.0.0.1:1]\nusername: me\npassword: "


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    (folder / "brokers").mkdir(parents=True)
    (folder / "towline.yaml").write_text(FILE)
    (folder / "secrets.yaml").write_text("pw: first\n")
    (folder / "secrets.yaml").chmod(0o600)
    (folder / "brokers" / "home.yaml").write_text(f"{BROKER}!secret pw\n")
    return folder


@pytest.fixture
async def towline(folder: Path, tmp_path: Path) -> AsyncIterator[Towline]:
    overrides = Overrides(data=str(tmp_path / "data"), listen=f"127.0.0.1:{free_port()}")
    file = folder / "towline.yaml"
    found = Towline(Options(file=file, environment={}, overrides=overrides))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(found.run())
        await auntil(lambda: hasattr(found, "store") and "api" in found.status())
        yield found
        found.stop()


def configuration(towline: Towline) -> dict[str, Any]:
    return towline.status()["configuration"]


async def test_a_file_that_comes_into_an_included_folder_brings_its_component(
    towline: Towline, folder: Path
) -> None:
    home = towline.parts()["brokers.home"]
    (folder / "brokers" / "garden.yaml").write_text(f"{BROKER}!secret pw\nclient_id: garden\n")
    await auntil(lambda: "brokers.garden" in towline.parts())
    assert towline.parts()["brokers.home"] is home
    (folder / "brokers" / "garden.yaml").unlink()
    await auntil(lambda: "brokers.garden" not in towline.parts())
    assert towline.parts()["brokers.home"] is home


async def test_another_secret_replaces_what_uses_it_and_nothing_else(
    towline: Towline, folder: Path
) -> None:
    before = towline.parts()
    (folder / "secrets.yaml").write_text("pw: second\n")
    await auntil(lambda: towline.parts().get("brokers.home") not in (None, before["brokers.home"]))
    after = towline.parts()
    assert {key for key in before if after[key] is not before[key]} == {"brokers.home"}


async def test_a_fault_in_an_included_file_is_refused_with_its_name_and_nothing_is_touched(
    towline: Towline, folder: Path
) -> None:
    before = towline.parts()
    (folder / "brokers" / "home.yaml").write_text(f"{BROKER}!secret pw\nkeep_alive: never\n")
    await auntil(lambda: configuration(towline)["state"] == "degraded")
    assert "home.yaml:4:13" in configuration(towline)["reason"]
    assert towline.parts() == before
    (folder / "brokers" / "home.yaml").write_text(f"{BROKER}!secret pw\n")
    await auntil(lambda: configuration(towline)["state"] == "up")
    assert towline.parts() == before


@pytest.mark.parametrize("name", ["towline.yaml", "secrets.yaml", "brokers/home.yaml"])
async def test_a_huge_file_is_refused_and_nothing_is_touched(
    towline: Towline, folder: Path, name: str
) -> None:
    before, good = towline.parts(), (folder / name).read_bytes()
    os.truncate(folder / name, 1 << 30)
    await auntil(lambda: configuration(towline)["state"] == "degraded", 30)
    problems = towline.config_history()[0]["problems"]
    (told,) = [each for each in problems if each["code"] == "too_long"]
    assert (told["file"], told["message"]) == (
        str(folder / name),
        "the file is too long: more than 1 MiB",
    )
    assert towline.parts() == before
    (folder / name).write_bytes(good)
    await auntil(lambda: configuration(towline)["state"] == "up", 30)
    assert towline.parts() == before


async def test_another_key_for_the_same_values_touches_nothing(
    towline: Towline, folder: Path
) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    key_file, file = folder / ".towline.key", folder / "brokers" / "home.yaml"
    token = Keys(nothing, folder, {KEY: old}).encrypt("second", "brokers.home.password")
    key_file.touch(mode=0o600)
    key_file.write_text(f"{old}\n")
    before = towline.parts()["brokers.home"]
    file.write_text(f"{BROKER}!encrypted {token}\n")
    await auntil(lambda: towline.parts().get("brokers.home") not in (None, before))
    encrypted = towline.parts()["brokers.home"]
    both = Keys(nothing, folder, {KEY: f"{new},{old}"})
    key_file.write_text(f"{new}\n{old}\n")
    file.write_bytes(rotated(file.read_bytes(), str(file), both).data)
    assert isinstance(await towline.reload_file(), Applied)
    key_file.write_text(f"{new}\n")
    assert isinstance(await towline.reload_file(), Applied)
    assert towline.parts()["brokers.home"] is encrypted


async def test_warnings_of_what_runs_are_in_the_status_and_in_the_history(
    towline: Towline, folder: Path
) -> None:
    assert configuration(towline)["warnings"] == []
    secrets = folder / "secrets.yaml"
    secrets.chmod(0o644)
    (folder / "brokers" / "home.yaml").write_text(f"{BROKER}!secret pw\nclient_id: other\n")
    await auntil(lambda: towline.config_history()[0]["warnings"])
    (warning,) = configuration(towline)["warnings"]
    assert (warning["severity"], warning["file"]) == ("warning", str(secrets))
    assert towline.config_history()[0]["warnings"] == [warning]
    secrets.chmod(0o600)
    assert (await towline.reload())["warnings"] == []
    assert configuration(towline)["warnings"] == []
    assert towline.config_history()[0]["warnings"] == []
