"""Every example in the documentation works as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster.components.testing import create_defs_folder_sandbox

from flowfile_dagster import FlowfileComponent
from tests.factories import formula, manual, write_flow

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGES = ("component.md", "customising.md")

pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning")


def blocks(language: str) -> list[Any]:
    """The code blocks of the pages, each called by its page and line."""
    found = []
    for page in PAGES:
        text = (DOCS / page).read_text()
        for block in re.finditer(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            found.append(pytest.param(block[1], id=f"{page}:{text[: block.start()].count(chr(10)) + 1}"))
    return found


def write_flows(folder: Path) -> None:
    people = manual(1, {"name": ["ada", "bob"]}, "String")
    folder.mkdir(exist_ok=True)
    write_flow(folder / "shop.json", [people, formula(2, 1, "name_length", "length([name])", node_reference="total")])
    write_flow(folder / "bank.json", [people, formula(2, 1, "name_length", "length([name])")])


@pytest.mark.parametrize("code", blocks("python"))
def test_python_example_runs(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_flows(tmp_path / "flows")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    names: dict[str, Any] = {}
    exec(compile(code, "example", "exec"), names)
    if "defs" in names:
        assert len(names["defs"].resolve_asset_graph().materializable_asset_keys) == 4


@pytest.mark.parametrize("text", blocks("yaml"))
def test_yaml_example_loads(text: str) -> None:
    value = yaml.safe_load(text)
    attributes = value.get("attributes", {"flows": "flows", **value})
    with create_defs_folder_sandbox() as sandbox:
        contents = {"type": "flowfile_dagster.FlowfileComponent", "attributes": attributes}
        path = sandbox.scaffold_component(FlowfileComponent, defs_path="sales", defs_yaml_contents=contents)
        write_flows(path / "flows")
        with sandbox.build_all_defs() as definitions:
            specs = list(definitions.resolve_all_asset_specs())
    assert all(isinstance(spec, dg.AssetSpec) for spec in specs)
    assert specs
