from __future__ import annotations

import pytest

from towline.sources.own import in_cgroup, in_mountinfo

ID, OTHER = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    "text",
    [
        f"12:memory:/docker/{ID}\n1:name=systemd:/docker/{ID}\n",
        f"0::/system.slice/docker-{ID}.scope\n",
    ],
)
def test_the_control_group_names_the_container(text: str) -> None:
    assert in_cgroup(text) == {ID}


@pytest.mark.parametrize("text", ["", "0::/\n", "0::/user.slice\n", "0::/docker/short\n"])
def test_a_process_of_the_host_is_in_no_container(text: str) -> None:
    assert in_cgroup(text) == set()


def test_the_files_that_docker_mounts_name_the_container() -> None:
    text = (
        f"700 690 8:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw - ext4 /dev/sda1\n"
        f"701 690 8:1 /docker/containers/{ID}/hosts /etc/hosts rw - ext4 /dev/sda1 rw\n"
    )
    assert in_mountinfo(text) == {ID}


def test_other_containers_mounts_seen_from_the_host_are_not_its_own() -> None:
    shm = f"/var/lib/docker/containers/{OTHER}/mounts/shm"
    text = (
        f"812 27 0:52 / {shm} rw,nosuid - tmpfs shm rw\n90 1 8:1 /x/containers/{OTHER}/h /mnt rw\n"
    )
    assert in_mountinfo(text) == set()
    assert in_mountinfo("broken\n\n1 2 3\n") == set()
