"""The example of docs/adding-a-source.md, added to a copy of the program as that page says."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli_run import Run, running, towline
from tests.real.until import until

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adding-a-source.md").read_text()
CONFIG = """version: 1
device: {id: pi}
sources: {web: {type: filetail, files: ["%s/*.log"], interval: 20ms}}
"""


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the program with one folder and one line more."""
    copy = tmp_path_factory.mktemp("copy")
    package = copy / "towline"
    shutil.copytree(ROOT / "src" / "towline", package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "docs" / "examples" / "filetail", package / "sources" / "filetail")
    kinds = package / "kinds.py"
    told = re.search(r"```python\n(from towline\.sources import .+)\n", PAGE)
    assert told, "the page shows the import"
    text = re.sub(r"from towline\.sources import \w+,.+", told[1], kinds.read_text(), count=1)
    line = '    "filetail": filetail.KIND,\n'
    assert line in PAGE
    table = "SOURCES: Final[Kinds] = {\n"
    kinds.write_text(text.replace(table, table + line))
    return copy


@pytest.fixture
def run(copied: Path, tmp_path: Path) -> Iterator[Run]:
    with running(tmp_path / "run", CONFIG % tmp_path, PYTHONPATH=str(copied)) as found:
        yield found


def messages(run: Run) -> list[str]:
    return [record["message"] for record in run.records("access")]


def test_lines_of_a_file_are_records_over_rotation_and_truncation(run: Run, tmp_path: Path) -> None:
    status = run.status()["components"]["sources.web"]
    assert "there is no file" in status["reason"]
    file = tmp_path / "access.log"
    file.write_text("one\ntwo\nhal")
    until(lambda: "two" in messages(run))
    with file.open("a") as again:
        again.write("f\n")
    until(lambda: "half" in messages(run))
    file.rename(tmp_path / "access.1")
    file.write_text("rotated\n")
    until(lambda: "rotated" in messages(run))
    file.write_text("cut\n")
    until(lambda: "cut" in messages(run))
    assert messages(run) == ["one", "two", "half", "rotated", "cut"]
    assert run.status()["components"]["sources.web"]["state"] == "up"


def test_a_wrong_key_of_it_is_told_with_its_place(copied: Path, tmp_path: Path) -> None:
    file = tmp_path / "towline.yaml"
    file.write_text("version: 1\nsources: {web: {type: filetail, file: [a.log]}}\n")
    done = towline("check", str(file), env={"PYTHONPATH": str(copied)})
    assert done.returncode == 1
    assert "files" in done.stdout + done.stderr
