"""``flowfile-dagster diff`` over the results of real runs."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import pytest

from flowfile_dagster.api import FLOW_RUNS
from flowfile_dagster.cli.app import main
from flowfile_dagster.store.store import ResultStore
from tests.factories import formula, manual, write_flow

Capture = pytest.CaptureFixture[str]


def call(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def run_with(folder: Path, text: str) -> Path:
    nodes = [manual(1, {"id": [1, 2, 3]}), formula(2, 1, "b", text, node_reference="doubled")]
    path = write_flow(folder / "numbers.json", nodes)
    assert call("run", path, "--store", folder / "store") == 0
    return path


def test_diff_compares_the_latest_result_with_the_one_before(tmp_path: Path, capsys: Capture) -> None:
    run_with(tmp_path, "[id] * 2")
    path = run_with(tmp_path, "[id] * [id]")
    capsys.readouterr()
    assert call("diff", path, "doubled", "--store", tmp_path / "store") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:4] == ["same columns", "3 -> 3 rows", "rows compared by id: 0 added, 0 removed, 2 changed (b 2)"]


def test_diff_of_a_result_that_came_back_is_with_the_one_between(tmp_path: Path, capsys: Capture) -> None:
    for text in ("[id]", "[id] + 1", "[id]"):
        path = run_with(tmp_path, text)
    capsys.readouterr()
    assert call("diff", path, "doubled", "--store", tmp_path / "store", "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["rows"]["samples"]["before"][0] == {"id": 1, "b": 2}
    assert told["rows"]["samples"]["after"][0] == {"id": 1, "b": 1}


def test_diff_as_json_has_numbers_that_json_lacks_as_text(tmp_path: Path, capsys: Capture) -> None:
    for numbers in ([1.0, 2.0, 3.0], ["nan", "inf", 3.5]):
        path = write_flow(tmp_path / "f.json", [manual(1, {"id": [1, 2, 3], "x": numbers}, "Int64", "Float64")])
        assert call("run", path, "--store", tmp_path / "store") == 0
    capsys.readouterr()
    assert call("diff", path, "1", "--store", tmp_path / "store", "--json") == 1
    told = json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert [row["x"] for row in told["rows"]["samples"]["after"]] == ["nan", "inf", 3.5]


def test_diff_of_chosen_results_that_are_equal_is_0(tmp_path: Path, capsys: Capture) -> None:
    run_with(tmp_path, "[id] * 2")
    path = run_with(tmp_path, "[id] + [id]")
    capsys.readouterr()
    assert call("diff", path, "doubled", "--store", tmp_path / "store", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    older, newer = told["from"]["node_hash"][:10], told["to"]["run_id"][:8]
    assert older != told["to"]["node_hash"][:10]
    assert call("diff", path, "2", "--store", tmp_path / "store", "--from", older, "--to", newer) == 0


def test_diff_of_a_branch_is_with_what_production_has(tmp_path: Path, capsys: Capture) -> None:
    for folder in ("production", "branch"):
        (tmp_path / folder).mkdir()
    run_with(tmp_path / "production", "[id]")
    path = run_with(tmp_path / "branch", "[id] + 1")
    stores = ["--store", tmp_path / "branch" / "store", "--read-from", tmp_path / "production" / "store"]
    capsys.readouterr()
    assert call("diff", path, "doubled", *stores) == 1
    assert "0 added, 0 removed, 3 changed (b 3)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["1"], "there is no result before "),
        (["2", "--from", "zzz"], "--from: no result begins with 'zzz'"),
        (["9"], "no node '9'"),
        (["2", "--handle", "output-1"], "has no output 'output-1'; outputs: output-0"),
        (["2", "--key", "c"], "key: column 'c' is not in the input"),
        (["2", "--rows", "-1"], "'-1' is no number of rows"),
    ],
)
def test_diff_that_cannot_be_says_what_there_is(
    arguments: list[str], message: str, tmp_path: Path, capsys: Capture
) -> None:
    run_with(tmp_path, "[id] * 2")
    path = run_with(tmp_path, "[id] * 3")
    with contextlib.suppress(SystemExit):
        assert call("diff", path, *arguments, "--store", tmp_path / "store") == 2
    assert message in capsys.readouterr().err


def test_diff_of_a_node_that_never_ran_says_so(tmp_path: Path, capsys: Capture) -> None:
    path = write_flow(tmp_path / "new.json", [manual(1, {"a": [1]})])
    assert call("diff", path, 1, "--store", tmp_path) == 2
    assert "new / 1 / manual_input: has no result in" in capsys.readouterr().err


def test_diff_of_a_partition_compares_its_results(tmp_path: Path, capsys: Capture) -> None:
    store = ResultStore(tmp_path / "store")
    for text in ("[id] * 2", "[id] * 3"):
        path = run_with(tmp_path, text)
        latest = store.latest((FLOW_RUNS, "numbers", "doubled"))
        assert latest is not None
        store.of_run(text).publish(("nodes", "numbers", "doubled", "@2024-01-01"), latest)
    shutil.rmtree(tmp_path / "store" / "refs" / FLOW_RUNS)
    capsys.readouterr()
    assert call("diff", path, 2, "--store", tmp_path / "store", "--partition", "2024-01-01") == 1
    assert "3 changed (b 3)" in capsys.readouterr().out
    assert call("diff", path, 2, "--store", tmp_path / "store", "--partition", "2024-01-02") == 2
    assert "has no result of partition '2024-01-02' in" in capsys.readouterr().err
    assert call("diff", path, 2, "--store", tmp_path / "store") == 2
    assert "run it first, or name the --partition of its runs" in capsys.readouterr().err


def test_diff_of_a_renamed_node_finds_what_runs_of_dagster_made_under_its_old_name(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "store")
    for text in ("[id] * 2", "[id] * 3"):
        path = run_with(tmp_path, text)
        latest = store.latest((FLOW_RUNS, "numbers", "doubled"))
        assert latest is not None
        store.of_run(text).publish(("nodes", "accounts", "old"), latest)
    shutil.rmtree(tmp_path / "store" / "refs" / FLOW_RUNS)
    assert call("diff", path, "doubled", "--store", tmp_path / "store", "--renamed-from", "accounts/old") == 1
    assert call("diff", path, "doubled", "--store", tmp_path / "store", "--renamed-from", "accounts/other") == 2


def test_diff_of_a_flow_in_a_folder_is_not_that_of_one_of_the_same_name_above(tmp_path: Path, capsys: Capture) -> None:
    store = ResultStore(tmp_path / "store")
    (tmp_path / "shop").mkdir()
    for text, key in (("[id]", ("shop",)), ("[id] * 2", ()), ("[id] * 3", ("shop",)), ("[id] * 4", ())):
        path = run_with(tmp_path / "shop", text)
        latest = ResultStore(tmp_path / "shop" / "store").latest((FLOW_RUNS, "numbers", "doubled"))
        assert latest is not None
        shutil.copytree(tmp_path / "shop" / "store", tmp_path / "store", dirs_exist_ok=True)
        store.of_run(text).publish(("nodes", *key, "numbers", "doubled"), latest)
    capsys.readouterr()
    assert call("diff", path, "doubled", "--store", tmp_path / "store", "--json") == 1
    samples = json.loads(capsys.readouterr().out)["rows"]["samples"]
    assert [samples[side][0]["b"] for side in ("before", "after")] == [1, 3]


def test_diff_takes_parameters_whose_defaults_do_not_load(tmp_path: Path, capsys: Capture) -> None:
    nodes = [manual(1, {"a": [1]}), formula(2, 1, "b", "${n}")]
    path = write_flow(tmp_path / "f.json", nodes, parameters=[{"name": "n", "type": "integer"}])
    for value in (1, 2):
        assert call("run", path, "--store", tmp_path / "store", "--param", f"n={value}") == 0
    assert call("diff", path, 2, "--store", tmp_path / "store", "--param", "n=1") == 1
    assert "1 changed (b 1)" in capsys.readouterr().out
