"""Encrypted values and secrets: opened with the right key in the right place, and never shown."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.unit.config.kinds import BACKENDS, SOURCES
from towline.config.encrypted import KEY, KEY_FILE_VARIABLE, Keys, keys_in
from towline.config.files import Files
from towline.config.load import load
from towline.config.problems import as_json, as_text
from towline.config.reader import nothing
from towline.config.settings import Secret, Settings
from towline.errors import ConfigError, Problem

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
PATH = "brokers.home.password"


def token(value: str, path: str = "", key: str = NEW) -> str:
    return Keys(nothing, Path(), {KEY: key}).encrypt(value, path)


def text(words: str) -> str:
    return (
        "version: 1\nbrokers:\n  home:\n    servers: [mqtt://nas]\n    username: me\n"
        f"    password: !encrypted {words}\n"
    )


def loaded(
    content: str,
    folder: Path = Path("/nowhere"),
    warnings: list[Problem] | None = None,
    env: dict[str, str] | None = None,
) -> Settings:
    warnings = [] if warnings is None else warnings
    file = folder / "towline.yaml"
    return load(
        content,
        SOURCES,
        BACKENDS,
        file=file,
        read=Files(),
        environment=env or {},
        warn=warnings.append,
    )


def refused_all(content: str, folder: Path, env: dict[str, str] | None = None) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        loaded(content, folder, env=env)
    return list(caught.value.problems)


def refused(
    content: str, folder: Path = Path("/nowhere"), env: dict[str, str] | None = None
) -> Problem:
    (found,) = refused_all(content, folder, env=env)
    return found


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / ".towline.key"
    file.write_text(f"# of Monday\n{NEW}\n\n{OLD}  # to be removed\n")
    file.chmod(0o600)
    return file


def test_an_encrypted_value_is_opened_with_the_key_of_the_environment() -> None:
    found = loaded(text(token("hunter2", PATH)), env={KEY: NEW}).brokers["home"].password
    assert found.reveal() == "hunter2"


@pytest.mark.parametrize("key", [OLD, NEW])
def test_an_encrypted_value_is_opened_with_any_key_of_the_key_file(
    key_file: Path, key: str
) -> None:
    found = loaded(text(token("hunter2", key=key)), key_file.parent).brokers["home"].password
    assert found.reveal() == "hunter2"


def test_the_key_file_may_be_elsewhere(key_file: Path) -> None:
    elsewhere = key_file.rename(key_file.parent / "key")
    found = loaded(text(token("hunter2")), env={KEY_FILE_VARIABLE: str(elsewhere)})
    assert found.brokers["home"].password.reveal() == "hunter2"


def test_a_value_of_several_lines_comes_back_as_it_was() -> None:
    value = "-----BEGIN-----\nü\n\n-----END-----\n"
    found = loaded(text(token(value, PATH)), env={KEY: NEW}).brokers["home"].password
    assert found.reveal() == value


def test_a_value_may_be_folded_and_merged() -> None:
    words = token("hunter2", PATH)
    folded = text(f">-\n      {words[:60]}\n      {words[60:]}")
    assert loaded(folded, env={KEY: NEW}).brokers["home"].password.reveal() == "hunter2"
    merged = text(words).replace("password", "<<: {password").replace(words, f"{words}}}")
    assert loaded(merged, env={KEY: NEW}).brokers["home"].password.reveal() == "hunter2"


def test_a_value_in_the_place_of_another_is_refused() -> None:
    found = refused(text(token("hunter2", "brokers.other.password")), env={KEY: NEW})
    assert (found.code, found.line, found.column) == ("wrong_place", 6, 15)
    assert "brokers.other.password" in found.text


def test_secrets_yaml_may_be_encrypted(tmp_path: Path) -> None:
    (tmp_path / "secrets.yaml").write_text(f"pw: !encrypted {token('hunter2', 'pw')}\n")
    content = text("x").replace("!encrypted x", "!secret pw")
    found = loaded(content, tmp_path, env={KEY: NEW}).brokers["home"].password
    assert found.reveal() == "hunter2"
    told = refused_all(content, tmp_path, env={KEY: OLD})
    assert [(Path(each.file).name, each.code) for each in told] == [
        ("secrets.yaml", "undecryptable"),
        ("towline.yaml", "unread_secrets"),
    ]


@pytest.mark.parametrize(
    ("words", "env", "code"),
    [
        (token("hunter2"), {KEY: OLD}, "undecryptable"),
        (token("hunter2")[:-8], {KEY: NEW}, "undecryptable"),
        ("", {KEY: NEW}, "undecryptable"),
        ("ümlaut", {KEY: NEW}, "undecryptable"),
        (Fernet(NEW).encrypt(b"made elsewhere").decode(), {KEY: NEW}, "wrong_place"),
        (token(""), {KEY: NEW}, "wrong_value"),
        (token("hunter2"), {}, "no_secret_key"),
        (token("hunter2"), {KEY: " , "}, "no_secret_key"),
        (token("hunter2"), {KEY: "abc"}, "bad_secret_key"),
        (token("hunter2"), {KEY_FILE_VARIABLE: "/nowhere/key"}, "no_secret_key"),
        (token("hunter2"), {KEY_FILE_VARIABLE: "/"}, "no_secret_key"),
    ],
)
def test_a_value_that_cannot_be_opened_is_told_at_its_place_without_token_and_key(
    words: str, env: dict[str, str], code: str
) -> None:
    found = refused(text(words), env=env)
    assert (found.code, found.path) == (code, ("brokers", "home", "password"))
    shown = as_text([found]) + json.dumps(as_json([found]))
    assert "hunter2" not in shown
    for hidden in (words, *env.values()):
        assert len(hidden) < 20 or hidden not in shown


def test_a_key_that_others_may_read_is_refused(key_file: Path) -> None:
    key_file.chmod(0o644)
    found = refused(text(token("hunter2")), key_file.parent)
    assert (found.code, found.hint) == ("open_secret_key", f"chmod 600 {key_file}")


def test_secrets_that_others_may_read_are_warned_about(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets.yaml"
    secrets.write_text("pw: hunter2\n")
    secrets.chmod(0o644)
    content = text("x").replace("!encrypted x", "!secret pw")
    warnings: list[Problem] = []
    loaded(content, tmp_path, warnings)
    assert [(told.code, told.severity, told.file) for told in warnings] == [
        ("open_secrets", "warning", str(secrets))
    ]
    secrets.chmod(0o640)
    warnings.clear()
    loaded(content, tmp_path, warnings)
    assert warnings == []


def test_keys_are_words_and_comments_are_none() -> None:
    assert keys_in("# x\na,b\n\n c # d\n") == ["a", "b", "c"]


def test_a_secret_shows_itself_to_nobody() -> None:
    secret = Secret("hunter2")
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>10}",
        secret + "",
        secret[:],
        secret.upper(),
        secret.encode().decode(),
        json.dumps({"password": secret}),
        "".join([secret]),
    ]
    assert not any("hunter2" in each.lower() for each in shown)
    assert secret.reveal() == Secret(secret).reveal() == "hunter2"
    assert copy.copy(secret) is copy.deepcopy(secret) is secret
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_secrets_differ_as_their_values_do() -> None:
    assert Secret("a") == Secret("a") == "a"
    assert Secret("a") != Secret("b")
    assert hash(Secret("a")) == hash("a")
    assert not Secret("")


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ("store: {flush: !secret pw}", "hunter2"),
        ("store: {compression: !secret pw}", "zstandard"),
        ("brokers: {x: {servers: [!secret pw]}}", "hunter2://nas"),
        ("brokers: {x: {servers: [mqtt://nas], client_id: !secret pw}}", "{hunter2}"),
        ("brokers: {x: {servers: [mqtt://nas], client_id: !secret pw}}", "hunter2{"),
        ("routes: [{match: {regex: !secret pw}, to: x}]", "(hunter2"),
        ("routes: [{match: {label: [!secret pw]}, to: x}]", "=hunter2"),
        ("routes: [{to: !secret pw}]", "hunter2"),
        ("sources: {x: {type: !secret pw}}", "hunter2"),
        ("device: {id: !secret pw}", "hunter2!" * 10),
        ("api: !secret pw", "hunter2" * 10),
    ],
)
def test_no_problem_shows_a_secret_that_does_not_fit(
    tmp_path: Path, line: str, secret: str
) -> None:
    (tmp_path / "secrets.yaml").write_text(f"pw: '{secret}'\n")
    with pytest.raises(ConfigError) as caught:
        loaded(f"version: 1\n{line}\n", tmp_path)
    shown = as_text(caught.value.problems) + str(caught.value)
    assert "hunter2" not in shown
    assert "zstandard" not in shown
