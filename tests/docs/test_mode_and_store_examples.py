"""The examples of docs/modes.md and docs/store.md work as they stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster.components.testing import create_defs_folder_sandbox

from flowfile_dagster import FlowfileComponent, load_flow
from tests.factories import formula, manual, write_flow

DOCS = Path(__file__).parents[2] / "docs"


def blocks(language: str, mark: str) -> list[Any]:
    """The code blocks that hold a certain text, each called by its page and line."""
    found = []
    for page in ("modes.md", "store.md"):
        text = (DOCS / page).read_text(encoding="utf-8")
        for block in re.finditer(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            if mark in block[1]:
                found.append(pytest.param(block[1], id=f"{page}:{text[: block.start()].count(chr(10)) + 1}"))
    return found


def write_shop(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    nodes = [manual(1, {"a": [1, 2]}), formula(2, 1, "b", "[a]"), formula(3, 2, "c", "[b]", node_reference="total")]
    return write_flow(folder / "shop.json", nodes)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return write_shop(tmp_path / "flows")


def run_example(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(code, "example", "exec"), names)
    return names


@pytest.mark.parametrize("code", blocks("python", "defs ="))
def test_definitions_of_the_example_load(code: str, shop: Path) -> None:
    definitions: dg.Definitions = run_example(code)["defs"]
    dg.Definitions.validate_loadable(definitions)
    assert dg.AssetKey(["shop", "total"]) in definitions.resolve_asset_graph().materializable_asset_keys


@pytest.mark.filterwarnings("ignore::dagster.BetaWarning")
@pytest.mark.parametrize("text", blocks("yaml", "FlowfileComponent"))
def test_component_of_the_example_loads(text: str) -> None:
    with create_defs_folder_sandbox() as sandbox:
        contents = yaml.safe_load(text)
        path = sandbox.scaffold_component(FlowfileComponent, defs_path="sales", defs_yaml_contents=contents)
        write_shop(path / "flows")
        with sandbox.build_all_defs() as definitions:
            assert dg.AssetKey(["shop", "total"]) in definitions.resolve_asset_graph().materializable_asset_keys


def test_executor_of_the_example_runs_eight_steps_at_once() -> None:
    (code,) = (block.values[0] for block in blocks("python", "eight_at_once"))
    executor: dg.ExecutorDefinition = run_example(str(code))["eight_at_once"]
    assert executor.apply_config_mapping({"config": {}}).value["config"]["max_concurrent"] == 8


def test_store_is_read_with_json_and_arrow_alone(shop: Path, tmp_path: Path) -> None:
    (code,) = (block.values[0] for block in blocks("python", "pa.ipc"))
    load_flow(shop).run(store=tmp_path / "store")
    assert run_example(str(code))["table"].to_pydict() == {"a": [1, 2], "b": [1, 2]}
