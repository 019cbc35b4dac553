import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import xxhash

from flowfile_dagster.errors import DataError, StoreError
from flowfile_dagster.store.blobs import LocalBlobs
from flowfile_dagster.store.index import DamageError

TABLE = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
WRITER_WITHOUT_SPACE = """
import resource, sys; from pathlib import Path; import polars as pl
from flowfile_dagster.store.blobs import LocalBlobs
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
base = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
LocalBlobs(base, base / "verified").write(pl.select(a=pl.int_range(int(sys.argv[2]))))
"""


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path, tmp_path / "verified")


def data_files(base: Path) -> list[Path]:
    return sorted(path for path in (base / "data").rglob("*") if path.is_file())


def test_table_lies_under_the_hash_of_its_bytes(tmp_path: Path, blobs: LocalBlobs) -> None:
    stored = blobs.write(TABLE)
    path = tmp_path / "data" / stored.content_hash[:2] / f"{stored.content_hash}.arrow"
    assert data_files(tmp_path) == [path] == [blobs.path(stored)]
    content = path.read_bytes()
    assert (xxhash.xxh3_128_hexdigest(content), len(content)) == (stored.content_hash, stored.bytes)
    assert (stored.rows, stored.schema) == (2, TABLE.schema)
    assert pl.read_ipc(path, memory_map=False).equals(TABLE)


@pytest.mark.parametrize("copies", [0, 1, 2, 5])
def test_table_of_any_size_has_the_hash_of_its_whole_file(blobs: LocalBlobs, copies: int) -> None:
    rows = 700_000
    table = pl.select(a=pl.int_range(rows), b=pl.int_range(rows).cast(pl.String), c=pl.int_range(rows) * 0.5)
    table = pl.concat([table.head(10), *[table] * copies], rechunk=False)
    stored = blobs.write(table)
    content = blobs.path(stored).read_bytes()
    assert (xxhash.xxh3_128_hexdigest(content), len(content)) == (stored.content_hash, stored.bytes)
    assert pl.read_ipc(content).equals(table)


def test_equal_tables_share_one_file_that_is_never_rewritten(tmp_path: Path, blobs: LocalBlobs) -> None:
    first = blobs.write(TABLE)
    before = blobs.path(first).stat()
    assert blobs.write(TABLE.clone()) == first
    assert blobs.path(first).stat().st_ino == before.st_ino
    assert len(data_files(tmp_path)) == 1


@pytest.mark.parametrize(
    "other", [TABLE.rename({"a": "c"}), TABLE.cast({"a": pl.Int32}), TABLE.reverse(), TABLE.head(0)]
)
def test_tables_that_differ_have_different_hashes(blobs: LocalBlobs, other: pl.DataFrame) -> None:
    assert blobs.write(TABLE).content_hash != blobs.write(other).content_hash


def flip(content: bytes) -> bytes:
    return bytes([*content[:200], content[200] ^ 1, *content[201:]])


@pytest.mark.parametrize("rows", [10, 200_000, 2_500_000])
@pytest.mark.parametrize("damage", [lambda content: content[:-10], lambda content: b"", flip])
def test_damaged_file_is_noticed_and_replaced_when_its_content_is_written_again(
    blobs: LocalBlobs, damage: Callable[[bytes], bytes], rows: int
) -> None:
    table = pl.select(a=pl.int_range(rows))
    stored = blobs.write(table)
    content = blobs.path(stored).read_bytes()
    blobs.path(stored).write_bytes(damage(content))
    with pytest.raises(DamageError, match=r"bytes instead of|content hash differs"):
        blobs.check(stored)
    assert blobs.write(table) == stored
    assert blobs.check(stored)
    assert blobs.path(stored).read_bytes() == content


@pytest.mark.parametrize("rows", [10, 200_000, 2_500_000])
def test_lost_file_is_not_there_and_a_touched_one_is(blobs: LocalBlobs, rows: int) -> None:
    stored = blobs.write(pl.select(a=pl.int_range(rows)))
    for path in (blobs.path(stored), blobs.path(stored)):
        path.touch()
        assert blobs.check(stored)
    blobs.path(stored).unlink()
    assert not blobs.check(stored)


def test_other_content_with_the_same_hash_is_refused(tmp_path: Path, blobs: LocalBlobs) -> None:
    stored = blobs.write(TABLE)
    other = tmp_path / "other.arrow"
    other.write_bytes(blobs.path(stored).read_bytes()[:-1] + b"?")
    with pytest.raises(StoreError, match="another result with the same content hash is stored"):
        blobs.keep(str(other), stored)


def test_python_objects_are_refused_and_leave_nothing(tmp_path: Path, blobs: LocalBlobs) -> None:
    table = pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)})
    with pytest.raises(DataError, match="column 'o' holds Python objects, which cannot be stored"):
        blobs.write(table)
    assert data_files(tmp_path) == []


@pytest.mark.parametrize("rows", [20_000, 200_000, 10_000_000])
def test_full_disk_is_told_in_one_line_and_leaves_nothing(tmp_path: Path, rows: int) -> None:
    command = [sys.executable, "-c", WRITER_WITHOUT_SPACE, str(tmp_path), str(rows)]
    result = subprocess.run(command, capture_output=True, text=True)
    told = result.stderr.splitlines()[-1]
    assert re.search(f"StoreError: {tmp_path}/data: a result cannot be written: .*File too large", told)
    assert data_files(tmp_path) == []


def test_base_that_is_a_file_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("no folder")
    with pytest.raises(StoreError, match=f"^{tmp_path}/store/data: a result cannot be written: Not a directory$"):
        LocalBlobs(tmp_path / "store", tmp_path / "verified").write(pl.DataFrame({"a": [1]}))


def test_folder_in_the_place_of_a_file_is_named(tmp_path: Path, blobs: LocalBlobs) -> None:
    path = blobs.path(blobs.write(pl.DataFrame({"a": [1]})))
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreError, match=f"^{path}: a result cannot be written: Is a directory$"):
        blobs.write(pl.DataFrame({"a": [1]}))
