"""Files in files: where they are looked for, what they may not reach, how their faults are told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.config.kinds import BACKENDS, SOURCES
from towline.config.files import Files
from towline.config.load import load
from towline.config.settings import Settings
from towline.errors import ConfigError, Problem

BROKER = "servers: [mqtt://nas]\nusername: me\npassword: !secret pw\n"


class Home:
    """A configuration folder on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = Files()

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def load(self, text: str, file: str = "towline.yaml") -> Settings:
        self.files = Files()
        path = self.write(file, f"version: 1\n{text}")
        return load(
            path.read_bytes(),
            SOURCES,
            BACKENDS,
            file=path,
            folder=self.folder,
            read=self.files,
            host_name="pi",
        )

    def problems(self, text: str, file: str = "towline.yaml") -> list[Problem]:
        try:
            self.load(text, file)
        except ConfigError as exc:
            return list(exc.problems)
        return []

    def told(self, text: str, file: str = "towline.yaml") -> list[str]:
        """Problems as `file:line:column code`."""
        return [
            f"{Path(told.file).relative_to(self.folder)}:{told.line}:{told.column} {told.code}"
            for told in self.problems(text, file)
        ]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    folder = tmp_path / "config"
    folder.mkdir()
    (tmp_path / "outside.yaml").write_text("servers: [mqtt://evil]\n")
    (folder / "secrets.yaml").write_text("pw: hunter2\n")
    return Home(folder)


def test_an_included_file_stands_where_its_tag_stands(home: Home) -> None:
    home.write("parts/broker.yaml", BROKER)
    found = home.load("brokers: {home: !include parts/broker.yaml}\n")
    assert found.brokers["home"].servers == ("mqtt://nas:1883",)


def test_each_file_of_a_folder_stands_under_its_name(home: Home) -> None:
    for name in ("one", "two"):
        home.write(f"brokers/{name}.yaml", f"{BROKER}client_id: {name}\n")
    home.write("brokers/secrets.yaml", "pw: near\n")
    home.write("brokers/.hidden.yaml", "x")
    home.write("brokers/readme.txt", "x")
    found = home.load("brokers: !include_dir_named brokers\n").brokers
    assert set(found) == {"one", "two"}
    assert found["one"].password.reveal() == "near"


def test_secrets_of_an_included_file_are_looked_for_from_its_own_folder_upwards(
    home: Home,
) -> None:
    home.write("parts/broker.yaml", BROKER)
    home.write("devices/secrets.yaml", "pw: not for parts\n")
    found = home.load("brokers: {home: !include parts/broker.yaml}\n", "devices/pi.yaml")
    assert found.brokers["home"].password.reveal() == "hunter2"


def test_files_are_looked_for_beside_the_file_and_then_above(home: Home) -> None:
    home.write("shared.yaml", "{id: top}")
    home.write("devices/near.yaml", "{id: near}")
    home.write("near.yaml", "{id: far}")
    assert home.load("device: !include shared.yaml\n", "devices/a/pi.yaml").device.id == "top"
    assert home.load("device: !include near.yaml\n", "devices/pi.yaml").device.id == "near"
    assert home.load("device: !include ../near.yaml\n", "devices/pi.yaml").device.id == "far"


def test_an_included_file_may_be_merged(home: Home) -> None:
    home.write("base.yaml", "store: {memory: 7, flush: 9s}\napi: {listen: '127.0.0.1:1'}\n")
    found = home.load("<<: !include base.yaml\nstore: {memory: 8}\n")
    assert (found.upkeep.memory, found.api.port) == (8, 1)


def test_faults_inside_included_files_are_told_there_with_the_whole_path(home: Home) -> None:
    home.write("store.yaml", "# mine\nretention:\n  max_age: soon\n  max_sise: 1GB\n")
    home.write("x.yaml", "client_id: y\n")
    home.write("base.yaml", "api:\n  listen: 5\n")
    found = home.problems(
        "<<: !include base.yaml\nstore: !include store.yaml\nbrokers: {x: !include x.yaml}\n"
    )
    assert [(Path(p.file).name, p.line, p.column, p.path, p.source) for p in found] == [
        ("base.yaml", 2, 11, ("api", "listen"), "  listen: 5"),
        ("store.yaml", 3, 12, ("store", "retention", "max_age"), "  max_age: soon"),
        ("store.yaml", 4, 3, ("store", "retention", "max_sise"), "  max_sise: 1GB"),
        ("x.yaml", 1, 1, ("brokers", "x"), "client_id: y"),
    ]


def test_a_wrong_key_of_an_included_part_is_told_where_it_is_written(home: Home) -> None:
    home.write("store.yaml", "memory: 5\n")
    home.write("my broker/a b.yaml", BROKER)
    assert home.told("stor: !include store.yaml\n") == ["towline.yaml:2:1 unknown_key"]
    assert home.told("brokers: !include_dir_named my broker\n") == [
        "my broker/a b.yaml:1:1 bad_name"
    ]


def test_syntax_errors_repeated_keys_and_bad_tags_of_included_files_are_all_told(
    home: Home,
) -> None:
    home.write("store.yaml", "memory: [\n")
    home.write("broker.yaml", "servers: []\nservers: []\npassword: !nonsense x\n")
    home.write("bytes.yaml", "\0")
    text = "store: !include store.yaml\ndevice: !include bytes.yaml\n"
    assert home.told(f"{text}brokers:\n  home: !include broker.yaml\n") == [
        "broker.yaml:1:10 wrong_length",
        "broker.yaml:2:1 repeated_key",
        "broker.yaml:3:11 unknown_tag",
        "bytes.yaml:1:1 bad_character",
        "store.yaml:2:1 syntax",
    ]


def test_of_a_section_that_cannot_be_read_nothing_is_missed_elsewhere(home: Home) -> None:
    home.write("brokers.yaml", "[\n")
    text = "brokers: !include brokers.yaml\nbackends: {m: {type: mqtt, broker: home}}\n"
    assert home.told(text) == ["brokers.yaml:2:1 syntax"]


@pytest.mark.parametrize(
    "words",
    [
        "../outside.yaml",
        "parts/../../outside.yaml",
        "/etc/hosts.yaml",
        "~/x.yaml",
        "link.yaml",
        "linked/outside.yaml",
        "round/outside.yaml",
    ],
)
def test_nothing_outside_the_configuration_folder_is_included(home: Home, words: str) -> None:
    (home.folder / "link.yaml").symlink_to("../outside.yaml")
    (home.folder / "linked").symlink_to(home.folder.parent)
    (home.folder / "parts").mkdir()
    (home.folder / "round").symlink_to("parts/../..")
    told = home.told(f"brokers: {{home: !include {words}}}\n")
    assert told == ["towline.yaml:2:17 path_escape"]
    assert home.folder.parent / "outside.yaml" not in home.files.seen


@pytest.mark.parametrize("words", ["..", "linked", "../config/../", "/etc"])
def test_no_folder_outside_the_configuration_folder_is_included(home: Home, words: str) -> None:
    (home.folder / "linked").symlink_to(home.folder.parent)
    assert home.told(f"brokers: !include_dir_named {words}\n") == ["towline.yaml:2:10 path_escape"]


def test_a_link_out_of_an_included_folder_is_not_followed(home: Home) -> None:
    home.write("brokers/a.yaml", BROKER)
    (home.folder / "brokers" / "b.yaml").symlink_to("../../outside.yaml")
    told = home.told("brokers: !include_dir_named brokers\n")
    assert told == ["towline.yaml:2:10 path_escape"]


def test_links_within_the_configuration_folder_are_followed(home: Home) -> None:
    home.write("..2026/broker.yaml", BROKER)
    (home.folder / "..data").symlink_to("..2026")
    (home.folder / "broker.yaml").symlink_to("..data/broker.yaml")
    assert set(home.load("brokers: {home: !include broker.yaml}\n").brokers) == {"home"}


def test_files_that_include_each_other_are_told_with_the_way(home: Home) -> None:
    home.write("a.yaml", "retention: !include b.yaml\n")
    home.write("b.yaml", "max_age: !include a.yaml\n")
    (found,) = home.problems("store: !include a.yaml\n")
    assert (Path(found.file).name, found.line, found.code) == ("b.yaml", 1, "include_loop")
    assert found.text.endswith("towline.yaml → a.yaml → b.yaml → a.yaml")
    assert home.told("store: !include towline.yaml\n") == ["towline.yaml:2:8 include_loop"]


def test_a_chain_of_more_than_sixteen_files_is_refused(home: Home) -> None:
    for number in range(20):
        home.write(f"f{number}.yaml", f"!include f{number + 1}.yaml\n")
    home.write("f20.yaml", "{memory: 5}")
    assert home.told("store: !include f0.yaml\n") == ["f15.yaml:1:1 too_deep"]
    assert home.load("store: !include f5.yaml\n").upkeep.memory == 5


def test_files_are_counted_together(home: Home) -> None:
    home.write("many.yaml", "[" + "a," * 60_000 + "]")
    home.write("long.yaml", "#" * 1_000_000)
    home.write("tiny.yaml", "")
    twice = "pipeline: {parse: !include many.yaml, redact: !include many.yaml}\n"
    assert [code.split()[1] for code in home.told(twice)][-1] == "too_much"
    five = "routes: [" + "!include long.yaml, " * 5 + "]\n"
    assert "towline.yaml:2:90 too_much" in home.told(five)
    thousand = "routes: [" + "!include tiny.yaml, " * 1001 + "]\n"
    assert any(code.endswith("too_much") for code in home.told(thousand))


def test_included_levels_are_counted_together(home: Home) -> None:
    home.write("deep.yaml", "[" * 60 + "]" * 60)
    nested = "routes: [[[[[!include deep.yaml]]]]]\n"
    assert home.told(nested)[0].startswith("deep.yaml:1:59 too_deep")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("!include nothing.yaml", "missing_file"),
        ("!include_dir_named nothing", "missing_file"),
        ("!include secrets.yaml", "wrong_value"),
        ("!include notes.txt", "wrong_value"),
        ("!include", "wrong_value"),
        ('!include "\\0.yaml"', "wrong_value"),
        (f"!include {'x' * 300}.yaml", "unreadable"),
        ("!include folder.yaml", "unreadable"),
    ],
)
def test_what_cannot_be_included_is_told(home: Home, words: str, code: str) -> None:
    (home.folder / "folder.yaml").mkdir()
    assert [found.code for found in home.problems(f"store: {words}\n")] == [code]


def test_a_fifo_is_not_waited_for(home: Home) -> None:
    os.mkfifo(home.folder / "pipe.yaml")
    (found,) = home.problems("store: !include pipe.yaml\n")
    assert found.code == "unreadable"


def test_every_file_that_was_asked_for_is_known_to_the_watcher(home: Home) -> None:
    home.write("brokers/a.yaml", BROKER)
    home.write("store.yaml", "{}")
    home.load("brokers: !include_dir_named brokers\nstore: !include store.yaml\n", "d/pi.yaml")
    seen = {
        str(path.relative_to(home.folder)): bool(mark) for path, mark in home.files.seen.items()
    }
    assert seen == {
        "d/brokers/*.yaml": False,
        "brokers/*.yaml": True,
        "brokers/a.yaml": True,
        "brokers/secrets.yaml": False,
        "secrets.yaml": True,
        "d/store.yaml": False,
        "store.yaml": True,
    }


def test_a_reader_that_knows_no_links_leads_nowhere_else_either() -> None:
    asked: list[Path] = []
    with pytest.raises(ConfigError) as caught:
        load(
            "version: 1\nstore: !include ../x.yaml\n",
            SOURCES,
            BACKENDS,
            file=Path("/config/towline.yaml"),
            read=lambda path: asked.append(path),
        )
    assert [problem.code for problem in caught.value.problems] == ["path_escape"]
    assert asked == []


def test_of_a_merged_file_that_cannot_be_read_only_that_is_told(home: Home) -> None:
    home.write("base.yaml", "[\n")
    assert home.told("<<: !include base.yaml\n") == ["base.yaml:2:1 syntax"]


def test_a_reader_that_knows_no_folders_says_so() -> None:
    with pytest.raises(ConfigError) as caught:
        load("version: 1\nbrokers: !include_dir_named x\n", SOURCES, BACKENDS)
    assert caught.value.problems[0].code == "missing_file"
