"""A real ``dg`` project, driven by the commands that people type."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.factories import formula, manual, write_flow

pytestmark = pytest.mark.slow

PYPROJECT = """
[project]
name = "shop"
version = "0.1"
[tool.dg]
directory_type = "project"
[tool.dg.project]
root_module = "shop"
"""
DEFINITIONS = """
from pathlib import Path
from dagster import definitions, load_from_defs_folder

@definitions
def defs():
    return load_from_defs_folder(path_within_project=Path(__file__).parent)
"""


@dataclass(frozen=True)
class DgProject:
    folder: Path

    @property
    def defs(self) -> Path:
        return self.folder / "src" / "shop" / "defs"

    def dg(self, *words: str) -> subprocess.CompletedProcess[str]:
        paths = [str(self.folder / "src"), *(path for path in sys.path if path)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "TERM": "dumb", "COLUMNS": "200"}
        environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
        environment["XDG_CACHE_HOME"] = str(self.folder / "cache")
        environment.pop("DAGSTER_HOME", None)
        return subprocess.run(
            [str(Path(sys.executable).with_name("dg")), *words],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def ask(self, *words: str) -> str:
        answer = self.dg(*words)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer.stdout


@pytest.fixture
def shop(tmp_path: Path) -> DgProject:
    project = DgProject(tmp_path / "project")
    project.defs.mkdir(parents=True)
    (project.folder / "pyproject.toml").write_text(PYPROJECT)
    for module in (project.defs.parent / "__init__.py", project.defs / "__init__.py"):
        module.touch()
    (project.defs.parent / "definitions.py").write_text(DEFINITIONS)
    project.ask("scaffold", "defs", "flowfile_dagster.FlowfileComponent", "sales", "--flows", "drawn")
    nodes = [manual(1, {"a": [1, 2]}), formula(2, 1, "b", "[a] + 1")]
    write_flow(project.defs / "sales" / "drawn" / "shop.json", nodes)
    return project


def test_component_is_listed_scaffolded_and_checked(shop: DgProject) -> None:
    assert "flowfile_dagster.FlowfileComponent" in shop.ask("list", "components")
    assert "validated successfully" in shop.ask("check", "yaml")
    assert "loaded successfully" in shop.ask("check", "defs")
    listed = json.loads(shop.ask("list", "defs", "--json"))
    assert {asset["asset_key"] for asset in listed["assets"]} == {"shop/manual_input_1", "shop/formula_2"}


@pytest.mark.parametrize(
    ("attribute", "message"),
    [("modus: performance", "modus"), ("overrides: {shop: {engin: auto}}", "overrides")],
)
def test_attribute_that_there_is_not_is_told_with_file_and_line(shop: DgProject, attribute: str, message: str) -> None:
    path = shop.defs / "sales" / "defs.yaml"
    path.write_text(f"{path.read_text()}  {attribute}\n")
    answer = shop.dg("check", "yaml")
    assert answer.returncode == 1
    assert "defs.yaml:5" in answer.stdout + answer.stderr
    assert message in answer.stdout + answer.stderr


def test_node_that_there_is_not_is_told_with_those_that_there_are(shop: DgProject) -> None:
    path = shop.defs / "sales" / "defs.yaml"
    path.write_text(f"{path.read_text()}  overrides: {{shop: {{nodes: {{filter_3: {{engine: auto}}}}}}}}\n")
    answer = shop.dg("check", "defs")
    assert answer.returncode == 1
    message = (
        "configuration of flow 'shop': nodes.filter_3: the flow has no such node; nodes: manual_input_1, formula_2"
    )
    assert message in answer.stdout + answer.stderr
