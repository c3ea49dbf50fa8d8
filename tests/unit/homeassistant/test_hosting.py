from __future__ import annotations

import json
import re
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from towline.config.load import load
from towline.config.settings import Secret
from towline.homeassistant.beginning import first_text
from towline.homeassistant.hosting import INGRESS, Hosting, hosting, options_of
from towline.homeassistant.supervisor import Supervisor
from towline.kinds import BACKENDS, SOURCES


def said(folder: Path, text: str) -> Path:
    file = folder / "options.json"
    file.write_text(text)
    return file


def hosted(folder: Path, **options: Any) -> Hosting:
    return Hosting(
        supervisor=Supervisor(Secret("token")),
        options=options_of(said(folder, json.dumps(options))),
        data=folder,
        config=folder,
        socket=folder / "docker.sock",
    )


def test_options_are_those_that_supervisor_has_written(tmp_path: Path) -> None:
    found = options_of(said(tmp_path, '{"config_file": "site.yaml", "log_level": "debug"}'))
    assert (found.config_file, found.log_level, found.faults) == ("site.yaml", "debug", ())


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '"x"', "\xff", '{"log_level": ' + "[" * 5000]
)
def test_options_that_cannot_be_read_count_as_not_given(tmp_path: Path, text: str) -> None:
    found = options_of(said(tmp_path, text))
    assert found.config_file == "towline.yaml"
    assert len(found.faults) == 1


def test_without_options_there_is_nothing_to_complain_of(tmp_path: Path) -> None:
    assert options_of(tmp_path / "options.json").faults == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("config_file", "../secrets.yaml"),
        ("config_file", "/data/options.yaml"),
        ("config_file", "towline.txt"),
        ("config_file", 7),
        ("log_level", "loud"),
        ("git_url", "gopher://example.org/x"),
        ("git_url", "git@example.org:fleet.git"),
        ("git_token", ["x"]),
    ],
)
def test_an_option_at_fault_is_told_and_not_used(tmp_path: Path, name: str, value: object) -> None:
    found = options_of(said(tmp_path, json.dumps({name: value})))
    assert getattr(found, name) == getattr(options_of(tmp_path / "none"), name)
    assert len(found.faults) == 1
    assert name in found.faults[0]


def test_what_is_supervisor_s_stays_out_of_the_environment(tmp_path: Path) -> None:
    given = {"SUPERVISOR_TOKEN": "s", "HASSIO_TOKEN": "s", "TZ": "Europe/Berlin"}
    found = hosted(tmp_path, encryption_key="k").environment(given)
    assert found == {"TZ": "Europe/Berlin", "TOWLINE_KEY": "k"}


def test_the_token_is_not_shown(tmp_path: Path) -> None:
    assert "hidden" not in repr(hosting({"SUPERVISOR_TOKEN": "hidden"}, tmp_path))
    options = {"git_url": "https://g.example/x", "git_token": "hidden", "encryption_key": "hidden"}
    one = hosted(tmp_path, **options)
    assert "hidden" not in repr(one)
    assert "hidden" not in repr(one.overrides(None, None))


def test_ingress_is_supervisor_s_address(tmp_path: Path) -> None:
    assert hosting({"SUPERVISOR_TOKEN": "s"}, tmp_path).ingress == INGRESS == "172.30.32.2"


def settings(hosted: Hosting, text: str | None = None) -> Any:
    return load(
        text or first_text(),
        SOURCES,
        BACKENDS,
        environment=hosted.environment({}),
        overrides=hosted.overrides(None, None),
    )


def test_the_first_file_is_sound(tmp_path: Path) -> None:
    found = settings(hosted(tmp_path))
    assert found.warnings == ()
    assert found.brokers["home"].servers == ("supervisor",)
    assert found.homeassistant.discovery


def test_so_is_everything_that_is_switched_off_in_it(tmp_path: Path) -> None:
    whole = re.sub(r"(?m)^#(?! \S)", "", first_text())
    found = settings(hosted(tmp_path), whole)
    assert found.backends.keys() == {"loki"}
    assert found.alerts
    assert found.api.tokens


def test_without_a_socket_the_journal_tells_of_containers(tmp_path: Path) -> None:
    found = settings(hosted(tmp_path)).sources
    assert found.keys() == {"journal"}
    assert found["journal"].config.containers


def test_with_a_socket_the_engine_does(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as engine:
        engine.bind(str(tmp_path / "docker.sock"))
        found = settings(hosted(tmp_path)).sources
    assert found.keys() == {"docker", "journal"}
    assert not found["journal"].config.containers


def test_sources_of_the_file_count_before_what_is_there(tmp_path: Path) -> None:
    found = settings(hosted(tmp_path), "version: 1\nsources: {d: {type: demo}}\n").sources
    assert found.keys() == {"d"}


def test_a_repository_of_the_options_counts_above_the_file(tmp_path: Path) -> None:
    one = hosted(tmp_path, git_url="https://g.example/fleet.git", git_token="hidden")
    own = "version: 1\ngit: {url: 'https://other.example/x.git', branch: site}\n"
    found = settings(one, own).git
    assert (found.url, found.branch) == ("https://g.example/fleet.git", "site")
    assert found.token.reveal() == "hidden"
    assert settings(one).git.branch == "main"


def test_it_keeps_its_data_and_listens_where_supervisor_expects_it(tmp_path: Path) -> None:
    found = settings(hosted(tmp_path))
    assert found.store.path == tmp_path
    assert (found.api.host, found.api.port) == ("0.0.0.0", 8099)


def test_the_first_file_is_written_once(tmp_path: Path) -> None:
    one = hosted(tmp_path, config_file="site.yaml")
    assert one.file(None) == tmp_path / "site.yaml"
    assert one.file(None).read_text() == first_text()
    one.file(None).write_text("version: 1\n")
    assert one.file(None).read_text() == "version: 1\n"


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    one = replace(hosted(tmp_path), config=tmp_path / "no")
    assert one.file(None) == tmp_path / "no" / "towline.yaml"
    assert one.file(tmp_path / "given.yaml") == tmp_path / "given.yaml"
