"""The commands as people type them: output, exit codes, JSON."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from flowfile_dagster.cli.app import main
from tests.factories import fifteen_nodes, formula, manual, node, read_csv, write_file, write_flow

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    nodes = [
        manual(1, {"a": [1, 2]}, node_reference="orders"),
        formula(2, 1, "b", "[a] * ${n}"),
        formula(3, 2, "c", "[b]"),
    ]
    return write_flow(
        tmp_path / "good.json", nodes, parameters=[{"name": "n", "type": "integer", "default_value": "2"}]
    )


@pytest.fixture
def failing(tmp_path: Path) -> Path:
    return write_flow(
        tmp_path / "failing.json", [manual(1, {"a": [1]}), formula(2, 1, "b", "[x]"), formula(3, 2, "c", "1")]
    )


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.json"
    path.write_text('{"flowfile_version": ')
    return path


def call(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_check_of_a_good_flow_is_0(good: Path, capsys: Capture) -> None:
    assert call("check", good) == 0
    assert capsys.readouterr().out.splitlines() == [f"ok   {good}: 3 nodes", "1 of 1 flows are ready to run"]


def test_check_of_a_folder_tells_each_flow_and_is_1(good: Path, failing: Path, broken: Path, capsys: Capture) -> None:
    assert call("check", good.parent) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"FAIL {broken}: line 1: ")
    assert lines[1] == f"FAIL {failing}: 1 of 3 nodes"
    assert lines[2].startswith("  failing / 2 / formula: ")
    assert lines[3:] == [f"ok   {good}: 3 nodes", "1 of 3 flows are ready to run"]


def test_check_gives_json(good: Path, broken: Path, capsys: Capture) -> None:
    assert call("check", good, broken, "--json") == 1
    first, second = json.loads(capsys.readouterr().out)
    assert first == {"path": str(good), "nodes": 3, "error": None, "problems": []}
    assert second["error"].startswith(f"{broken}: ")


def test_check_of_a_folder_without_flows_is_2(tmp_path: Path, capsys: Capture) -> None:
    assert call("check", tmp_path) == 2
    assert capsys.readouterr().err == f"{tmp_path}: there is no flow file\n"


def test_check_of_a_file_that_is_gone_is_1(tmp_path: Path, capsys: Capture) -> None:
    assert call("check", tmp_path / "gone.json") == 1
    assert "gone.json" in capsys.readouterr().out


def test_file_that_cannot_be_written_is_2(good: Path, tmp_path: Path, capsys: Capture) -> None:
    page = tmp_path / "no such folder" / "lineage.html"
    assert call("lineage", good, "--html", page) == 2
    assert capsys.readouterr().err == f"{page}: No such file or directory\n"


def test_show_prints_nodes_inputs_and_columns(good: Path, capsys: Capture) -> None:
    assert call("show", good) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["   1  orders  (manual_input)", "      a Int64"]
    assert lines[2:4] == ["   2  formula_2  (formula)  <- 1", "      a Int64, b Int64"]


def test_show_tells_what_cannot_run_and_what_is_opaque(failing: Path, capsys: Capture) -> None:
    assert call("show", failing) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[3].startswith("      cannot run: ")
    assert lines[4] == "      opaque"


def test_show_takes_parameters(tmp_path: Path, capsys: Capture) -> None:
    nodes = [manual(1, {"a": [1]}), node(2, "record_id", {"record_id_input": {"output_column_name": "${name}"}}, 1)]
    path = write_flow(tmp_path / "f.json", nodes, parameters=[{"name": "name", "default_value": "id"}])
    assert call("show", path, "--param", "name=row") == 0
    assert "      row UInt32, a Int64" in capsys.readouterr().out


def test_version_is_that_of_the_package(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"flowfile-dagster {version('flowfile-dagster')}\n"


def test_show_gives_json(good: Path, capsys: Capture) -> None:
    assert call("show", good, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    nodes = shown["nodes"]
    assert [entry["name"] for entry in nodes] == ["orders", "formula_2", "formula_3"]
    assert nodes[1]["inputs"] == [{"node_id": 1, "handle": "output-0", "slot": "main"}]
    assert nodes[1]["schemas"] == {"output-0": [["a", "Int64"], ["b", "Int64"]]}
    (segment,) = shown["segments"]
    assert segment["root"] == "formula_3"
    assert segment["nodes"] == ["orders", "formula_2", "formula_3"]
    assert segment["reasons"] == ["output"]


def test_show_tells_what_is_collected_together(tmp_path: Path, capsys: Capture) -> None:
    unique = node(2, "unique", {"unique_input": {"columns": ["a"]}}, 1)
    flow = write_flow(
        tmp_path / "flow.json", [manual(1, {"a": [1]}), unique, formula(3, 2, "b", "1"), formula(4, 2, "c", "1")]
    )
    assert call("show", flow) == 0
    assert "unique_2 -> formula_3; collected with formula_4\n" in capsys.readouterr().out


def test_check_takes_a_file_that_another_flow_writes_for_granted(tmp_path: Path, capsys: Capture) -> None:
    target = tmp_path / "later.csv"
    reader = write_flow(tmp_path / "reader.json", [read_csv(1, target)])
    assert call("check", reader) == 1
    write_flow(tmp_path / "writer.json", [manual(1, {"a": [1]}), write_file(2, 1, target)])
    assert call("check", tmp_path) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "2 of 2 flows are ready to run"


def test_run_in_performance_tells_how_many_nodes_are_fused(good: Path, capsys: Capture) -> None:
    assert call("run", good, "--mode", "performance", "--engine", "streaming") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "2 nodes fused into it" in lines[0]
    assert lines[-1] == "3 computed, 0 hit, 0 skipped, 0 failed"


def test_run_prints_each_node_as_it_completes_and_is_0(good: Path, capsys: Capture) -> None:
    assert call("run", good) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("[  1] good / 1 / manual_input / orders: 2 rows in ")
    assert len(lines) == 4
    assert lines[-1] == "3 computed, 0 hit, 0 skipped, 0 failed"


def test_run_of_a_failing_flow_is_1_and_tells_the_error(failing: Path, capsys: Capture) -> None:
    assert call("run", failing) == 1
    told = capsys.readouterr()
    assert "failing / 2 / formula: FAILED: " in told.out
    assert "failing / 3 / formula: skipped, its input, node 2, failed or did not run" in told.out
    assert told.err.startswith("failing / 2 / formula: ")


def test_run_gives_json(failing: Path, capsys: Capture) -> None:
    assert call("run", failing, "--json") == 1
    result = json.loads(capsys.readouterr().out)
    assert result["status"] == {"1": "computed", "2": "failed", "3": "skipped"}
    assert result["is_success"] is False
    assert result["errors"]["2"].startswith("failing / 2 / formula: ")


@pytest.mark.parametrize("name", ["2", "formula_2"])
def test_run_of_selected_nodes_runs_what_they_need(good: Path, capsys: Capture, name: str) -> None:
    assert call("run", good, "--json", "--select", "orders", name) == 0
    assert json.loads(capsys.readouterr().out)["status"] == {"1": "computed", "2": "computed"}


def test_run_keeps_results_in_a_store(good: Path, tmp_path: Path, capsys: Capture) -> None:
    for expected in ("3 computed, 0 hit", "0 computed, 3 hit"):
        assert call("run", good, "--store", tmp_path / "store") == 0
        assert expected in capsys.readouterr().out


def test_run_with_parameters_trims_them_and_splits_at_the_first_equals_sign(tmp_path: Path, capsys: Capture) -> None:
    nodes = [
        manual(1, {"t": ["x=y"]}, "String"),
        node(2, "gate", {"gate_input": {"parameter": "p", "value": "x=y"}}, 1),
    ]
    path = write_flow(tmp_path / "f.json", [*nodes, formula(3, 2, "b", "${p}")], parameters=[{"name": "p"}])
    assert call("run", path, "--json", "--param", " p = x=y ") == 0
    assert json.loads(capsys.readouterr().out)["status"]["3"] == "computed"
    assert call("run", path, "--json", "--param", "p=other") == 0
    assert json.loads(capsys.readouterr().out)["status"]["3"] == "skipped"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--param", "n=many"], "good: parameter 'n': must be an integer; got 'many'"),
        (["--param", "m=1"], "good: parameter 'm': is not a parameter of this flow; its parameters: n"),
        (["--param", "n"], "good: parameter 'n': write --param NAME=VALUE"),
        (["--select", "nope"], "good: no node 'nope'; nodes: orders, 2, 3"),
        (["--store", ""], "store: its name is empty; give the path of a folder, or a URL"),
    ],
)
def test_run_with_unusable_options_is_2_and_says_what_would_be_right(
    good: Path, capsys: Capture, options: list[str], message: str
) -> None:
    assert call("run", good, *options) == 2
    told = capsys.readouterr()
    assert told.err.strip() == message
    assert told.out == ""


@pytest.mark.parametrize("command", ["run", "show"])
def test_file_that_is_no_flow_is_2(broken: Path, capsys: Capture, command: str) -> None:
    assert call(command, broken) == 2
    assert capsys.readouterr().err.startswith(f"{broken}: line 1: ")


@pytest.mark.parametrize("arguments", [[], ["fly"], ["run"], ["run", "x.json", "--mode", "turbo"]])
def test_wrong_usage_is_2(capsys: Capture, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: flowfile-dagster" in capsys.readouterr().err


def test_command_works_as_a_process_without_loading_dagster(tmp_path: Path) -> None:
    path = write_flow(tmp_path / "shop.json", fifteen_nodes())
    script = (
        "import sys; from flowfile_dagster.cli.app import main; code = main(sys.argv[1:]); "
        "assert 'dagster' not in sys.modules; sys.exit(code)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, "run", str(path)], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-1] == "15 computed, 0 hit, 0 skipped, 0 failed"
    module = [sys.executable, "-m", "flowfile_dagster.cli.app", "check", str(tmp_path / "gone.json")]
    assert subprocess.run(module, capture_output=True, check=False).returncode == 1


def write_tests(flow: Path, price: int) -> None:
    case = {"name": "n multiplies", "parameters": {"n": 3}, "given": {"orders": [{"a": 2}]}}
    expect = {"formula_2": [{"b": price}]}
    flow.with_name(f"{flow.stem}.tests.yaml").write_text(json.dumps({"tests": [{**case, "expect": expect}]}))


def test_test_of_what_is_as_expected_is_0(good: Path, capsys: Capture) -> None:
    write_tests(good, 6)
    assert call("test", good.parent) == 0
    assert capsys.readouterr().out.splitlines() == ["ok   good: n multiplies", "1 of 1 tests passed"]


def test_test_that_fails_tells_the_difference_and_is_1(good: Path, capsys: Capture) -> None:
    write_tests(good, 7)
    assert call("test", good) == 1
    told = [
        "FAIL good: n multiplies",
        "  formula_2: missing: b=7",
        "  formula_2: unexpected: b=6",
        "0 of 1 tests passed",
    ]
    assert capsys.readouterr().out.splitlines() == told


def test_test_gives_json(good: Path, capsys: Capture) -> None:
    write_tests(good, 6)
    assert call("test", good, "--json") == 0
    (result,) = json.loads(capsys.readouterr().out)
    assert result == {"flow": str(good), "test": "n multiplies", "is_success": True, "failures": []}


def test_test_without_any_test_is_2(good: Path, capsys: Capture) -> None:
    assert call("test", good) == 2
    assert "no tests for" in capsys.readouterr().err


def test_test_of_a_path_that_is_not_there_is_2(tmp_path: Path, capsys: Capture) -> None:
    assert call("test", tmp_path / "gone") == 2
    assert capsys.readouterr().err == f"{tmp_path / 'gone'}: does not exist\n"


def test_run_with_a_file_for_a_store_is_2(good: Path, capsys: Capture) -> None:
    assert call("run", good, "--store", good) == 2
    assert capsys.readouterr().err == f"{good}: is a file; give the path of a folder, or a URL\n"
