import hashlib
from pathlib import Path

import polars as pl
import pytest

from flowfile_dagster.errors import DataError
from flowfile_dagster.store.blobs import blob_path, hash_file, published_by_replace, write_table

TABLE = pl.DataFrame({"a": [1, 2], "b": ["x", None]})


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_table_lies_under_the_hash_of_its_bytes(tmp_path: Path) -> None:
    content_hash, size = write_table(tmp_path, TABLE)
    path = tmp_path / content_hash[:2] / f"{content_hash}.arrow"
    assert files(tmp_path) == [path]
    assert (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size) == (content_hash, size)
    assert pl.read_ipc(path, memory_map=False).equals(TABLE)


def test_equal_tables_share_one_file_that_is_never_rewritten(tmp_path: Path) -> None:
    content_hash, _ = write_table(tmp_path, TABLE)
    before = blob_path(tmp_path, content_hash).stat()
    assert write_table(tmp_path, TABLE.clone())[0] == content_hash
    after = blob_path(tmp_path, content_hash).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert len(files(tmp_path)) == 1


@pytest.mark.parametrize(
    "other", [TABLE.rename({"a": "c"}), TABLE.cast({"a": pl.Int32}), TABLE.reverse(), TABLE.head(0)]
)
def test_tables_that_differ_have_different_hashes(tmp_path: Path, other: pl.DataFrame) -> None:
    assert write_table(tmp_path, TABLE)[0] != write_table(tmp_path, other)[0]


def test_cut_off_file_is_replaced_when_its_content_is_written_again(tmp_path: Path) -> None:
    content_hash, size = write_table(tmp_path, TABLE)
    path = blob_path(tmp_path, content_hash)
    path.write_bytes(path.read_bytes()[:-10])
    write_table(tmp_path, TABLE)
    assert hash_file(path) == (content_hash, size)


def test_python_objects_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    table = pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)})
    with pytest.raises(DataError, match="column 'o' holds Python objects, which cannot be stored"):
        write_table(tmp_path, table)
    assert files(tmp_path) == []


def test_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill_the_disk(self: pl.DataFrame, file: Path, **named: object) -> None:
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_ipc", fill_the_disk)
    with pytest.raises(OSError, match="No space left"):
        write_table(tmp_path, TABLE)
    assert files(tmp_path) == []


def publish_but_stop_halfway(path: Path) -> None:
    with published_by_replace(path) as temporary:
        temporary.write_text("second")
        raise KeyboardInterrupt


def test_replacement_appears_only_when_the_block_succeeds(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x.json"
    with published_by_replace(path) as temporary:
        temporary.write_text("first")
        assert not path.exists()
    with pytest.raises(KeyboardInterrupt):
        publish_but_stop_halfway(path)
    assert files(tmp_path) == [path]
    assert path.read_text() == "first"
