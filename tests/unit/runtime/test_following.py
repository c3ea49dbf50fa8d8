"""Which file counts while a repository is followed."""

from __future__ import annotations

from pathlib import Path

import pytest

from towline.config.environment import Overrides
from towline.kinds import BACKENDS, SOURCES
from towline.runtime.configuration import Configuration, Followed, Options

GIT = "git: {url: 'file:///fleet.git'}\n"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    file = tmp_path / "own" / "towline.yaml"
    file.parent.mkdir()
    file.write_text(f"version: 1\ndevice: {{id: pi}}\nstore: {{path: {tmp_path}}}\n{GIT}")
    return file


@pytest.fixture
def configuration(own: Path) -> Configuration:
    options = Options(file=own, environment={}, overrides=Overrides())
    return Configuration(options, SOURCES, BACKENDS)


def follow(configuration: Configuration, root: Path) -> Path:
    _, settings, _ = configuration.first()
    file = root / "devices" / "pi.yaml"
    configuration.follow(Followed(file, root, settings))
    return file


def test_a_followed_file_is_read_but_only_the_own_one_is_watched(
    configuration: Configuration, own: Path, tmp_path: Path
) -> None:
    file = follow(configuration, tmp_path / "tree")
    file.parent.mkdir(parents=True)
    file.write_text("version: 1\nsources: !include ../sources.yaml\n")
    (tmp_path / "tree" / "sources.yaml").write_text("{}\n")
    configuration.load()
    assert file in configuration.files.seen
    assert own in configuration.watched
    assert not any(tmp_path / "tree" in path.parents for path in configuration.watched)


def test_device_and_data_folder_of_the_own_file_hold_where_the_followed_one_is_silent(
    configuration: Configuration, tmp_path: Path
) -> None:
    file = follow(configuration, tmp_path / "tree")
    file.parent.mkdir(parents=True)
    file.write_text("version: 1\nsources: {}\n")
    kept, settings = configuration.load()
    assert (settings.device.id, settings.store.path) == ("pi", tmp_path)
    assert settings.git
    assert not settings.sources
    assert kept
    assert GIT.encode() in kept


def test_while_the_followed_file_is_not_there_the_own_one_counts(
    configuration: Configuration, own: Path, tmp_path: Path
) -> None:
    follow(configuration, tmp_path / "tree")
    _, settings = configuration.load()
    assert "docker" in settings.sources
    assert configuration.text() == own.read_text()


def test_warnings_of_both_files_are_told_each_once(
    configuration: Configuration, own: Path, tmp_path: Path
) -> None:
    secrets = own.with_name("secrets.yaml")
    secrets.write_text("name: Attic\n")
    secrets.chmod(0o644)
    own.write_text(own.read_text().replace("id: pi", "id: pi, name: !secret name"))
    file = follow(configuration, tmp_path / "tree")
    file.parent.mkdir(parents=True)
    file.write_text(
        "version: 1\nsources: {}\ndevice: {id: pi, name: !secret name}\n"
        "store: {retention: {max_size: 900000GB}}\n"
    )
    _, settings = configuration.load()
    told = [(Path(each.file).name, each.code) for each in settings.warnings]
    assert told == [("secrets.yaml", "open_secrets"), ("pi.yaml", "disk_too_small")]
