import os
import time
from pathlib import Path

import pytest

from flowfile_dagster.errors import StoreError
from flowfile_dagster.store.local_files import (
    LocalFolder,
    blocks_reserved,
    published_by_replace,
    read_json,
    write_json,
)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def publish_but_stop_halfway(path: Path) -> None:
    with published_by_replace(str(path)) as temporary:
        Path(temporary).write_text("second")
        raise KeyboardInterrupt


def test_replacement_appears_only_when_the_block_succeeds(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x.json"
    with published_by_replace(str(path)) as temporary:
        Path(temporary).write_text("first")
        assert not path.exists()
    with pytest.raises(KeyboardInterrupt):
        publish_but_stop_halfway(path)
    assert files(tmp_path) == [path]
    assert path.read_text() == "first"


def test_json_keeps_every_character(tmp_path: Path) -> None:
    value = {"name": "é \u2028 \x00 😀", "nested": [{"a": None}]}
    write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json") == value


def test_looking_at_an_empty_folder_finds_and_creates_nothing(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path / "store")
    assert folder.read("a/b") is None
    assert list(folder.list_files("a")) == []
    assert not folder.touch("a/b")
    assert not folder.remove("a/b", time.time() + 10)
    assert files(tmp_path) == []
    assert not (tmp_path / "store").exists()


def test_file_can_be_written_read_listed_and_removed(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    folder.write("a/b/x", b"one")
    folder.write("a/b/x", b"three")
    assert folder.read("a/b/x") == b"three"
    assert [(name, facts.size) for name, facts in folder.list_files("a")] == [("a/b/x", 5)]
    assert folder.remove("a/b/x", time.time() + 10)
    assert files(tmp_path) == []


def test_file_that_was_touched_since_it_was_looked_at_is_not_removed(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    folder.write("x", b"one")
    os.utime(tmp_path / "x", (1, 1))
    assert folder.touch("x")
    assert not folder.remove("x", time.time() - 10)
    assert [path.name for path in files(tmp_path)] == ["x"]


def test_name_that_cannot_be_read_or_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "y").symlink_to(tmp_path / "y")
    folder = LocalFolder(tmp_path)
    assert folder.read("x") is None, "which is told where it is written"
    with pytest.raises(StoreError, match="x: cannot be written: Is a directory"):
        folder.write("x", b"")
    with pytest.raises(StoreError, match="y: cannot be read: Too many levels of symbolic links"):
        folder.read("y")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x", "y"]


@pytest.mark.parametrize("written", [10, 3 << 20])
def test_room_that_was_reserved_and_not_needed_is_given_back(tmp_path: Path, written: int) -> None:
    path = tmp_path / "file"
    with path.open("wb", buffering=0) as file, blocks_reserved(file, 1 << 20):
        assert path.stat().st_size == 0
        file.write(b"a" * written)
    assert path.read_bytes() == b"a" * written
    assert path.stat().st_blocks * 512 < written + (1 << 16)


def test_a_file_is_written_where_no_room_can_be_reserved(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb", buffering=0) as file, blocks_reserved(file, 1 << 60):
        file.write(b"a" * 10)
    assert path.read_bytes() == b"a" * 10
