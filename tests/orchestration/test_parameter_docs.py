"""The examples of docs/parameters-and-partitions.md: they load, and Python and YAML say the same."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

import flowfile_dagster
from flowfile_dagster import FlowConfig
from tests.factories import formula, manual, write_flow

TEXT = Path(__file__).parents[2].joinpath("docs", "parameters-and-partitions.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(python|yaml)\n(.*?)```", TEXT, re.DOTALL)
PYTHON = [code for kind, code in BLOCKS if kind == "python"]
PAIRS = [
    (first, second)
    for (kind, first), (other, second) in itertools.pairwise(BLOCKS)
    if (kind, other) == ("python", "yaml") and "attributes:" in second
]


@pytest.fixture(autouse=True)
def flows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project with the flow that the examples speak of."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "flows").mkdir()
    names = ("day", "from", "until", "customer", "file")
    country = {"name": "country", "type": "enum", "default_value": "DE", "enum_values": ["DE", "FR"]}
    least = {"name": "least", "type": "integer", "default_value": "1"}
    nodes = [manual(1, {"a": [1]}), formula(2, 1, "x", "${day}", node_reference="result")]
    write_flow(tmp_path / "flows/shop.json", nodes, parameters=[country, least, *({"name": name} for name in names)])


@pytest.mark.parametrize("code", PYTHON)
def test_python_example_loads(code: str) -> None:
    scope: dict[str, Any] = {}
    exec(code, scope)
    if "defs" in scope:
        assert dg.Definitions.validate_loadable(scope["defs"]) is None
    else:
        assert isinstance(scope["rows_per_day"], dg.AssetsDefinition)


@pytest.mark.parametrize(("code", "text"), PAIRS)
def test_yaml_example_says_the_same_as_the_python_one(code: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, FlowConfig] = {}

    def build_definitions(folder: str, overrides: dict[str, FlowConfig]) -> None:
        given.update(overrides)

    monkeypatch.setattr(flowfile_dagster, "build_definitions", build_definitions, raising=False)
    exec(code, {})
    (said,) = yaml.safe_load(text)["attributes"]["overrides"].values()
    assert FlowConfig.resolve_from_yaml(yaml.safe_dump(said)) == given["shop"]


def test_every_kind_of_partition_has_an_example_in_both() -> None:
    assert len(PAIRS) == 8
    for kind in ("Time", "Static", "Dynamic", "File", "Multi"):
        assert any(f"{kind}Partitions(" in code for code, _ in PAIRS)
