"""``flowfile-dagster bundle``: what is packed fails again where it is unpacked."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flowfile_dagster import load_flow
from flowfile_dagster.cli.app import main
from tests.factories import JsonObject, advanced_filter, formula, join, manual, node, read_csv, write_file, write_flow

Capture = pytest.CaptureFixture[str]
BAD_CODE = "output_df = input_df.with_columns(pl.col('text').str.to_integer().alias('number'))"


def call(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def failing_nodes() -> list[JsonObject]:
    code = {"polars_code_input": {"polars_code": BAD_CODE}}
    return [
        manual(1, {"text": ["1", "2", "secret"], "n": [1, 2, 3]}, "String", "Int64"),
        formula(2, 1, "m", "[n] * 2"),
        node(3, "polars_code", code, 2, node_reference="numbers"),
    ]


def unpacked(path: Path) -> Path:
    folder = path.with_suffix("")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    return folder


def first_line(error: Any) -> str:
    return str(error).partition("\n")[0]


def test_bundle_fails_with_the_same_first_line(tmp_path: Path, capsys: Capture) -> None:
    flow = write_flow(tmp_path / "orders.json", failing_nodes())
    told = first_line(load_flow(flow).run(store=tmp_path / "store").errors[3])
    assert call("bundle", flow, "numbers", "--store", tmp_path / "store", "-o", tmp_path / "node.zip") == 0
    assert capsys.readouterr().out == f"{tmp_path / 'node.zip'}: {told}\n"
    folder = unpacked(tmp_path / "node.zip")
    assert call("run", folder / "orders.yaml") == 1
    assert capsys.readouterr().err.splitlines()[0] == told
    assert first_line((folder / "error.txt").read_text()) == told
    assert sorted(path.name for path in folder.iterdir()) == [
        *("README.txt", "bundle.json", "code.py", "error.txt", "inputs", "orders.yaml")
    ]


def test_bundle_holds_the_inputs_as_they_were(tmp_path: Path) -> None:
    nodes = [manual(1, {"a": [1, 2]}), manual(2, {"a": [2, 3], "b": [4, 5]}), join(3, 1, 2, "a")]
    flow = write_flow(tmp_path / "joined.json", nodes)
    assert call("bundle", flow, 3, "-o", tmp_path / "node.zip") == 0
    folder = unpacked(tmp_path / "node.zip")
    assert pl.read_ipc(folder / "inputs" / "2-output-0.arrow", memory_map=False).to_dict(as_series=False) == {
        "a": [2, 3],
        "b": [4, 5],
    }
    assert load_flow(folder / "joined.yaml").run().frame(3).equals(load_flow(flow).run().frame(3))
    facts = json.loads((folder / "bundle.json").read_text())
    assert (facts["node_type"], facts["versions"]["polars"]) == ("join", pl.__version__)


def test_two_outputs_of_one_node_are_two_inputs(tmp_path: Path) -> None:
    split = {"filter_input": {"mode": "advanced", "advanced_filter": "[a] > 1"}, "split_mode": True}
    nodes = [
        manual(1, {"a": [1, 2]}),
        node(2, "filter", split, 1, outputs=[3, 4], output_handles=["output-0", "output-1"]),
        formula(3, 2, "b", "[a]"),
        node(4, "union", {"union_input": {}}, 3, 2),
    ]
    flow = write_flow(tmp_path / "split.json", nodes)
    assert call("bundle", flow, 4, "-o", tmp_path / "node.zip") == 0
    again = load_flow(unpacked(tmp_path / "node.zip") / "split.yaml").run()
    assert again.frame(4).equals(load_flow(flow).run().frame(4))


def run_code(folder: Path) -> str:
    return subprocess.run([sys.executable, "code.py"], cwd=folder, capture_output=True, text=True, check=True).stdout


def test_code_in_the_bundle_gives_the_result(tmp_path: Path) -> None:
    nodes = [manual(1, {"a": [1, 2]}), advanced_filter(2, 1, "[a] > 1"), node(3, "union", {"union_input": {}}, 1, 2)]
    flow = write_flow(tmp_path / "numbers.json", nodes)
    expected = load_flow(flow).run()
    for node_id, text in ((2, 'output = input_1.filter(pl.col("a") > pl.lit(1))'), (3, "load_flow('numbers.yaml'")):
        assert call("bundle", flow, node_id, "-o", tmp_path / f"{node_id}.zip") == 0
        folder = unpacked(tmp_path / f"{node_id}.zip")
        assert text in (folder / "code.py").read_text()
        assert run_code(folder) == f"{expected.frame(node_id)}\n"


def test_parameters_keep_the_values_of_the_run(tmp_path: Path) -> None:
    nodes = [manual(1, {"a": [1, 2, 3]}), advanced_filter(2, 1, "[a] > ${least}")]
    least = {"name": "least", "type": "integer", "default_value": "1"}
    flow = write_flow(tmp_path / "numbers.json", nodes, parameters=[least])
    assert call("bundle", flow, 2, "-o", tmp_path / "node.zip", "--param", "least=2") == 0
    folder = unpacked(tmp_path / "node.zip")
    assert load_flow(folder / "numbers.yaml").run().frame(2)["a"].to_list() == [3]
    assert json.loads((folder / "bundle.json").read_text())["parameters"] == {"least": "2"}


def test_redacted_columns_rows_beyond_the_sample_and_canvas_notes_are_nowhere_in_the_bundle(tmp_path: Path) -> None:
    flow = write_flow(tmp_path / "orders.json", failing_nodes())
    flow.write_text(json.dumps({**json.loads(flow.read_text()), "comments": [{"id": 1, "text": "a secret note"}]}))
    arguments = ["--redact", "text", "n", "--sample", 2]
    assert call("bundle", flow, 3, "-o", tmp_path / "node.zip", *arguments) == 0
    folder = unpacked(tmp_path / "node.zip")
    assert not [path for path in folder.rglob("*") if path.is_file() and b"secret" in path.read_bytes()]
    table = pl.read_ipc(folder / "inputs" / "2-output-0.arrow", memory_map=False)
    assert table.select("text", "n").rows() == [("redacted", None)] * 2
    assert table["m"].to_list() == [2, 4]


def test_categories_of_redacted_columns_are_nowhere_in_the_bundle(tmp_path: Path) -> None:
    kinds = pl.Enum(["secret", "another secret"])
    table = pl.DataFrame({"a": [1], "kind": ["secret"], "kinds": [["secret"]], "record": [{"kind": "secret"}]})
    types = pl.Schema({"kind": kinds, "kinds": pl.List(kinds), "record": pl.Struct({"kind": kinds})})
    table.cast(types).write_ipc(tmp_path / "in.arrow")
    received = {"path": "in.arrow", "file_type": "ipc", "table_settings": {"file_type": "ipc"}}
    nodes = [node(1, "read", {"received_file": received}), formula(2, 1, "b", "[a]")]
    flow = write_flow(tmp_path / "orders.json", nodes)
    assert call("bundle", flow, 2, "-o", tmp_path / "node.zip", "--redact", *types) == 0
    folder = unpacked(tmp_path / "node.zip")
    assert not [path for path in folder.rglob("*") if path.is_file() and b"secret" in path.read_bytes()]


def test_command_in_the_bundle_works_as_it_is_written(tmp_path: Path) -> None:
    flow = write_flow(tmp_path / "my orders.json", failing_nodes())
    assert call("bundle", flow, 3, "-o", tmp_path / "a node.zip") == 0
    with zipfile.ZipFile(tmp_path / "a node.zip") as archive:
        text = archive.read("README.txt").decode()
    assert "unzip 'a node.zip' -d 'a node' && flowfile-dagster run 'a node/my orders.yaml'\n" in text


def test_flow_file_is_not_overwritten(tmp_path: Path, capsys: Capture) -> None:
    flow = write_flow(tmp_path / "orders.json", failing_nodes())
    before = flow.read_bytes()
    assert call("bundle", flow, 3, "-o", flow) == 2
    assert "is the flow file, which would be lost" in capsys.readouterr().err
    assert flow.read_bytes() == before


def test_output_that_cannot_be_written_is_told_in_one_line(tmp_path: Path, capsys: Capture) -> None:
    flow = write_flow(tmp_path / "orders.json", failing_nodes())
    assert call("bundle", flow, 3, "-o", tmp_path / "absent" / "node.zip") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path / "absent" / "node.zip") in line


@pytest.mark.parametrize(
    ("node_id", "arguments", "message"),
    [
        (1, [], "orders / 1 / read: has no inputs to pack; pass on the flow file and what it reads"),
        (3, [], "orders / 3 / formula: its input 2 has no result: orders / 2 / formula: "),
        (4, [], "orders / 4 / output: writes a file, which a bundle must not"),
        (2, ["--redact", "x"], "--redact: column 'x' is not in the input"),
        (2, ["--sample", "-1"], "'-1' is no number of rows"),
    ],
)
def test_bundle_that_cannot_be_says_why(
    node_id: int, arguments: list[str], message: str, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")
    bad = formula(2, 1, "b", "[c]")
    nodes = [read_csv(1, "a.csv"), bad, formula(3, 2, "d", "1"), write_file(4, 1, tmp_path / "out.csv")]
    flow = write_flow(tmp_path / "orders.json", nodes)
    with contextlib.suppress(SystemExit):
        assert call("bundle", flow, node_id, "-o", tmp_path / "node.zip", *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "node.zip").exists()
    assert not (tmp_path / "out.csv").exists()


def test_inputs_are_read_under_the_root_that_is_given(tmp_path: Path, capsys: Capture) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "orders.csv").write_text("n\n1\n")
    flow = write_flow(tmp_path / "orders.json", [read_csv(1, "orders.csv"), formula(2, 1, "m", "[n] * 2")])
    assert call("bundle", flow, 2, "--root", data, "-o", tmp_path / "node.zip") == 0
    assert "does not fail" in capsys.readouterr().out
    assert call("run", unpacked(tmp_path / "node.zip") / "orders.yaml") == 0
