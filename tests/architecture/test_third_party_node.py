"""Adding a node type is one module: here by somebody else, through an entry point."""

import json
import os
import subprocess
import sys
from pathlib import Path

FLOW = {
    "flowfile_version": "0.23.3",
    "flowfile_id": 1,
    "flowfile_name": "third_party",
    "flowfile_settings": {},
    "nodes": [
        {
            "id": 1,
            "type": "manual_input",
            "outputs": [2],
            "setting_input": {"raw_data_format": {"columns": [{"name": "word"}], "data": [["quiet"]]}},
        },
        {"id": 2, "type": "shout", "input_ids": [1], "setting_input": {"column": "word"}},
    ],
}
SCRIPT = """
import json, sys
from flowfile_dagster import load_flow
flow = load_flow(sys.argv[1])
for error in flow.run().errors.values():
    sys.exit(str(error))
print(json.dumps([flow.schemas()[2, "output-0"].names(), flow.run().frame(2)["word"].to_list()]))
"""


def run_script(flow: Path, python_path: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": python_path}
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, str(flow)], capture_output=True, text=True, env=environment, check=False
    )


def test_node_type_of_an_entry_point_runs(tmp_path: Path) -> None:
    path = tmp_path / "third_party.json"
    path.write_text(json.dumps(FLOW))
    result = run_script(path, str(Path(__file__).parents[1] / "third_party"))
    assert json.loads(result.stdout) == [["word"], ["QUIET"]], result.stderr


def test_node_type_without_its_package_says_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "third_party.json"
    path.write_text(json.dumps(FLOW))
    result = run_script(path, "")
    assert "third_party / 2 / shout: node type 'shout' is not known: install the package" in result.stderr
