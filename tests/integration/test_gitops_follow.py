"""Following a real repository over file://: commits good and bad, and everything in between."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from pathlib import Path

import pytest

from tests.integration.gitops_rig import (
    BAD,
    DEVICE,
    ENVIRONMENT,
    FILE,
    GOOD,
    Follower,
    Repository,
    git,
    settings,
    whole,
)
from tests.real.until import auntil
from towline.errors import Problem
from towline.gitops.sync import GitSync
from towline.gitops.tree import Bounds
from towline.status import State


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    folder = tmp_path / "origin"
    folder.mkdir()
    return Repository(folder)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


async def test_the_first_sync_brings_the_tip_and_says_whose_it_is(
    repository: Repository, data: Path
) -> None:
    tip = repository.memory(1, "Keep one record")
    follower = Follower(data, settings(repository.url))
    async with follower.sync as sync:
        assert not sync.file.exists()
        status = await sync.sync_now()
    assert whole(data, repository) == tip
    assert follower.applied == [GOOD % 1]
    assert follower.states == ["behind", "in sync"]
    assert (status["commit"], status["running"], status["wanted"]) == (tip, tip, tip)
    assert (status["author"], status["subject"]) == ("Ada", "Keep one record")
    assert status["committedAt"] == 1000 * int(git(repository.bare, "show", "-s", "--format=%ct"))
    assert status["file"] == FILE
    assert status["lastSync"]
    assert not status["lastError"]


async def test_a_new_commit_is_applied_while_running(repository: Repository, data: Path) -> None:
    repository.memory(1)
    follower = Follower(data, settings(repository.url))
    async with follower.sync as sync:
        task = asyncio.create_task(sync.run())
        await auntil(lambda: follower.applied)
        tip = repository.memory(2)
        await auntil(
            lambda: sync.status()["running"] == tip and sync.status()["state"] == "in sync"
        )
        assert sync.health.state is State.UP
        task.cancel()
        await asyncio.wait([task])
    assert follower.applied == [GOOD % 1, GOOD % 2]


async def test_nothing_new_applies_nothing(repository: Repository, data: Path) -> None:
    repository.memory(1)
    follower = Follower(data, settings(repository.url))
    async with follower.sync as sync:
        for _ in range(3):
            await sync.sync_now()
    assert len(follower.applied) == follower.verified == 1
    assert follower.states == ["behind", "in sync"]


async def test_a_bad_commit_is_not_applied_and_not_tried_again_until_a_better_one(
    repository: Repository, data: Path
) -> None:
    good = repository.memory(1)
    follower = Follower(data, settings(repository.url))
    async with follower.sync as sync:
        await sync.sync_now()
        bad = repository.commit({FILE: BAD}, "Oops")
        task = asyncio.create_task(sync.run())
        await auntil(lambda: sync.status()["state"] == "invalid")
        before = sync.status()["lastSync"]
        await auntil(lambda: sync.status()["lastSync"] > before + 200)
        status = sync.status()
        assert follower.verified == 2
        assert (status["running"], status["wanted"]) == (good, bad)
        assert status["wantedSubject"] == "Oops"
        (problem,) = status["problems"]
        assert (problem["file"], problem["line"], problem["code"]) == (FILE, 3, "unknown_key")
        assert sync.health.state is State.DEGRADED
        assert whole(data, repository) == good
        better = repository.memory(3, "Mended")
        await auntil(lambda: sync.status()["running"] == better)
        await auntil(lambda: sync.status()["state"] == "in sync")
        task.cancel()
        await asyncio.wait([task])
    assert sync.status()["problems"] == []
    assert follower.applied == [GOOD % 1, GOOD % 3]


async def test_checking_a_commit_holds_up_nobody(repository: Repository, data: Path) -> None:
    repository.memory(1)
    loop, met = asyncio.get_running_loop(), threading.Event()

    def verify(_: Path) -> list[Problem]:
        loop.call_soon_threadsafe(met.set)  # done at once, unless it is the loop that waits here
        return [] if met.wait(10) else [Problem(code="held", text="everybody was held up")]

    sync = GitSync(
        settings(repository.url),
        DEVICE,
        data,
        verify=verify,
        apply=no_problems,
        environment=ENVIRONMENT,
    )
    async with sync:
        assert (await sync.sync_now())["state"] == "in sync"


async def no_problems() -> list[Problem]:
    return []


async def test_asked_by_a_person_a_refused_commit_gets_another_chance(
    repository: Repository, data: Path
) -> None:
    repository.memory(1)
    follower = Follower(data, settings(repository.url))
    follower.refusal = [Problem(code="rolled_back", text="the port is taken")]
    async with follower.sync as sync:
        assert (await sync.sync_now())["state"] == "invalid"
        follower.refusal = ()
        assert (await sync.sync_now())["state"] == "in sync"


async def test_a_commit_that_cannot_be_applied_gives_way_to_the_former(
    repository: Repository, data: Path
) -> None:
    good = repository.memory(1)
    follower = Follower(data, settings(repository.url))
    async with follower.sync as sync:
        await sync.sync_now()
        tip = repository.memory(2)
        follower.refusal = [Problem(code="rolled_back", text="api: the port is taken")]
        status = await sync.sync_now()
    assert status["state"] == "invalid"
    assert status["problems"][0]["message"] == "api: the port is taken"
    assert (status["running"], status["wanted"]) == (good, tip)
    assert whole(data, repository) == good


async def test_a_commit_with_warnings_only_is_applied(repository: Repository, data: Path) -> None:
    warning = Problem(code="odd", text="odd, and yet of use", severity="warning")
    follower = Follower(data, settings(repository.url))
    follower.warnings = [warning]
    tip = repository.memory(1)
    async with follower.sync as sync:
        assert (await sync.sync_now())["state"] == "in sync"
    assert whole(data, repository) == tip


async def test_a_force_push_is_applied_and_said_once(repository: Repository, data: Path) -> None:
    first = repository.memory(1)
    dropped = repository.memory(2)
    follower = Follower(data, settings(repository.url))
    async with follower.sync as sync:
        await sync.sync_now()
        repository.reset(first)
        tip = repository.memory(3)
        status = await sync.sync_now()
        assert status["state"] == "rewritten"
        assert (status["running"], status["rewrittenFrom"]) == (tip, dropped)
        status = await sync.sync_now()
        assert (status["state"], status["rewrittenFrom"]) == ("in sync", dropped)
        repository.memory(4)
        status = await sync.sync_now()
        assert (status["state"], status["rewrittenFrom"]) == ("in sync", None)
    assert follower.applied[-1] == GOOD % 4


async def test_a_deleted_branch_keeps_what_runs(repository: Repository, data: Path) -> None:
    tip = repository.memory(1)
    follower = Follower(data, settings(repository.url))
    async with follower.sync as sync:
        await sync.sync_now()
        repository.delete_branch()
        status = await sync.sync_now()
        assert status["state"] == "branch gone"
        assert status["lastError"] == "the repository has no branch 'main'"
        assert whole(data, repository) == tip
        repository.push()
        assert (await sync.sync_now())["state"] == "in sync"


async def test_a_repository_that_is_away_comes_back_by_itself(
    repository: Repository, data: Path
) -> None:
    repository.memory(1)
    follower = Follower(data, settings(repository.url))
    away = repository.bare.with_name("away.git")
    async with follower.sync as sync:
        task = asyncio.create_task(sync.run())
        await auntil(lambda: follower.states[-1:] == ["in sync"])
        repository.bare.rename(away)
        await auntil(lambda: sync.status()["state"] == "unreachable")
        assert sync.status()["lastError"] == "there is no such repository"
        assert sync.health.state is State.DEGRADED
        since = sync.status()["since"]
        away.rename(repository.bare)
        await auntil(lambda: sync.status()["state"] == "in sync")
        assert sync.status()["since"] > since
        task.cancel()
        await asyncio.wait([task])
    assert len(follower.applied) == 1


async def test_a_start_without_the_repository_runs_the_last_tree(
    repository: Repository, data: Path
) -> None:
    tip = repository.memory(1, "The last one")
    async with Follower(data, settings(repository.url)).sync as sync:
        await sync.sync_now()
    repository.bare.rename(repository.bare.with_name("away.git"))
    follower = Follower(data, settings(repository.url))
    async with follower.sync as sync:
        assert follower.text == GOOD % 1
        assert sync.status()["running"] == tip
        assert sync.status()["subject"] == "The last one"
        status = await sync.sync_now()
    assert (status["state"], status["running"]) == ("unreachable", tip)


async def test_edits_by_hand_are_kept_aside_and_put_back(
    repository: Repository, data: Path
) -> None:
    tip = repository.commit({FILE: GOOD % 1, "shared/a.yaml": "a: 1\n", "b.txt": "b"})
    follower = Follower(data, settings(repository.url))
    async with follower.sync as sync:
        await sync.sync_now()
        sync.file.write_text(GOOD % 99)
        (sync.root / "b.txt").unlink()
        (sync.root / "new.txt").write_text("new")
        status = await sync.sync_now()
        assert status["state"] == "edited locally"
        assert status["edited"] == ["b.txt", FILE, "new.txt"]
        assert whole(data, repository) == tip
        kept = data / "config-git" / status["editsKept"]
        assert (kept / FILE).read_text() == GOOD % 99
        assert (kept / "new.txt").read_text() == "new"
        status = await sync.sync_now()
        assert (status["state"], len(status["edited"])) == ("in sync", 3)
    assert follower.applied == [GOOD % 1, GOOD % 1]


async def test_edits_while_stopped_never_run_even_without_the_repository(
    repository: Repository, data: Path
) -> None:
    tip = repository.memory(1)
    async with Follower(data, settings(repository.url)).sync as sync:
        await sync.sync_now()
    sync.file.write_text(GOOD % 99)
    away = repository.bare.rename(repository.bare.with_name("away.git"))
    follower = Follower(data, settings(repository.url))
    async with follower.sync as sync:
        assert follower.text == GOOD % 1
        assert sync.status()["edited"] == [FILE]
        status = await sync.sync_now()
    assert (status["state"], status["edited"]) == ("unreachable", [FILE])
    away.rename(repository.bare)
    assert whole(data, repository) == tip


async def test_edits_are_put_back_when_our_copy_is_lost_as_well(
    repository: Repository, data: Path
) -> None:
    tip = repository.memory(1)
    async with Follower(data, settings(repository.url)).sync as sync:
        await sync.sync_now()
    sync.file.write_text(GOOD % 99)
    subprocess.run(["rm", "-r", str(data / "config-git" / "mirror.git")], check=True)
    async with Follower(data, settings(repository.url)).sync as sync:
        status = await sync.sync_now()
    assert (status["state"], status["edited"]) == ("edited locally", [FILE])
    assert (data / "config-git" / status["editsKept"] / FILE).read_text() == GOOD % 99
    assert whole(data, repository) == tip


async def test_a_commit_without_the_devices_file_names_it(
    repository: Repository, data: Path
) -> None:
    good = repository.memory(1)
    follower = Follower(data, settings(repository.url))
    async with follower.sync as sync:
        await sync.sync_now()
        git(repository.bare.with_name("work"), "mv", FILE, "devices/pi4.yaml")
        repository.publish("Rename")
        status = await sync.sync_now()
    (problem,) = status["problems"]
    assert status["state"] == "invalid"
    assert problem["message"] == f"the commit has no file {FILE!r} for this device"
    assert problem["file"] == FILE
    assert problem["hint"] == "did you mean 'devices/pi4.yaml'?"
    assert whole(data, repository) == good


async def test_another_path_that_the_running_commit_lacks_is_a_problem(
    repository: Repository, data: Path
) -> None:
    repository.memory(1)
    async with Follower(data, settings(repository.url)).sync as sync:
        await sync.sync_now()
    async with Follower(data, settings(repository.url, path="{device}.yaml")).sync as sync:
        status = await sync.sync_now()
    assert status["state"] == "invalid"
    assert "'pi.yaml'" in status["problems"][0]["message"]


async def test_another_branch_is_followed_and_not_called_rewritten(
    repository: Repository, data: Path
) -> None:
    repository.memory(1)
    async with Follower(data, settings(repository.url)).sync as sync:
        await sync.sync_now()
    git(repository.bare.with_name("work"), "checkout", "-q", "--orphan", "site")
    tip = repository.memory(2)
    repository.push("site")
    async with Follower(data, settings(repository.url, branch="site")).sync as sync:
        status = await sync.sync_now()
    assert (status["state"], status["running"]) == ("in sync", tip)


async def test_a_link_out_of_the_repository_is_refused(repository: Repository, data: Path) -> None:
    repository.memory(1)
    repository.link("devices/inside.yaml", "pi.yaml")
    follower = Follower(data, settings(repository.url))
    async with follower.sync as sync:
        assert (await sync.sync_now())["state"] == "in sync"
        assert (sync.root / "devices/inside.yaml").read_text() == GOOD % 1
        repository.link("devices/outside.yaml", "../../../../private/key")
        status = await sync.sync_now()
    assert status["state"] == "invalid"
    (problem,) = status["problems"]
    assert (problem["code"], problem["file"]) == ("bad_link", "devices/outside.yaml")


async def test_attributes_of_a_repository_change_no_byte(
    repository: Repository, data: Path
) -> None:
    attributes = "* text eol=crlf ident export-subst\nshared/* export-ignore\n"
    repository.commit(
        {FILE: GOOD % 1, ".gitattributes": attributes, "shared/x": "$Id$ $Format:%H$"}
    )
    async with Follower(data, settings(repository.url)).sync as sync:
        await sync.sync_now()
    assert sync.file.read_bytes() == (GOOD % 1).encode()
    assert (sync.root / "shared/x").read_text() == "$Id$ $Format:%H$"


async def test_a_commit_with_too_many_or_too_large_files_is_refused(
    repository: Repository, data: Path
) -> None:
    good = repository.memory(1)
    bounds = Bounds(tree=100_000, files=10)
    follower = Follower(data, settings(repository.url), bounds=bounds)
    async with follower.sync as sync:
        await sync.sync_now()
        repository.commit({"big": b"x" * 100_000})
        status = await sync.sync_now()
        assert status["state"] == "invalid"
        assert "larger than" in status["problems"][0]["message"]
        repository.commit({"big": b"", **{f"many/{'n' * 99}{n}": "" for n in range(200)}})
        status = await sync.sync_now()
    assert status["problems"][0]["message"] == "the commit has more than 10 files"
    assert whole(data, repository) == good


async def test_a_huge_repository_is_refused_and_leaves_nothing_behind(
    repository: Repository, data: Path
) -> None:
    repository.commit({FILE: GOOD % 1, "big": os.urandom(3 << 20)})
    follower = Follower(data, settings(repository.url), bounds=Bounds(repository=1 << 20))
    async with follower.sync as sync:
        status = await sync.sync_now()
        mirror = data / "config-git" / "mirror.git"
        assert not mirror.exists()
        task = asyncio.create_task(sync.run())
        before = status["lastSync"]
        await auntil(lambda: sync.status()["lastSync"] > before + 200)
        assert not list(mirror.rglob("*.pack")), "it was fetched again"
        task.cancel()
        await asyncio.wait([task])
    assert status["state"] == "invalid"
    assert status["problems"][0]["message"] == "the repository is larger than 1 MiB"


async def test_a_damaged_copy_is_made_anew(repository: Repository, data: Path) -> None:
    repository.memory(1)
    async with Follower(data, settings(repository.url)).sync as sync:
        await sync.sync_now()
    for file in (data / "config-git" / "mirror.git" / "objects").rglob("*"):
        if file.is_file():
            file.chmod(0o600)
            file.write_bytes(b"")
    tip = repository.memory(2)
    async with Follower(data, settings(repository.url)).sync as sync:
        await sync.sync_now()
        status = await sync.sync_now()
    assert (status["state"], status["running"]) == ("in sync", tip)


async def test_only_three_trees_are_kept(repository: Repository, data: Path) -> None:
    async with Follower(data, settings(repository.url)).sync as sync:
        for number in range(1, 6):
            tip = repository.memory(number)
            await sync.sync_now()
    trees = [path for path in (data / "config-git" / "trees").iterdir() if path.is_dir()]
    assert len(trees) == 3
    assert whole(data, repository) == tip


async def test_a_missing_git_command_is_a_reason_and_no_crash(
    repository: Repository, data: Path, tmp_path: Path
) -> None:
    follower = Follower(data, settings(repository.url), environment={"PATH": str(tmp_path)})
    async with follower.sync as sync:
        status = await sync.sync_now()
    assert status["state"] == "unreachable"
    assert status["lastError"] == "there is no git command on this machine"


async def test_hooks_and_settings_of_the_machine_are_not_used(
    repository: Repository, data: Path, tmp_path: Path
) -> None:
    tip = repository.memory(1)
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    (tmp_path / ".gitconfig").write_text(f"[core]\n hooksPath = {tmp_path}\n[broken\n")
    hook.rename(tmp_path / "reference-transaction")
    follower = Follower(data, settings(repository.url), environment={"HOME": str(tmp_path)})
    async with follower.sync as sync:
        await sync.sync_now()
        hooks = data / "config-git" / "mirror.git" / "hooks"
        hooks.mkdir()
        (tmp_path / "reference-transaction").rename(hooks / "reference-transaction")
        tip = repository.memory(2)
        status = await sync.sync_now()
    assert (status["state"], status["running"]) == ("in sync", tip)
    assert not (tmp_path / "ran").exists()
