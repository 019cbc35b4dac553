import hashlib
import os
import time
from pathlib import Path

import pytest

from flowfile_dagster.store.digest import hash_source
from flowfile_dagster.store.fingerprints import SETTLING_TIME, FileMemory, FingerprintMemory, stat_signature

SECOND = 1_000_000_000


@pytest.fixture
def reads() -> list[Path]:
    """Every file whose content was read."""
    return []


@pytest.fixture
def memory(tmp_path: Path, reads: list[Path]) -> FingerprintMemory:
    def note(path: Path) -> str:
        reads.append(path)
        return hash_source(path)

    return FingerprintMemory(tmp_path / "memory", note)


def settled(path: Path, text: str, *, age: float = 10) -> Path:
    path.write_text(text)
    when = time.time_ns() - int(age * SECOND)
    os.utime(path, ns=(when, when))
    return path


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_unchanged_file_is_read_once(tmp_path: Path, memory: FingerprintMemory, reads: list[Path]) -> None:
    path = settled(tmp_path / "a.csv", "abc")
    assert memory.remembered(path) is None
    assert [memory.content_hash(path) for _ in range(3)] == [sha256("abc")] * 3
    assert memory.remembered(path) == sha256("abc")
    assert reads == [path]


def test_memory_outlives_the_process(tmp_path: Path, memory: FingerprintMemory, reads: list[Path]) -> None:
    path = settled(tmp_path / "a.csv", "abc")
    memory.content_hash(path)
    assert FingerprintMemory(tmp_path / "memory").remembered(path) == sha256("abc")
    assert len(reads) == 1


def test_other_content_of_the_same_size_is_noticed(tmp_path: Path, memory: FingerprintMemory) -> None:
    path = settled(tmp_path / "a.csv", "abc")
    memory.content_hash(path)
    settled(path, "abd", age=9)
    assert memory.remembered(path) is None
    assert memory.content_hash(path) == sha256("abd")


def test_other_file_put_in_its_place_is_noticed_even_with_the_same_time(
    tmp_path: Path, memory: FingerprintMemory
) -> None:
    path = settled(tmp_path / "a.csv", "abc")
    memory.content_hash(path)
    other = settled(tmp_path / "b.csv", "abd")
    os.utime(other, ns=(path.stat().st_mtime_ns,) * 2)
    other.replace(path)
    assert memory.content_hash(path) == sha256("abd")


def test_touch_is_read_again_but_is_no_change(tmp_path: Path, memory: FingerprintMemory, reads: list[Path]) -> None:
    path = settled(tmp_path / "a.csv", "abc")
    before = memory.content_hash(path)
    settled(path, "abc", age=5)
    assert memory.content_hash(path) == before
    assert len(reads) == 2


@pytest.mark.parametrize("age", [0, 1, -3600])
def test_file_that_may_still_change_in_the_same_tick_is_not_remembered(
    tmp_path: Path, memory: FingerprintMemory, age: float
) -> None:
    path = settled(tmp_path / "a.csv", "abc", age=age)
    assert memory.content_hash(path) == sha256("abc")
    assert memory.remembered(path) is None


def test_file_that_changes_while_it_is_read_is_not_remembered(tmp_path: Path) -> None:
    path = settled(tmp_path / "a.csv", "abc")

    def hash_then_change(file: Path) -> str:
        settled(file, "abcdef", age=9)
        return sha256("abc")

    memory = FingerprintMemory(tmp_path / "memory", hash_then_change)
    memory.content_hash(path)
    assert memory.remembered(path) is None


def test_file_that_settled_only_while_it_was_read_is_not_remembered(tmp_path: Path) -> None:
    path = settled(tmp_path / "a.csv", "abc", age=0.5)

    def hash_slowly(file: Path) -> str:
        time.sleep(SETTLING_TIME - 0.4)
        return hash_source(file)

    memory = FingerprintMemory(tmp_path / "memory", hash_slowly)
    memory.content_hash(path)
    assert memory.remembered(path) is None


def test_file_whose_name_is_no_utf8_is_hashed_and_not_remembered(tmp_path: Path, memory: FingerprintMemory) -> None:
    path = settled(tmp_path / os.fsdecode(b"\xe9.csv"), "abc")
    assert memory.content_hash(path) == sha256("abc")
    assert memory.remembered(path) is None


def test_hash_that_is_made_anew_takes_the_place_of_the_remembered_one(
    tmp_path: Path, memory: FingerprintMemory
) -> None:
    path = settled(tmp_path / "a.csv", "abc")
    memory.settle(path, "wrong")
    assert memory.content_hash(path) == "wrong"
    assert memory.hash_anew(path) == memory.content_hash(path) == sha256("abc")


def test_missing_file_is_an_error_and_has_no_remembered_hash(tmp_path: Path, memory: FingerprintMemory) -> None:
    path = settled(tmp_path / "a.csv", "abc")
    memory.content_hash(path)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        memory.content_hash(path)
    with pytest.raises(FileNotFoundError):
        stat_signature(path)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"state": 7}'])
def test_garbage_in_the_memory_is_forgotten(tmp_path: Path, memory: FingerprintMemory, content: str) -> None:
    path = settled(tmp_path / "a.csv", "abc")
    memory.content_hash(path)
    (entry,) = (tmp_path / "memory").rglob("*.json")
    entry.write_text(content)
    assert memory.content_hash(path) == sha256("abc")


def test_memory_that_was_damaged_anywhere_is_none(tmp_path: Path) -> None:
    path, folder = settled(tmp_path / "a.csv", "x"), tmp_path / "memory"
    FileMemory(folder).recall(path, "types", lambda: '[["a", "Int64"]]')
    (entry,) = folder.glob("*/*.json")
    content = entry.read_bytes()
    for place in range(len(content)):
        entry.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert FileMemory(folder).remembered(path, "types") in (None, '[["a", "Int64"]]')
    entry.write_bytes(content)
    assert FileMemory(folder).remembered(path, "types") == '[["a", "Int64"]]'
