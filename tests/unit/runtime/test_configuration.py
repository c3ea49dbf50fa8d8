from __future__ import annotations

import stat
from pathlib import Path

import pytest

from towline.config.environment import Overrides
from towline.config.settings import Settings
from towline.errors import ConfigError, EditError, Problem
from towline.runtime.configuration import Configuration, Options, etag_of
from towline.runtime.diff import Plan
from towline.runtime.history import KEPT, History, replace_text
from towline.runtime.probation import healthy, relapse
from towline.runtime.reload import Applied, Refused

GOOD = b"version: 1\nsources: {}\n"
BETTER = b"# a comment\nversion: 1\nsources: {}\n"
ODD = Problem(code="odd", text="odd", file="a.yaml", line=2, severity="warning")
NOTHING = Plan(frozenset({"api"}), frozenset(), frozenset(), frozenset())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "towline.yaml"
    file.write_bytes(GOOD)
    return file


def configuration(file: Path | None, home: Path | None = None) -> Configuration:
    overrides = Overrides(data=str(home) if home else None)
    found = Configuration(Options(file=file, environment={}, overrides=overrides), {}, {})
    if home:
        found.at_home(home)
    return found


def test_an_edit_replaces_the_file_and_keeps_the_text_before(file: Path, tmp_path: Path) -> None:
    file.chmod(0o640)
    configuration(file, tmp_path).replace(BETTER, etag_of(GOOD))
    assert file.read_bytes() == BETTER
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    (kept,) = (tmp_path / "config-history").glob("*.yaml")
    assert kept.read_bytes() == GOOD
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_an_edit_goes_through_a_link_and_leaves_the_link(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.yaml"
    link.symlink_to(file)
    configuration(link).replace(BETTER, etag_of(GOOD))
    assert link.is_symlink()
    assert file.read_bytes() == BETTER


def test_an_edit_of_another_text_than_was_read_is_refused(file: Path) -> None:
    with pytest.raises(EditError, match="has changed"):
        configuration(file).replace(BETTER, etag_of(b"something else"))
    assert file.read_bytes() == GOOD


def test_what_somebody_else_saves_while_an_edit_is_checked_is_not_overwritten(file: Path) -> None:
    class Meanwhile(Configuration):
        def settings(self, text: bytes | str | None) -> Settings:
            file.write_bytes(b"version: 1\n")
            return super().settings(text)

    found = Meanwhile(Options(file=file, environment={}, overrides=Overrides()), {}, {})
    with pytest.raises(EditError, match="has changed"):
        found.replace(BETTER, etag_of(GOOD))
    assert file.read_bytes() == b"version: 1\n"


def test_an_edit_at_fault_is_refused_and_nothing_is_written(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        configuration(file, tmp_path).replace(b"version: 2\n", etag_of(GOOD))
    assert file.read_bytes() == GOOD
    assert not list(tmp_path.glob("config-history/*"))


def test_without_a_file_there_is_nothing_to_edit() -> None:
    with pytest.raises(EditError, match="without a file"):
        configuration(None).replace(BETTER, "*")


def test_a_start_with_a_broken_file_runs_the_last_good_text(file: Path, tmp_path: Path) -> None:
    configuration(file, tmp_path).keep(BETTER)
    file.write_bytes(b"version: 1\nsourcs: {}\n")
    text, _, problems = configuration(file, tmp_path).first()
    assert text == BETTER
    assert any("sourcs" in problem.source for problem in problems)


def test_a_start_with_a_broken_file_and_no_last_good_text_runs_the_minimum(
    file: Path, tmp_path: Path
) -> None:
    file.write_bytes(b"version: [")
    text, settings, problems = configuration(file, tmp_path).first()
    assert text is None
    assert not settings.sources
    assert problems


def test_a_file_that_is_not_there_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    _, _, problems = configuration(tmp_path / "none.yaml", tmp_path).first()
    assert problems[0].code == "missing_file"


def test_health_says_whether_what_runs_is_what_the_file_says(file: Path) -> None:
    found = configuration(file)
    found.ended(Refused((Problem(code="x", text="no such key", file="a.yaml", line=3),)), "file")
    assert found.health.reason == "configuration refused: a.yaml:3:1: no such key"
    found.ended(Applied(NOTHING), "api")
    assert found.health.state == "up"
    assert [entry["actor"] for entry in found.history.entries] == ["api", "file"]


def test_what_is_odd_in_the_file_is_told_with_what_runs(file: Path, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets.yaml"
    secrets.write_text("name: attic\n")
    secrets.chmod(0o644)
    file.write_text("version: 1\nsources: {}\ndevice: {id: !secret name}\n")
    found = configuration(file)
    _, running = found.load()
    (warning,) = found.status(running)["warnings"]
    assert warning["severity"] == "warning"
    assert warning["file"] == str(secrets)
    assert str(secrets) in str(Applied(NOTHING, warnings=running.warnings))
    secrets.chmod(0o600)
    assert not found.load()[1].warnings


def test_a_disk_smaller_than_what_may_be_kept_is_odd(file: Path) -> None:
    file.write_bytes(GOOD + b"store: {retention: {max_size: 900000GB}}\n")
    (warning,) = configuration(file).load()[1].warnings
    assert warning.code == "disk_too_small"


def test_nothing_changed_is_news_only_where_something_was_wrong_or_became_odd(file: Path) -> None:
    found = configuration(file)
    odd = Applied(Plan(frozenset(), frozenset(), frozenset(), frozenset()), warnings=(ODD,))
    plain = Applied(odd.plan)
    assert found.is_news(plain)
    found.ended(plain, "start")
    assert not found.is_news(plain)
    assert found.is_news(odd)
    found.ended(odd, "file")
    assert not found.is_news(odd)
    assert found.is_news(plain)
    found.ended(Refused((Problem(code="x", text="no such key"),)), "file")
    assert found.is_news(plain)


def test_an_outcome_tells_the_first_warning_and_how_many_more_there_are() -> None:
    one, three = Applied(NOTHING, warnings=(ODD,)), Applied(NOTHING, warnings=(ODD,) * 3)
    assert str(one) == "configuration applied: added api; warning: a.yaml:2:1: odd"
    assert str(three) == "configuration applied: added api; warning: a.yaml:2:1: odd, and 2 more"
    assert [each["message"] for each in three.as_json()["warnings"]] == ["odd"] * 3


def test_history_survives_a_restart_a_torn_entry_and_stays_small(tmp_path: Path) -> None:
    history = History(tmp_path / "h", clock=lambda: 1.0)
    for number in range(KEPT + 5):
        history.add("file", {"outcome": str(number)})
        history.save()
    with (tmp_path / "h" / "history.ndjson").open("a") as out:
        out.write('{"torn": ')
    again = History(tmp_path / "h")
    assert again.entries[0]["outcome"] == str(KEPT + 4)
    assert len(again.entries) in (KEPT - 1, KEPT)


def test_only_the_newest_replaced_texts_are_kept(tmp_path: Path) -> None:
    now = [0.0]

    def clock() -> float:
        now[0] += 1
        return now[0]

    history = History(tmp_path / "h", clock=clock)
    for number in range(KEPT + 3):
        history.keep(str(number).encode())
    texts = sorted(path.read_text() for path in (tmp_path / "h").glob("*.yaml"))
    assert len(texts) == KEPT
    assert "0" not in texts


def test_a_text_that_cannot_be_written_leaves_the_file_whole(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    with pytest.raises(OSError, match="directory"):
        replace_text(target, b"x")
    assert not list(tmp_path.glob(".*.part"))


async def no_time(_: float) -> None:
    return


def part(state: str, reason: str | None = None) -> dict[str, str | None]:
    return {"state": state, "reason": reason}


async def test_probation_names_the_part_that_was_well_before_and_is_not_now() -> None:
    before = healthy(
        {"backends.a": part("up"), "backends.b": part("degraded"), "store": part("up")}
    )
    now = {"backends.a": part("degraded", "refused"), "backends.b": part("degraded")}
    found = await relapse(before, lambda: now, 60, sleep=no_time)
    assert found is not None
    assert (found.key, found.reason) == ("backends.a", "refused")


async def test_probation_is_passed_by_what_is_well_new_or_removed() -> None:
    before = frozenset({"backends.a", "backends.gone"})
    now = {"backends.a": part("up"), "backends.new": part("degraded")}
    assert await relapse(before, lambda: now, 60, sleep=no_time) is None
