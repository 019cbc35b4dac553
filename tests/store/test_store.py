"""Write, find, record and refer; and what an accident leaves."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from flowfile_dagster.errors import StoreError
from flowfile_dagster.store.index import manifest_name
from flowfile_dagster.store.refs import Ref
from flowfile_dagster.store.store import ResultStore

TABLE = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
HASH, OTHER = "a" * 64, "b" * 64
WRITER = """
import sys; from pathlib import Path; import polars as pl
from flowfile_dagster.store.refs import Ref
from flowfile_dagster.store.store import ResultStore
store = ResultStore(Path(sys.argv[1]))
for round in range(30):
    table = store.write(pl.DataFrame({"a": range(1000)}))
    manifest = store.record([sys.argv[2]], {"output-0": table}, parts={"writer": sys.argv[3]})
    store.publish(["flow", "node"], Ref(manifest.node_hash, "output-0", sys.argv[3]))
    found = store.find(sys.argv[2])
    assert found and store.scan(found.outputs["output-0"]).collect(engine="in-memory").height == 1000
    assert store.latest(["flow", "node"])
"""


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / "store")


def put(store: ResultStore, node_hash: str = HASH, table: pl.DataFrame = TABLE) -> Path:
    stored = store.write(table)
    store.record([node_hash], {"output-0": stored})
    return store.path(stored)


def test_opening_and_looking_create_nothing(store: ResultStore) -> None:
    assert store.find(HASH) is None
    assert store.latest(["flow", "node"]) is None
    assert not store.base.exists()


def test_recorded_result_is_found_with_its_facts_and_scanned_lazily(store: ResultStore) -> None:
    path = put(store)
    manifest = store.find(HASH)
    assert manifest is not None
    table = manifest.outputs["output-0"]
    assert (table.rows, table.bytes, table.schema) == (2, path.stat().st_size, TABLE.schema)
    frame = store.scan(table)
    assert isinstance(frame, pl.LazyFrame)
    assert_frame_equal(frame.collect(), TABLE)
    assert manifest.created.endswith("+00:00")


def test_written_table_without_a_manifest_is_not_found(store: ResultStore) -> None:
    store.write(TABLE)
    assert store.find(HASH) is None


def test_one_result_may_have_several_hashes(store: ResultStore) -> None:
    manifest = store.record([HASH, OTHER], {"output-0": store.write(TABLE)})
    assert manifest.node_hash == HASH
    first, second = store.find(HASH), store.find(OTHER)
    assert first is not None
    assert second is not None
    assert first.outputs == second.outputs
    assert second.node_hash == OTHER


def test_table_without_rows_or_columns_can_be_stored(store: ResultStore) -> None:
    for table in (TABLE.head(0), pl.DataFrame()):
        assert_frame_equal(store.scan(store.write(table)).collect(), table)


def test_cut_off_data_file_is_a_miss_until_it_is_computed_again(store: ResultStore) -> None:
    path = put(store)
    path.write_bytes(path.read_bytes()[:-1])
    assert store.find(HASH) is None
    put(store)
    manifest = store.find(HASH)
    assert manifest is not None
    assert_frame_equal(store.scan(manifest.outputs["output-0"]).collect(), TABLE)


def test_deleted_data_file_is_a_miss(store: ResultStore) -> None:
    put(store).unlink()
    assert store.find(HASH) is None


def test_one_missing_output_makes_the_whole_result_a_miss(store: ResultStore) -> None:
    kept, lost = store.write(TABLE), store.write(TABLE.reverse())
    store.record([HASH], {"output-0": kept, "output-1": lost})
    store.path(lost).unlink()
    assert store.find(HASH) is None


def test_garbage_in_a_manifest_is_a_miss(store: ResultStore) -> None:
    put(store)
    (store.base / manifest_name(HASH)).write_text('{"format": 1, "node')
    assert store.find(HASH) is None
    put(store)
    assert store.find(HASH) is not None


def test_failed_record_leaves_the_old_result(store: ResultStore, monkeypatch: pytest.MonkeyPatch) -> None:
    put(store)
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", lambda source, target: (_ for _ in ()).throw(OSError(5, "I/O error")))
        with pytest.raises(StoreError, match="cannot be written: I/O error"):
            store.record([HASH], {})
    found = store.find(HASH)
    assert found is not None
    assert list(found.outputs) == ["output-0"]
    assert not list(store.base.rglob("*.tmp"))


def test_latest_is_the_last_published_of_its_key(store: ResultStore) -> None:
    store.publish(["flow", "node"], Ref(HASH, "output-0", "run-1"))
    store.publish(["flow", "node"], Ref(OTHER, "output-1"))
    store.publish(["flow", "other"], Ref(HASH, "output-0"))
    assert store.latest(["flow", "node"]) == Ref(OTHER, "output-1")
    assert store.latest(["flow", "other"]) == Ref(HASH, "output-0")


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"node_hash": null}', "{", "[" * 200_000], ids=range(6))
def test_garbage_in_a_ref_is_no_ref(store: ResultStore, content: str) -> None:
    store.publish(["flow", "node"], Ref(HASH, "output-0"))
    (path,) = (store.base / "refs").rglob("*.json")
    path.write_text(content)
    assert store.latest(["flow", "node"]) is None


def test_ref_in_which_a_bit_was_flipped_leads_nowhere_else(store: ResultStore) -> None:
    ref = Ref(HASH, "output-0", "run-1")
    store.publish(["flow", "node"], ref)
    (path,) = (store.base / "refs").rglob("*.json")
    content = path.read_bytes()
    for place in range(len(content) * 8):
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        assert store.latest(["flow", "node"]) in (None, ref)


def test_ref_in_the_place_of_another_leads_nowhere(store: ResultStore) -> None:
    for name, node_hash in (("one", HASH), ("two", OTHER)):
        store.publish(["flow", name], Ref(node_hash, "output-0"))
    (store.base / "refs/flow/one.json").replace(store.base / "refs/flow/two.json")
    assert store.latest(["flow", "two"]) is None


def test_ref_without_a_checksum_is_read(store: ResultStore) -> None:
    store.publish(["flow", "node"], Ref(HASH, "output-0"))
    (path,) = (store.base / "refs").rglob("*.json")
    path.write_text(json.dumps({"node_hash": OTHER, "handle": "output-1", "run_id": ""}))
    assert store.latest(["flow", "node"]) == Ref(OTHER, "output-1")


KEYS = [
    ["a", "b"],
    ["a/b"],
    ["..", "x"],
    [".", "x"],
    ["", "x"],
    ["a.json", "b"],
    ["é", "x"],
    ["A", "b"],
    ["a", "b", "c"],
]


def test_keys_stay_apart_and_inside_the_store(store: ResultStore) -> None:
    for index, key in enumerate(KEYS):
        store.publish(key, Ref(str(index), "output-0"))
    found = [store.latest(key) for key in KEYS]
    assert [ref.node_hash if ref else None for ref in found] == [str(index) for index in range(len(KEYS))]
    assert {path.name for path in store.base.parent.iterdir()} == {"store"}
    assert {path.name for path in store.base.iterdir()} == {"refs"}


def test_processes_writing_the_same_result_at_once_all_succeed(store: ResultStore) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(store.base), HASH, str(i)]) for i in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert len(list((store.base / "data").rglob("*.arrow"))) == 1
    assert not list(store.base.rglob("*.tmp"))
    assert store.find(HASH) is not None
