"""`towline secret` and `towline schema`, as a person types them."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.fernet import Fernet

from towline.cli import main
from towline.config.encrypted import KEY, Keys, keys_in
from towline.config.reader import nothing

FILE = "version: 1\nbrokers: {home: {servers: [mqtt://b], username: u, password: PASSWORD}}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("TOWLINE_CONFIG", "TOWLINE_KEY", "TOWLINE_KEY_FILE", "MQTT_BROKER"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "config").mkdir()
    return tmp_path / "config"


def towline(*arguments: str, value: str = "", **env: str) -> Result:
    return CliRunner().invoke(main, list(arguments), input=value, env=env)


def rights(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def token(value: str, key: str) -> str:
    return Keys(nothing, Path(), {KEY: key}).encrypt(value)


def test_a_key_is_made_a_value_encrypted_and_the_file_is_valid(folder: Path) -> None:
    assert towline("secret", "new-key", "--file", "config/.towline.key").exit_code == 0
    assert rights(folder / ".towline.key") == 0o600
    found = towline("secret", "encrypt", "--path", "brokers.home.password", value="hunter2\n")
    assert found.exit_code == 0
    (folder / "towline.yaml").write_text(FILE.replace("PASSWORD", found.output.strip()))
    checked = towline("check")
    assert (checked.exit_code, checked.output) == (0, "config/towline.yaml: valid\n")
    (folder / "towline.yaml").write_text(
        FILE.replace("home", "other").replace("PASSWORD", found.output.strip())
    )
    assert "was encrypted for 'brokers.home.password'" in towline("check").output


def test_a_printed_key_works_from_the_environment(folder: Path) -> None:
    key = towline("secret", "new-key").stdout.strip()
    found = towline("secret", "encrypt", value="hunter2", TOWLINE_KEY=key)
    assert (
        Keys(nothing, folder, {KEY: key}).value(found.stdout.split()[1], ()).reveal() == "hunter2"
    )


def test_rotation_changes_tokens_and_nothing_else(folder: Path) -> None:
    key_file = folder / ".towline.key"
    towline("secret", "new-key", "--file", str(key_file))
    old = key_file.read_text().strip()
    first, second = token("one", old), token("two", old)
    text = (
        "\ufeff# ünï 😀\r\nversion: 1\r\n"
        f"a: &x !encrypted   {first}   # keep\n"
        f'b: [ !encrypted "{second}", !secret {first} ]\n'
        f"c: !encrypted >-\n    {first[:40]}\n    {first[40:]}\n\n# {first}\nd:   *x\n"
    )
    file = folder / "towline.yaml"
    file.write_bytes(text.encode())
    file.chmod(0o640)
    towline("secret", "new-key", "--file", str(key_file))
    found = towline("secret", "rotate", str(file))
    assert (found.exit_code, found.output) == (
        0,
        f"towline: {file}: 3 encrypted anew, 0 had the newest key already\n",
    )
    assert rights(file) == 0o640
    new = keys_in(key_file.read_text())[0]
    written = file.read_bytes().decode()
    opened = [
        Keys(nothing, folder, {KEY: new}).value(word.strip('"'), ()).reveal()
        for line in written.splitlines()
        for word in [line.partition("!encrypted")[2].strip().split(",")[0].split(" ")[0]]
        if word
    ]
    assert opened == ["one", "two", "one"]
    lines, before = written.splitlines(keepends=True), text.splitlines(keepends=True)
    assert lines[:2] == before[:2]
    assert lines[2].startswith("a: &x !encrypted   gAAA")
    assert lines[2].endswith("   # keep\n")
    assert lines[3].endswith(f'", !secret {first} ]\n')
    assert lines[-2:] == before[-2:]
    key_file.write_text(new)
    again = towline("secret", "rotate", str(file))
    assert "0 encrypted anew, 3 had the newest key" in again.output
    assert file.read_bytes().decode() == written


def test_when_one_value_cannot_be_read_no_file_is_written(folder: Path) -> None:
    old, new, other = (Fernet.generate_key().decode() for _ in range(3))
    good, bad = folder / "good.yaml", folder / "bad.yaml"
    good.write_text(f"a: !encrypted {token('x', old)}\n")
    bad.write_text(f"# one\nb: !encrypted {token('x', other)}\n")
    before = good.read_bytes()
    found = towline("secret", "rotate", str(good), str(bad), TOWLINE_KEY=f"{new},{old}")
    assert found.exit_code == 1
    assert f"{bad}:2:4: the encrypted value cannot be read with the variable" in found.output
    assert good.read_bytes() == before
    assert not [name for name in folder.iterdir() if name not in (good, bad)]


def test_a_link_stays_a_link(folder: Path) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    (folder / "real.yaml").write_text(f"a: !encrypted {token('x', old)}\n")
    (folder / "link.yaml").symlink_to("real.yaml")
    towline("secret", "rotate", str(folder / "link.yaml"), TOWLINE_KEY=f"{new},{old}")
    assert (folder / "link.yaml").is_symlink()
    assert (
        Keys(nothing, folder, {KEY: new}).rotate((folder / "real.yaml").read_text().split()[2])
        is None
    )


@pytest.mark.parametrize(
    ("arguments", "value", "said"),
    [
        (["encrypt"], "x", "there is no key for encrypted values in config/.towline.key"),
        (["encrypt", "--path", "a\nb"], "x", "--path: expected the way to a value"),
        (["rotate", "nothing.yaml"], "", "nothing.yaml: there is no such file"),
        (["rotate", "config"], "", "not a regular file"),
        (["new-key", "--file", "nowhere/key"], "", "nowhere/key: No such file"),
    ],
)
def test_what_is_missing_is_said(folder: Path, arguments: list[str], value: str, said: str) -> None:
    found = towline("secret", *arguments, value=value)
    assert found.exit_code != 0
    assert said in found.output
    assert "Traceback" not in found.output


def test_an_empty_or_endless_value_is_refused(folder: Path) -> None:
    key = Fernet.generate_key().decode()
    for value in ("", "\n", "x" * 100_000):
        found = towline("secret", "encrypt", value=value, TOWLINE_KEY=key)
        assert (found.exit_code, found.stdout) == (1, "")


def test_a_key_that_others_can_read_is_not_used(folder: Path) -> None:
    towline("secret", "new-key", "--file", "config/.towline.key")
    (folder / ".towline.key").chmod(0o644)
    found = towline("secret", "encrypt", value="x")
    assert found.exit_code == 1
    assert "chmod 600" in found.output


def test_schema_prints_the_committed_file() -> None:
    committed = Path(__file__).parents[2] / "config" / "towline.schema.json"
    found = towline("schema")
    assert found.output == committed.read_text()
    assert json.loads(found.output)["$schema"].endswith("2020-12/schema")
