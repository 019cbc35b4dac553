"""A store over another one that is only read: a branch over production."""

from pathlib import Path

import polars as pl
import pytest

from flowfile_dagster import Flow, load_flow
from flowfile_dagster.cli.app import main
from flowfile_dagster.engine.events import NodeComputed, NodeEvent
from flowfile_dagster.errors import StoreError
from flowfile_dagster.store.refs import Ref
from flowfile_dagster.store.store import ResultStore
from tests.factories import fifteen_nodes, write_flow

HASH, OTHER = "a" * 64, "b" * 64
CHANGED = {5, 6, 7, 8, 9, 10, 11, 12}


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def flow(tmp_path: Path) -> Flow:
    return load_flow(write_flow(tmp_path / "shop.json", fifteen_nodes()))


@pytest.fixture
def changed(tmp_path: Path) -> Flow:
    return load_flow(write_flow(tmp_path / "branch" / "shop.json", fifteen_nodes("[a] * 3")))


@pytest.fixture(autouse=True)
def folders(tmp_path: Path) -> None:
    (tmp_path / "branch").mkdir()


def test_branch_computes_what_it_changed_and_writes_only_that(flow: Flow, changed: Flow, tmp_path: Path) -> None:
    production, branch = tmp_path / "production", tmp_path / "own"
    flow.run(store=production)
    before = snapshot(production)
    run = changed.run(store=ResultStore(branch, read_from=production))
    assert {node_id for node_id, status in run.status.items() if status == "computed"} == CHANGED
    assert run.frame(11).equals(changed.run().frame(11))
    assert run.frame(3).equals(flow.run().frame(3)), "which lies in production's store"
    assert snapshot(production) == before
    again = changed.run(store=ResultStore(branch, read_from=production))
    assert set(again.status.values()) == {"hit"}


def test_unchanged_branch_computes_nothing_and_stores_no_data(flow: Flow, tmp_path: Path) -> None:
    production, branch = tmp_path / "production", tmp_path / "own"
    flow.run(store=production)
    assert set(flow.run(store=ResultStore(branch, read_from=production)).status.values()) == {"hit"}
    assert not list(branch.rglob("*.arrow"))


def test_own_materialization_comes_before_that_of_production(tmp_path: Path) -> None:
    production = ResultStore(tmp_path / "production")
    branch = ResultStore(tmp_path / "own", read_from=tmp_path / "production")
    production.publish(["flow", "node"], Ref(HASH, "output-0"))
    assert branch.latest(["flow", "node"]) == Ref(HASH, "output-0")
    branch.publish(["flow", "node"], Ref(OTHER, "output-0"))
    assert branch.latest(["flow", "node"]) == Ref(OTHER, "output-0")
    assert production.latest(["flow", "node"]) == Ref(HASH, "output-0")


def test_damage_in_production_is_computed_again_in_the_branch(flow: Flow, tmp_path: Path) -> None:
    production, branch = tmp_path / "production", tmp_path / "own"
    expected = flow.run(store=production).frame(11)
    for path in production.rglob("*.arrow"):
        path.write_bytes(path.read_bytes()[:-9] + b"different")
    events: list[NodeEvent] = []
    run = flow.run(store=ResultStore(branch, read_from=production), on_event=events.append)
    assert set(run.status.values()) == {"computed"}
    assert run.frame(11).equals(expected)
    told = {event.node_id: event.damage for event in events if isinstance(event, NodeComputed)}
    assert f"{production}/data/" in told[11]


def test_result_that_production_has_collected_since_it_was_found_is_told(tmp_path: Path) -> None:
    production = ResultStore(tmp_path / "production")
    production.record([HASH], {"output-0": production.write(pl.DataFrame({"a": [1]}))})
    branch = ResultStore(tmp_path / "own", read_from=tmp_path / "production")
    found = branch.find(HASH)
    assert found is not None
    table = found.outputs["output-0"]
    production.path(table).unlink()
    with pytest.raises(StoreError, match=r"production/data/.*\.arrow: is gone since it was found"):
        branch.scan(table)


def test_layered_store_lies_over_a_layered_one(tmp_path: Path) -> None:
    table = pl.DataFrame({"a": [1]})
    bottom = ResultStore(tmp_path / "bottom")
    bottom.record([HASH], {"output-0": bottom.write(table)})
    top = ResultStore(tmp_path / "top", read_from=tmp_path / "bottom")
    found = top.find(HASH)
    assert found is not None
    top.record([OTHER], found.outputs)
    adopted = top.find(OTHER)
    assert adopted is not None
    assert top.scan(adopted.outputs["output-0"]).collect().equals(table)


def test_command_line_reads_from_a_second_store(
    flow: Flow, changed: Flow, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    production, branch = str(tmp_path / "production"), str(tmp_path / "own")
    assert main(["run", str(tmp_path / "shop.json"), "--store", production]) == 0
    capsys.readouterr()
    assert main(["run", str(tmp_path / "branch/shop.json"), "--store", branch, "--read-from", production]) == 0
    assert "8 computed, 7 hit" in capsys.readouterr().out
    assert main(["run", str(tmp_path / "shop.json"), "--read-from", production]) == 2
    assert "--read-from needs --store" in capsys.readouterr().err
