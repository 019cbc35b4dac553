"""A store on an S3 server: the same results as in a folder, read from checked copies, credentials never in sight."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pyarrow as pa
import pytest

from flowfile_dagster import FlowfileIOManager, build_definitions, load_flow
from flowfile_dagster.errors import StoreError
from flowfile_dagster.store.garbage import Policy, collect_garbage
from flowfile_dagster.store.index import manifest_name
from flowfile_dagster.store.refs import Ref
from flowfile_dagster.store.store import ResultStore
from tests.factories import fifteen_nodes, formula, manual, write_flow
from tests.store.object_store import BUCKET, open_bucket, s3_server, use_in_environment

URL = f"s3://{BUCKET}/team/store"
TABLE = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
HASH = "a" * 64
KILLED_WRITER = """
import os, sys, polars as pl
from flowfile_dagster.store.store import ResultStore
store = ResultStore(sys.argv[1])
table = store.write(pl.DataFrame({"a": [1]}))
store.files.write = lambda name, content: os._exit(9)
store.record(["a" * 64], {"output-0": table})
"""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def bucket(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A new bucket. Credentials are in the environment, and copies in a folder of this test."""
    use_in_environment(monkeypatch, endpoint)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return open_bucket(endpoint)


@pytest.fixture
def store(bucket: Any) -> ResultStore:
    return ResultStore(URL)


def put(store: ResultStore, node_hash: str = HASH, table: pl.DataFrame = TABLE) -> str:
    """Store a table; gives the path of its object."""
    stored = store.write(table)
    store.record([node_hash], {"output-0": stored})
    return f"{BUCKET}/team/store/data/{stored.content_hash[:2]}/{stored.content_hash}.arrow"


def read(store: ResultStore, node_hash: str = HASH) -> pl.DataFrame:
    manifest = store.find(node_hash)
    assert manifest is not None
    return store.scan(manifest.outputs["output-0"]).collect(engine="in-memory")


def test_looking_at_an_empty_store_finds_and_puts_nothing(store: ResultStore, bucket: Any) -> None:
    assert store.find(HASH) is None
    assert store.latest(["flow", "node"]) is None
    assert collect_garbage(store, Policy(1)).removals == ()
    assert bucket.find(BUCKET) == []


def test_layout_is_that_of_a_folder_and_readable_with_pyarrow_alone(
    store: ResultStore, bucket: Any, tmp_path: Path
) -> None:
    put(store)
    store.of_run("run-1").publish(["flow", "node"], Ref(HASH, "output-0"))
    bucket.get(f"{BUCKET}/team/store", str(tmp_path / "copy"), recursive=True)
    assert {path.name for path in (tmp_path / "copy").iterdir()} == {"data", "nodes", "refs"}
    (file,) = (tmp_path / "copy").glob("data/*/*.arrow")
    assert pa.ipc.open_file(file).read_all().to_pydict() == TABLE.to_dict(as_series=False)
    assert ResultStore(tmp_path / "copy").find(HASH) is not None
    assert ResultStore(tmp_path / "copy").latest(["flow", "node"]) == Ref(HASH, "output-0", "run-1")


def test_result_is_found_on_another_machine(store: ResultStore, tmp_path: Path) -> None:
    put(store)
    assert read(store).equals(TABLE)
    shutil.rmtree(tmp_path / "cache")
    assert read(ResultStore(URL)).equals(TABLE)


def test_writer_that_dies_before_the_manifest_leaves_no_result(store: ResultStore, bucket: Any) -> None:
    writer = subprocess.run([sys.executable, "-c", KILLED_WRITER, URL])
    assert writer.returncode == 9
    assert [path for path in bucket.find(BUCKET) if "/data/" in path]
    assert store.find(HASH) is None


def test_object_that_was_cut_off_is_a_miss_and_is_replaced(store: ResultStore, bucket: Any) -> None:
    path = put(store)
    bucket.pipe_file(path, bucket.cat_file(path)[:-1])
    assert store.find(HASH) is None
    assert "bytes instead of" in str(store.damages[HASH])
    put(store)
    assert read(store).equals(TABLE)


def test_object_of_other_content_is_never_served_and_computed_again(
    store: ResultStore, bucket: Any, tmp_path: Path
) -> None:
    path = put(store)
    content = bucket.cat_file(path)
    bucket.pipe_file(path, content[:200] + b"!" + content[201:])
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(StoreError, match=r"s3://results/team/store/data/.*its content hash differs"):
        read(store)
    assert store.find(HASH) is None
    put(store)
    assert read(store).equals(TABLE)


def test_damaged_copy_is_fetched_again(store: ResultStore, tmp_path: Path) -> None:
    put(store)
    (copy,) = (tmp_path / "cache").rglob("*.arrow")
    copy.write_bytes(copy.read_bytes()[:-8] + b"damaged!")
    assert read(store).equals(TABLE)


def test_damaged_manifest_is_a_miss(store: ResultStore, bucket: Any) -> None:
    put(store)
    bucket.pipe_file(f"{BUCKET}/team/store/{manifest_name(HASH)}", b'{"format": 3, "node')
    assert store.find(HASH) is None
    assert "no JSON text" in str(store.damages[HASH])


def test_garbage_goes_and_latest_results_stay(store: ResultStore, bucket: Any) -> None:
    for number in range(4):
        put(store, f"{number:064x}", pl.DataFrame({"a": [number]}))
        store.of_run(f"run-{number}").publish(["flow", "node"], Ref(f"{number:064x}", "output-0"))
        time.sleep(1.1)  # S3 tells times in whole seconds
    assert collect_garbage(store, Policy(2)).removals == ()
    collect_garbage(store, Policy(2, grace=-10))
    assert [store.find(f"{number:064x}") is not None for number in range(4)] == [False, False, True, True]
    assert len([path for path in bucket.find(BUCKET) if "/data/" in path]) == 2


def test_branch_reads_production_from_the_object_store_and_puts_nothing_there(
    store: ResultStore, bucket: Any, tmp_path: Path
) -> None:
    flow = load_flow(write_flow(tmp_path / "shop.json", fifteen_nodes()))
    flow.run(store=store)
    before = {path: bucket.info(path)["LastModified"] for path in bucket.find(BUCKET)}
    changed = load_flow(write_flow(tmp_path / "shop.json", fifteen_nodes("[a] * 3")))
    run = changed.run(store=ResultStore(tmp_path / "branch", read_from=URL))
    assert {node_id for node_id, status in run.status.items() if status == "computed"} == {5, 6, 7, 8, 9, 10, 11, 12}
    assert {path: bucket.info(path)["LastModified"] for path in bucket.find(BUCKET)} == before


def test_damage_in_production_is_left_there_and_computed_again_by_the_branch(
    store: ResultStore, bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = load_flow(write_flow(tmp_path / "shop.json", [manual(1, {"a": [1]}), formula(2, 1, "b", "[a] * 2")]))
    flow.run(store=store)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another machine"))
    for path in bucket.find(f"{BUCKET}/team/store/data"):
        bucket.pipe_file(path, bucket.cat_file(path)[:-8] + b"damaged!")
    before = bucket.find(BUCKET)
    for node_id in (1, 2):
        with pytest.raises(StoreError, match=r"s3://results/team/store/data/.*its content hash differs"):
            flow.run(store=ResultStore(tmp_path / "branch", read_from=URL)).frame(node_id)
    run = flow.run(store=ResultStore(tmp_path / "branch", read_from=URL))
    assert run.frame(2).rows() == [(1, 2)]
    assert bucket.find(BUCKET) == before


def test_server_that_does_not_answer_is_told_with_the_url(
    monkeypatch: pytest.MonkeyPatch, bucket: Any, tmp_path: Path
) -> None:
    options = {"key": "key-id", "secret": "planted-secret", "endpoint_url": "http://127.0.0.1:9"}
    store = ResultStore("s3://nowhere/x", options={**options, "config_kwargs": {"retries": {"max_attempts": 0}}})
    with pytest.raises(StoreError, match=r"s3://nowhere/x/nodes/.*cannot be read") as caught:
        store.find(HASH)
    assert "planted-secret" not in str(caught.value)


@pytest.mark.parametrize("secret", ["planted-secret", "planted/secret"])
def test_credentials_in_a_url_are_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(StoreError, match="take the credentials out of the URL") as caught:
        ResultStore(f"s3://key-id:{secret}@bucket/x")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("s4://bucket/x", "no object store"),
        ("github://bucket/x", "no object store that can be used: "),
        ("dropbox://bucket/x", "no object store that can be used: .*dropboxdrivefs"),
        ("file:///tmp/x", "named by its path"),
        ("s3://", "names no bucket"),
    ],
)
def test_url_that_names_no_object_store_is_told(url: str, cause: str) -> None:
    with pytest.raises(StoreError, match=cause):
        ResultStore(url)


def test_dagster_keeps_results_on_s3_with_credentials_from_the_resource(
    bucket: Any, endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("STORE_SECRET", "planted-secret")
    monkeypatch.setenv("STORE_URL", URL)
    write_flow(tmp_path / "shop.json", [manual(1, {"a": [1, 2, 3]}), formula(2, 1, "b", "[a] * 2")])
    io_manager = FlowfileIOManager(
        base_path=dg.EnvVar("STORE_URL"),
        storage_options={"key": "key-id", "secret": dg.EnvVar("STORE_SECRET"), "endpoint_url": endpoint},
    )
    definitions = build_definitions(
        tmp_path / "shop.json", compiled_folder=tmp_path / "compiled", io_manager=io_manager
    )
    instance = dg.DagsterInstance.ephemeral(tempdir=str(tmp_path))
    job = definitions.resolve_implicit_global_asset_job_def()
    caches = []
    for _ in range(2):
        result = job.execute_in_process(instance=instance, raise_on_error=False)
        assert result.success
        materializations = result.asset_materializations_for_node("shop")
        caches.append({event.metadata["flowfile/cache"].value for event in materializations})
        assert "planted-secret" not in str(
            [event.to_json() if hasattr(event, "to_json") else event for event in instance.all_logs(result.run_id)]
        )
    assert caches == [{"miss:first"}, {"hit"}]
    copies = tmp_path / "cache"
    shutil.rmtree(copies)
    result = job.execute_in_process(instance=instance)
    (told,) = {
        (event.metadata["flowfile/cache"].value, "flowfile/preview" in event.metadata)
        for event in result.asset_materializations_for_node("shop")
    }
    assert told == ("hit", False)
    assert not list(copies.rglob("*.arrow"))
    assert [path for path in bucket.find(BUCKET) if "/refs/shop/formula_2.json" in path]
