"""One test over every file in `files/`: a bad one says in line 1 what must be told of it.

Line 1 is `# line:column message (hint) || ...`; a message or a hint may be cut short.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.config.kinds import loaded, problems

FILES = Path(__file__).parent / "files"
SECRETS = {"secrets.yaml": b"mqtt_user: me\nmqtt_password: hunter2\n"}


def names(ending: str) -> list[str]:
    return sorted(file.name for file in FILES.glob(f"*.{ending}.yaml"))


@pytest.mark.parametrize("name", names("good"))
def test_a_good_file_loads(name: str) -> None:
    assert loaded((FILES / name).read_bytes(), files=SECRETS).device.id


@pytest.mark.parametrize("name", names("bad"))
def test_a_bad_file_is_told_what_its_first_line_says_and_nothing_else(name: str) -> None:
    data = (FILES / name).read_bytes()
    wanted = data.splitlines()[0].decode().removeprefix("# ").split(" || ")
    found = sorted(
        f"{told.line}:{told.column} {told.text}" + (f" ({told.hint})" if told.hint else "")
        for told in problems(data, files=SECRETS)
    )
    assert len(found) == len(wanted), found
    for told, want in zip(found, sorted(wanted), strict=True):
        assert told.startswith(want), found


@pytest.mark.parametrize("name", names("bad"))
def test_every_problem_quotes_its_line(name: str) -> None:
    data = (FILES / name).read_bytes()
    lines = data.decode(errors="replace").split("\n")
    for told in problems(data, files=SECRETS):
        assert told.file == "/config/towline.yaml"
        assert told.source[:20] == lines[told.line - 1].rstrip("\r")[:20]
