"""``FlowfileComponent``: the second door to the same room."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster.components.testing import create_defs_folder_sandbox
from dagster.components.testing.test_cases import TestTranslation as TranslationCases
from dagster.components.testing.utils import DefsFolderSandbox
from pydantic import BaseModel

from flowfile_dagster import (
    AlertConfig,
    FlowConfig,
    FlowfileComponent,
    FlowfileIOManager,
    NodeConfig,
    NodeOutput,
    OutputEdges,
    ScheduleConfig,
    TriggerConfig,
    build_definitions,
)
from tests.factories import formula, manual, write_flow

# Dagster itself makes a code reference for each component, and calls its own class beta.
pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning")


@pytest.fixture
def sandbox() -> Iterator[DefsFolderSandbox]:
    with create_defs_folder_sandbox() as opened:
        yield opened


def scaffold(sandbox: DefsFolderSandbox, name: str, component: type = FlowfileComponent, **attributes: Any) -> Path:
    """A component with a flow of two nodes in its folder."""
    contents = {
        "type": f"{component.__module__}.{component.__qualname__}",
        "attributes": {"flows": "flows", **attributes},
    }
    path = sandbox.scaffold_component(FlowfileComponent, defs_path=name, defs_yaml_contents=contents)
    write_flow(path / "flows" / f"{name}.json", [manual(1, {"a": [1, 2]}), formula(2, 1, "b", "[a] + 1")])
    return path


def build(sandbox: DefsFolderSandbox) -> dg.Definitions:
    with sandbox.build_all_defs() as definitions:
        return definitions


def causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def spec_of(definitions: dg.Definitions, *path: str) -> dg.AssetSpec:
    return next(spec for spec in definitions.resolve_all_asset_specs() if spec.key == dg.AssetKey(list(path)))


def test_component_gives_the_same_specs_as_the_function(sandbox: DefsFolderSandbox) -> None:
    path = scaffold(sandbox, "shop", mode="performance")
    by_function = build_definitions(path / "flows", mode="performance").resolve_all_asset_specs()
    ours = {spec.key: spec for spec in build(sandbox).resolve_all_asset_specs()}
    for spec in by_function:
        assert ours[spec.key].code_version == spec.code_version
        assert ours[spec.key].metadata["flowfile/boundary"] == spec.metadata["flowfile/boundary"]


def test_components_of_one_project_are_merged(sandbox: DefsFolderSandbox) -> None:
    scaffold(sandbox, "shop")
    scaffold(sandbox, "bank")
    keys = build(sandbox).resolve_asset_graph().materializable_asset_keys
    assert {key.path[0] for key in keys} == {"shop", "bank"}


def test_words_for_single_flows_and_nodes_stand_in_yaml(sandbox: DefsFolderSandbox) -> None:
    scaffold(
        sandbox, "shop", overrides={"shop": {"mode": "performance", "nodes": {"formula_2": {"engine": "streaming"}}}}
    )
    assert "flowfile/boundary" in spec_of(build(sandbox), "shop", "formula_2").metadata


@pytest.mark.parametrize(
    ("store", "location"), [("results", "{folder}/results"), ("s3://lake/flows", "s3://lake/flows")]
)
def test_store_is_a_folder_beside_the_yaml_or_a_url(sandbox: DefsFolderSandbox, store: str, location: str) -> None:
    path = scaffold(sandbox, "shop", store=store)
    resources = build(sandbox).resources or {}
    assert resources["flowfile_io_manager"].base_path == location.format(folder=path)


def test_second_store_and_its_credentials_stand_in_yaml(sandbox: DefsFolderSandbox) -> None:
    options = {"key": {"env": "LAKE_KEY"}, "endpoint_url": "https://lake.example"}
    path = scaffold(sandbox, "shop", store="s3://branch/flows", read_from="production", storage_options=options)
    io_manager = (build(sandbox).resources or {})["flowfile_io_manager"]
    assert (io_manager.base_path, io_manager.read_from) == ("s3://branch/flows", str(path / "production"))
    assert io_manager.storage_options == {"key": dg.EnvVar("LAKE_KEY"), "endpoint_url": "https://lake.example"}
    assert isinstance(io_manager.storage_options["key"], dg.EnvVar)


def test_component_and_function_take_the_same_configuration() -> None:
    in_other_words = {
        "translator": {"translation"},
        "io_manager": {"store" if name == "base_path" else name for name in FlowfileIOManager.model_fields},
    }
    taken = [in_other_words.get(name, {name}) for name in inspect.signature(build_definitions).parameters]
    assert set(FlowfileComponent.model_fields) == set[str]().union(*taken)


@pytest.mark.parametrize(
    "model", [FlowfileComponent, FlowConfig, NodeConfig, ScheduleConfig, TriggerConfig, AlertConfig]
)
def test_no_word_of_the_configuration_is_something_else_to_yaml(model: type[BaseModel]) -> None:
    """``on`` would be true."""
    assert [yaml.safe_load(name) for name in model.model_fields] == [*model.model_fields]


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"mode": "fast"}, "development"),
        ({"overrides": {"shop": {"nodes": {"x": {}}}}}, "the flow has no such node; nodes: manual_input_1, formula_2"),
        ({"overrides": {"shop": {"engine": "gpu2"}}}, "engine"),
        ({"bogus": 1}, "bogus"),
    ],
)
def test_wrong_attribute_is_an_error_that_says_so(
    sandbox: DefsFolderSandbox, attributes: dict[str, Any], message: str
) -> None:
    scaffold(sandbox, "shop", **attributes)
    with pytest.raises(Exception) as caught:
        build(sandbox)
    assert any(message in str(error) for error in causes(caught.value))


class TestTranslation(TranslationCases):
    def test_translation(
        self,
        sandbox: DefsFolderSandbox,
        attributes: dict[str, Any],
        assertion: Callable[[dg.AssetSpec], bool],
        key_modifier: Callable[[dg.AssetKey], dg.AssetKey] | None,
    ) -> None:
        scaffold(sandbox, "shop", translation=attributes)
        definitions = build(sandbox)
        modify = key_modifier or (lambda key: key)
        upper, lower = modify(dg.AssetKey(["shop", "manual_input_1"])), modify(dg.AssetKey(["shop", "formula_2"]))
        assert assertion(spec_of(definitions, *lower.path))
        if "deps" not in attributes:
            assert [dep.asset_key for dep in spec_of(definitions, *lower.path).deps] == [upper]
            lineage = spec_of(definitions, *lower.path).metadata["dagster/column_lineage"]
            assert {dep.asset_key for deps in lineage.deps_by_column.values() for dep in deps} == {upper}


class OwnedComponent(FlowfileComponent):
    """Overrides what becomes of a node."""

    def get_asset_spec(self, output: NodeOutput, edges: OutputEdges) -> dg.AssetSpec:
        spec = super().get_asset_spec(output, edges)
        return spec.replace_attributes(key=spec.key.with_prefix("owned"), owners=[f"team:{output.node.node_type}"])


def test_subclass_changes_assets_and_what_depends_on_them_alike(sandbox: DefsFolderSandbox) -> None:
    scaffold(sandbox, "shop", OwnedComponent, translation={"group_name": "{{ node.node_type }}"})
    spec = spec_of(build(sandbox), "owned", "shop", "formula_2")
    assert [dep.asset_key for dep in spec.deps] == [dg.AssetKey(["owned", "shop", "manual_input_1"])]
    assert spec.owners == ["team:formula"]
    assert spec.group_name == "formula"


def test_scaffolder_writes_a_component_that_loads(sandbox: DefsFolderSandbox) -> None:
    path = sandbox.scaffold_component(FlowfileComponent, defs_path="shop", scaffold_params={"flows": "drawn"})
    assert (path / "drawn").is_dir()
    assert build(sandbox).resolve_all_asset_specs() == []
