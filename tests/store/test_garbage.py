"""What goes, what stays, and that nobody at work loses anything."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import polars as pl
import pytest

from flowfile_dagster.errors import StoreError
from flowfile_dagster.store.fingerprints import FingerprintMemory
from flowfile_dagster.store.garbage import GarbageCollection, Policy, collect_garbage
from flowfile_dagster.store.index import manifest_name
from flowfile_dagster.store.refs import Ref
from flowfile_dagster.store.store import ResultStore

KEY = ("flow", "node")
AT_WORK = """
import sys, time, polars as pl
from flowfile_dagster.store.refs import Ref
from flowfile_dagster.store.store import ResultStore
base, seconds = sys.argv[1], float(sys.argv[2])
end = time.time() + seconds
while time.time() < end:
    store = ResultStore(base)
    number = int(time.time() * 5) % 18  # comes back after 3.6 s, when its result has just been removed
    node_hash = f"{number:064x}"
    found = store.find(node_hash)
    if found is None:
        table = store.write(pl.DataFrame({"a": [number] * 2000}))
        found = store.record([node_hash], {"output-0": table})
        store.of_run(f"run-{number}").publish(("flow", f"n{number % 3}"), Ref(node_hash, "output-0"))
    frame = store.scan(found.outputs["output-0"])
    assert frame.collect(engine="in-memory")["a"].to_list() == [number] * 2000
"""


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / "store")


def put(store: ResultStore, number: int, *, run: str = "", age: float = 0, key: tuple[str, ...] | None = KEY) -> str:
    """A result that nothing has used for `age` seconds, as the latest of a key."""
    node_hash, recipe = f"{number:064x}", f"{number + 10_000:064x}"
    table = store.write(pl.DataFrame({"a": [number] * 1000}))
    store.record([node_hash, recipe], {"output-0": table}, parts={"settings": str(number)})
    if key is not None:
        store.of_run(run or f"run-{number}").publish(key, Ref(node_hash, "output-0"))
    when = time.time() - age
    for path in store.base.rglob("*"):
        if path.is_file() and path.stat().st_mtime > time.time() - 60:
            os.utime(path, (when, when))
    return node_hash


def numbers(store: ResultStore, candidates: Iterable[int]) -> list[int]:
    return [number for number in candidates if store.look_up(f"{number:064x}") is not None]


def collect(store: ResultStore, keep_last: int | None = None, **limits: float) -> GarbageCollection:
    return collect_garbage(store, Policy(keep_last, grace=100, **limits))  # type: ignore[arg-type]


def test_latest_results_survive_every_limit(store: ResultStore) -> None:
    put(store, 1, age=10_000)
    put(store, 2, age=10_000, key=("flow", "other"))
    for limits in ({}, {"max_age": 1.0}, {"max_bytes": 0}):
        collect(store, 1, **limits)
    assert numbers(store, (1, 2)) == [1, 2]
    assert len(list(store.base.glob("nodes/*/*.json"))) == 4, "the recipes stay with their results"


def test_forgotten_keys_lose_their_refs_and_limits_decide_about_their_results(store: ResultStore) -> None:
    for number, key in enumerate([("flow", "node"), ("flow", "node", "@2024"), ("flow", "node_2"), ("flow",)]):
        put(store, number, age=10_000, key=key)
    collect_garbage(store, Policy(grace=100, forgotten=[KEY]))
    assert sorted(path.name for path in store.base.glob("refs/**/*.json") if path.parent.suffix != ".runs") == [
        "flow.json",
        "node_2.json",
    ]
    assert numbers(store, range(4)) == [0, 1, 2, 3]
    collect(store, 1)
    assert numbers(store, range(4)) == [2, 3]


def test_forgotten_key_whose_ref_is_young_stays(store: ResultStore) -> None:
    put(store, 1)
    collect_garbage(store, Policy(keep_last=1, max_bytes=0, grace=100, forgotten=[KEY]))
    assert store.latest(KEY) is not None
    assert numbers(store, [1]) == [1]


def test_without_a_limit_only_leftovers_go(store: ResultStore) -> None:
    for number in (1, 2, 3):
        put(store, number, age=10_000 - number)
    lost = store.base / "data" / ".0123.tmp"
    lost.write_bytes(b"half a file")
    unnamed = store.write(pl.DataFrame({"b": [1]}))
    for path in (lost, store.path(unnamed)):
        os.utime(path, (1, 1))
    found = collect(store)
    assert sorted(removal.reason for removal in found.removals) == ["leftover", "leftover"]
    assert not lost.exists()
    assert not store.path(unnamed).exists()
    assert numbers(store, (1, 2, 3)) == [1, 2, 3]


def test_results_of_a_later_version_are_left_to_it(store: ResultStore) -> None:
    put(store, 1, age=10_000)
    path = store.base / manifest_name(put(store, 2, age=10_000))
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "format": 1000}))
    os.utime(path, (1, 1))
    before = sorted(store.base.rglob("*"))
    with pytest.raises(StoreError, match=rf"^{path}: was written by a later version of flowfile-dagster; collect"):
        collect(store, 1)
    assert sorted(store.base.rglob("*")) == before


def test_last_results_of_each_asset_are_kept(store: ResultStore) -> None:
    for number in range(1, 6):
        put(store, number, age=10_000 - number * 10)
    for number in range(6, 9):
        put(store, number, age=10_000 - number * 10, key=("flow", "other"))
    put(store, 4, run="again", age=9_900)
    found = collect(store, 2)
    assert numbers(store, range(1, 9)) == [4, 5, 7, 8]
    assert {removal.reason for removal in found.removals} == {"count", "leftover"}
    assert len(list(store.base.glob("refs/flow/node.runs/*.json"))) == 2
    assert len(list(store.base.glob("data/*/*.arrow"))) == 4


def test_results_that_nothing_used_for_long_go(store: ResultStore) -> None:
    for number, age in ((1, 5000), (2, 4000), (3, 300), (4, 200)):
        put(store, number, age=age)
    assert store.find(f"{1:064x}") is not None, "which uses it"
    collect(store, max_age=1000)
    assert numbers(store, (1, 2, 3, 4)) == [1, 3, 4]


def test_oldest_results_go_until_the_rest_fits(store: ResultStore) -> None:
    for number in range(1, 7):
        put(store, number, age=10_000 - number * 10)
    size = next(store.base.glob("data/*/*.arrow")).stat().st_size
    found = collect(store, max_bytes=3 * size)
    assert numbers(store, range(1, 7)) == [4, 5, 6]
    assert found.bytes_kept == 3 * size


def test_limit_of_bytes_does_not_reach_what_is_kept_by_number(store: ResultStore) -> None:
    for number in range(1, 6):
        put(store, number, age=10_000 - number * 10)
    collect(store, 2, max_bytes=0)
    assert numbers(store, range(1, 6)) == [4, 5]


def test_young_files_stay_whatever_they_are(store: ResultStore) -> None:
    put(store, 1)
    put(store, 2)
    store.write(pl.DataFrame({"b": [1]}))
    (store.base / "data" / ".0123.tmp").write_bytes(b"being written")
    assert collect(store, 1, max_bytes=0).removals == ()
    assert numbers(store, (1, 2)) == [1, 2]


def test_time_in_the_future_counts_as_young(store: ResultStore) -> None:
    put(store, 1, age=-5000)
    put(store, 2, age=-5000)
    assert collect(store, 1).removals == ()


def test_data_that_two_results_share_stays_with_the_last_of_them(store: ResultStore) -> None:
    put(store, 1, age=10_000)
    first = store.look_up(f"{1:064x}")
    assert first is not None
    store.record(["f" * 64], {"output-0": first.outputs["output-0"], "output-1": first.outputs["output-0"]})
    put(store, 2, age=10_000)
    collect(store, 1)
    assert numbers(store, (1, 2)) == [2]
    assert store.look_up("f" * 64) is None
    store.publish(KEY, Ref("f" * 64, "output-0"))


def test_result_of_a_sink_without_a_table_goes_with_its_asset_only(store: ResultStore) -> None:
    for number in (1, 2):
        store.record([f"{number:064x}", f"{number + 10:064x}"], {}, parts={"settings": str(number)})
        store.of_run(str(number)).publish(KEY, Ref(f"{number:064x}", "output-0"))
        for path in store.base.rglob("*.json"):
            if path.stat().st_mtime > 100:
                os.utime(path, (number, number))
    collect(store, 1)
    assert numbers(store, (1, 2, 11, 12)) == [2, 12]


def test_manifest_that_cannot_be_read_goes(store: ResultStore) -> None:
    put(store, 1, age=10_000, key=None)
    path = store.base / manifest_name(f"{1:064x}")
    path.write_bytes(b"{")
    os.utime(path, (1, 1))
    collect(store)
    assert not path.exists()


def test_files_that_the_store_did_not_make_stay(store: ResultStore) -> None:
    put(store, 1, age=10_000)
    others = [
        store.base / name for name in ("data/orders.csv", "data/2024/orders.arrow", "nodes/mine.json", "refs/x.txt")
    ]
    for path in others:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("of somebody else")
        os.utime(path, (1, 1))
    assert collect(store, 1).removals == ()
    assert all(path.exists() for path in others)


def test_run_of_a_result_that_cannot_be_read_goes_with_it(store: ResultStore) -> None:
    put(store, 1, age=10_000)
    put(store, 2, age=9_000)
    (store.base / manifest_name(f"{1:064x}")).write_bytes(b"{")
    os.utime(store.base / manifest_name(f"{1:064x}"), (1, 1))
    assert len(collect(store).removals) == 2
    assert collect(store).removals == ()


@pytest.mark.parametrize("name", ["refs", "nodes", "data"])
def test_store_that_cannot_be_seen_as_a_whole_loses_nothing(store: ResultStore, name: str) -> None:
    put(store, 1, age=10_000)
    put(store, 2, age=20_000)
    hidden = store.base / name
    kept = hidden.rename(store.base / "kept")
    hidden.symlink_to(hidden)  # no user may look into it
    with pytest.raises(StoreError, match=f"{name}: cannot be read: "):
        collect(store, 1, max_bytes=0)
    hidden.unlink()
    kept.rename(hidden)
    assert numbers(store, (1, 2)) == [1, 2]
    assert not store.verify()


def test_dry_run_says_what_a_real_one_then_does(store: ResultStore) -> None:
    for number in range(1, 6):
        put(store, number, age=10_000 - number * 10)
    (store.base / "data" / f".{'0' * 32}.tmp").write_bytes(b"half a file")
    os.utime(store.base / "data" / f".{'0' * 32}.tmp", (1, 1))
    policy = Policy(2, grace=100)
    before = sorted(store.base.rglob("*"))
    planned = collect_garbage(store, policy, is_dry_run=True)
    assert sorted(store.base.rglob("*")) == before
    done = collect_garbage(store, policy)
    assert sorted(planned.removals, key=str) == sorted(done.removals, key=str)
    assert planned.bytes_kept == done.bytes_kept
    assert len(done.removals) > 6


def test_what_was_remembered_of_lost_files_goes(store: ResultStore) -> None:
    for number in (1, 2):
        stored = store.write(pl.DataFrame({"a": range(number, 200_000)}))
        store.record([f"{number:064x}"], {"output-0": stored})
    store.publish(KEY, Ref(f"{2:064x}", "output-0"))
    memory = FingerprintMemory(store.base / "fingerprints")
    source = store.base.parent / "in.csv"
    source.write_text("a")
    os.utime(source, (1, 1))
    memory.content_hash(source)
    for path in store.base.glob("data/*/*"):
        os.utime(path, (1, 1))
    assert numbers(store, (1, 2)) == [1, 2], "which is remembered"
    for path in store.base.glob("*/*/*.json"):
        os.utime(path, (1, 1))
    collect(store, 1)
    assert len(list(store.base.glob("data/*/*.arrow"))) == 1
    assert len(list(store.base.glob("verified/*/*.json"))) == 1
    assert memory.remembered(source) is not None


@pytest.mark.parametrize("change", [{"format": 1}, {"state": [1, 1, 1, 1]}, {"path": ""}])
def test_what_was_remembered_in_another_way_or_of_another_state_goes(
    store: ResultStore, change: dict[str, object]
) -> None:
    memory = FingerprintMemory(store.base / "fingerprints")
    source = store.base.parent / "in.csv"
    source.write_text("a")
    os.utime(source, (1, 1))
    memory.content_hash(source)
    (entry,) = store.base.glob("fingerprints/*/*.json")
    entry.write_text(json.dumps({**json.loads(entry.read_text()), **change}))
    collect(store)
    assert entry.exists(), "it is young"
    os.utime(entry, (1, 1))
    collect(store)
    assert not entry.exists()


def test_empty_store_is_left_alone(store: ResultStore) -> None:
    assert collect(store, 1).removals == ()
    assert not store.base.exists()


def test_readers_and_writers_at_work_lose_nothing(store: ResultStore) -> None:
    """Everything but the last result of three assets is collected all the time, under the hands of three processes."""
    seconds = 8.0
    workers = [subprocess.Popen([sys.executable, "-c", AT_WORK, str(store.base), str(seconds)]) for _ in range(3)]
    removed = 0
    while any(worker.poll() is None for worker in workers):
        removed += len(collect_garbage(store, Policy(1, grace=1.0)).removals)
    assert [worker.returncode for worker in workers] == [0, 0, 0]
    assert removed > 20
    assert not list(store.base.rglob("*.tmp"))
