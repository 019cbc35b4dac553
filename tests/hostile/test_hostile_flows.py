"""Flows whose text is fine but whose content is not: what `load_flow` says, and that it never does more than load.

``files/expected.json`` says for each file either ``raises`` (the whole file is refused), ``node_problem`` (the flow
loads and that node says what is wrong) or ``loads`` (nothing is wrong), and ``match`` for the first line of the text.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from flowfile_dagster import FlowFileError, load_flow

FILES = Path(__file__).parent / "files"
EXPECTED: dict[str, dict[str, Any]] = json.loads((FILES / "expected.json").read_text())


def names_with(kind: str) -> list[str]:
    return sorted(name for name, expected in EXPECTED.items() if kind in expected)


def test_every_file_has_one_expectation() -> None:
    assert {path.name for path in FILES.iterdir()} - {"expected.json"} == set(EXPECTED)
    assert all(len({"raises", "node_problem", "loads"} & set(expected)) == 1 for expected in EXPECTED.values())


@pytest.mark.parametrize("name", names_with("raises"))
def test_broken_envelope_is_refused_with_file_node_and_field(name: str) -> None:
    with pytest.raises(FlowFileError) as caught:
        load_flow(FILES / name)
    first = str(caught.value).partition("\n")[0]
    assert name in first
    assert re.search(EXPECTED[name]["match"], first), first


@pytest.mark.parametrize("name", names_with("node_problem"))
def test_broken_node_keeps_its_place_and_says_why(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    flow = load_flow(FILES / name)
    problem = flow.nodes[EXPECTED[name]["node_problem"]].problem
    assert isinstance(problem, str)
    assert re.search(EXPECTED[name]["match"], problem.partition("\n")[0]), problem
    others = [node.problem for node_id, node in flow.nodes.items() if node_id != EXPECTED[name]["node_problem"]]
    assert others == [None] * len(others)
    assert not list(tmp_path.iterdir()), "something from the file was executed"


@pytest.mark.parametrize("name", names_with("loads"))
def test_odd_but_correct_flow_loads_and_touches_nothing(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(FILES / name, tmp_path)
    flow = load_flow(tmp_path / name)
    assert [node.problem for node in flow.nodes.values()] == [None] * len(flow.nodes)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def chain(length: int) -> dict[str, Any]:
    source = {"id": 1, "type": "manual_input", "outputs": [2], "setting_input": {"raw_data_format": None}}
    sorts = [
        {"id": i, "type": "sort", "input_ids": [i - 1], "outputs": [i + 1], "setting_input": {"sort_input": []}}
        for i in range(2, length + 1)
    ]
    sorts[-1]["outputs"] = []
    return {
        "flowfile_version": "0.23.3",
        "flowfile_id": 1,
        "flowfile_name": "chain",
        "flowfile_settings": {},
        "nodes": [source, *sorts],
    }


def test_chain_of_ten_thousand_nodes_loads_without_recursion(tmp_path: Path) -> None:
    path = tmp_path / "chain.json"
    path.write_text(json.dumps(chain(10_000)))
    start = time.process_time()
    flow = load_flow(path)
    assert time.process_time() - start < 20
    assert len(flow.nodes) == 10_000
    assert flow.nodes[10_000].problem is None


def test_cycle_of_ten_thousand_nodes_is_refused_without_recursion(tmp_path: Path) -> None:
    flow = chain(10_000)
    flow["nodes"][1]["input_ids"] = [10_000]
    path = tmp_path / "cycle.json"
    path.write_text(json.dumps(flow))
    with pytest.raises(FlowFileError, match=r"cycle\.json: .*cycle") as caught:
        load_flow(path)
    assert len(str(caught.value).partition("\n")[0]) < 2_000
