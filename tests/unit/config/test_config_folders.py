from __future__ import annotations

from pathlib import Path

from towline.config.folders import watched


def test_the_folder_of_a_file_is_watched_for_its_name_only(tmp_path: Path) -> None:
    (tmp_path / "neighbour").write_text("")
    found = watched([tmp_path / "a.yaml", tmp_path / "b.yaml"])
    assert found.folders == (tmp_path,)
    assert found.names == {"a.yaml", "b.yaml", tmp_path.name}


def test_every_link_on_the_way_is_watched_where_it_stands(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "current").symlink_to("../real")
    (tmp_path / "a.yaml").symlink_to("links/current/a.yaml")
    found = watched([tmp_path / "a.yaml"])
    assert set(found.folders) == {
        tmp_path,
        tmp_path / "links",
        tmp_path / "links" / "current",
        tmp_path / "real",
    }
    assert {"a.yaml", "current"} <= found.names


def test_of_a_folder_that_is_not_there_the_nearest_one_above_is_watched(tmp_path: Path) -> None:
    found = watched([tmp_path / "x" / "y" / "a.yaml"])
    assert found.folders == (tmp_path,)
    assert "x" in found.names


def test_links_in_a_circle_come_to_an_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert watched([tmp_path / "a"]).folders == (tmp_path,)


def test_another_folder_in_the_same_place_is_another_watch(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    before = watched([folder / "a.yaml"])
    folder.rename(tmp_path / "y")
    folder.mkdir()
    assert watched([folder / "a.yaml"]) != before
