import os
from pathlib import Path

import pytest

from flowfile_dagster.flow.files import find_flow_files
from tests.factories import write_flow


def found(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in find_flow_files(folder)]


def test_flows_of_a_folder_tree_are_found_in_order_without_hidden_ones(tmp_path: Path) -> None:
    for name in ("b.json", "a/z.yaml", "a/y.YML", ".hidden.json", ".git/c.json", "a/.cache/d.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write_flow(tmp_path / name, [])
    assert found(tmp_path) == ["a/y.YML", "a/z.yaml", "b.json"]


def test_hidden_parent_of_the_folder_itself_does_not_matter(tmp_path: Path) -> None:
    folder = tmp_path / ".project"
    folder.mkdir()
    write_flow(folder / "a.json", [])
    assert found(folder) == ["a.json"]


def test_files_that_are_somebody_elses_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"name": "x"}')
    (tmp_path / "workspace.yaml").write_text("load_from: []")
    (tmp_path / "notes.txt").write_text("flowfile_version")
    (tmp_path / "folder.json").mkdir()
    assert found(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b"  \n", b"\xff\xfe{\x00", b'{"flowfile_version": ', b"\0"])
def test_broken_file_is_not_overlooked(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    assert found(tmp_path) == ["a.json"]


def test_old_pickle_is_found_so_that_it_can_be_refused(tmp_path: Path) -> None:
    (tmp_path / "old.flowfile").write_bytes(b"\x80\x04.")
    assert found(tmp_path) == ["old.flowfile"]


def test_path_that_is_no_folder_stands_for_itself(tmp_path: Path) -> None:
    assert find_flow_files(tmp_path / "nothing.txt") == [tmp_path / "nothing.txt"]


def test_data_file_whose_start_ends_within_a_character_is_somebody_elses(tmp_path: Path) -> None:
    (tmp_path / "words.json").write_text(f'"{"é" * (1 << 20)}"', encoding="utf-8")
    assert (tmp_path / "words.json").read_bytes()[(1 << 20) - 1] == "é".encode()[0]
    assert find_flow_files(tmp_path) == []


def test_folder_without_permission_is_not_overlooked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    (tmp_path / "flow.yaml").write_text("nodes: []\nflowfile_name: flow")
    look = os.scandir

    def refuse(path: str) -> object:
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", path)
        return look(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert find_flow_files(tmp_path) == [closed, tmp_path / "flow.yaml"]
