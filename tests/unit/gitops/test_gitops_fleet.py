"""The example of a fleet: its CI job, run for real, finds it sound, and finds what is not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from towline.config.git import SCHEMA

ROOT = Path(__file__).parents[3]
FLEET = ROOT / "config" / "examples" / "fleet"


def command() -> str:
    """The command of the CI job that checks the files."""
    job = yaml.safe_load((FLEET / "ci-example.yaml").read_text())["jobs"]["check"]
    (found,) = [step["run"] for step in job["steps"] if "towline check" in step.get("run", "")]
    return str(found)


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-ec", command()],
        cwd=folder,
        env={"PATH": path, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FLEET, tmp_path / "fleet"))


def test_the_job_finds_every_device_valid(fleet: Path) -> None:
    done = run(fleet)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_the_job_finds_a_mistake_in_any_device(fleet: Path) -> None:
    file = fleet / "devices" / "hall-pi.yaml"
    file.write_text(file.read_text().replace("brokers:", "brokres:"))
    done = run(fleet)
    assert done.returncode == 1
    assert "devices/hall-pi.yaml" in done.stdout
    assert "line=13" in done.stdout


def test_the_job_finds_a_mistake_in_what_devices_share(fleet: Path) -> None:
    (fleet / "shared" / "hub.yaml").write_text("servers: [mqtt://hub.example]\nuser: fleet\n")
    done = run(fleet)
    assert done.returncode == 1
    assert "file=shared/hub.yaml,line=2,col=1" in done.stdout
    assert "username" in done.stdout


def test_the_job_finds_a_line_that_goes_elsewhere_than_it_should(fleet: Path) -> None:
    file = fleet / "devices" / "hall-pi.yaml"
    file.write_text(file.read_text().replace("min_level: warn", "min_level: error"))
    done = run(fleet)
    assert done.returncode == 1
    assert "devices/hall-pi.yaml" in done.stdout
    assert "a warning goes to the hub" in done.stdout


def test_the_job_finds_a_pipeline_that_lets_a_secret_out(fleet: Path) -> None:
    (fleet / "shared" / "pipeline.yaml").write_text("redact: [emails]\n")
    done = run(fleet)
    assert done.returncode == 1
    assert "a password stays here whatever happens" in done.stdout


def test_every_device_has_tests_and_shares_what_is_the_same() -> None:
    for file in (FLEET / "devices").glob("*.yaml"):
        text = file.read_text()
        assert "tests:" in text
        assert "!include ../shared/" in text


def test_a_devices_file_is_named_as_its_id() -> None:
    for file in (FLEET / "devices").glob("*.yaml"):
        assert f"id: {file.stem}," in file.read_text()


def test_the_page_about_it_has_every_key_with_its_default() -> None:
    page = (ROOT / "docs" / "git.md").read_text()
    for key in SCHEMA.item.schema:  # type: ignore[attr-defined]
        default = getattr(key, "default", None)
        shown = f" `{default()}` " if callable(default) and default() else " "
        assert f"| `{key}` |{shown}" in page or f"| `{key}` | (needed) |" in page
