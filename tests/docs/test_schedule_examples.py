"""What the documentation shows works as it stands there."""

import re
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster.components.testing import create_defs_folder_sandbox

from flowfile_dagster import FlowfileComponent
from tests.factories import formula, read_csv, write_flow

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ["schedules.md", "staleness.md"]


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def write_project(folder: Path) -> None:
    """A flow ``shop`` that reads orders."""
    orders = folder / "data" / "orders" / "1.csv"
    orders.parent.mkdir(parents=True)
    orders.write_text("a\n1\n")
    (folder / "flows").mkdir(exist_ok=True)
    nodes = [read_csv(1, orders), formula(2, 1, "b", "[a]", node_reference="report")]
    write_flow(folder / "flows" / "shop.json", nodes)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path)
    return tmp_path


def load_yaml(attributes: dict[str, Any]) -> dg.Definitions:
    contents = {"type": "flowfile_dagster.FlowfileComponent", "attributes": {"flows": "flows", **attributes}}
    with create_defs_folder_sandbox() as sandbox:
        write_project(sandbox.scaffold_component(FlowfileComponent, "etl", defs_yaml_contents=contents))
        with sandbox.build_all_defs() as definitions:
            return definitions


@pytest.mark.filterwarnings("ignore::dagster.BetaWarning")
@pytest.mark.parametrize(("page", "text"), [(page, text) for page in PAGES for text in blocks(page, "yaml")])
def test_yaml_example_loads(page: str, text: str) -> None:
    example = yaml.safe_load(text)
    definitions = load_yaml(example.get("attributes", example))
    dg.Definitions.validate_loadable(definitions)


@pytest.mark.parametrize(("page", "text"), [(page, text) for page in PAGES for text in blocks(page, "python")])
def test_python_example_runs(folder: Path, page: str, text: str) -> None:
    names: dict[str, Any] = {}
    exec(text, names)
    (definitions,) = [value for value in names.values() if isinstance(value, dg.Definitions)]
    dg.Definitions.validate_loadable(definitions)


@pytest.mark.filterwarnings("ignore::dagster.BetaWarning")
def test_yaml_and_python_examples_of_schedules_are_the_same(folder: Path) -> None:
    by_yaml = load_yaml(yaml.safe_load(blocks("schedules.md", "yaml")[0])["attributes"])
    names: dict[str, Any] = {}
    exec(blocks("schedules.md", "python")[0], names)
    by_python: dg.Definitions = names["defs"]
    assert {item.name for item in by_yaml.schedules or ()} == {item.name for item in by_python.schedules or ()}
    assert {item.name for item in by_yaml.sensors or ()} == {item.name for item in by_python.sensors or ()}
