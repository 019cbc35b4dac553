"""How nodes appear: names that stay, names that are changed, and what follows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from flowfile_dagster import ConfigError, FlowfileTranslator, NodeOutput, OutputEdges, build_definitions
from tests.factories import fifteen_nodes, formula, manual, node, write_flow
from tests.orchestration.project import Project


def specs(folder: Path, **options: Any) -> dict[str, dg.AssetSpec]:
    definitions = build_definitions(folder, compiled_folder=folder / ".compiled", **options)
    return {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}


def deps_of(spec: dg.AssetSpec) -> set[str]:
    return {dep.asset_key.to_user_string() for dep in spec.deps}


class ByKey(FlowfileTranslator):
    def get_asset_key(self, output: NodeOutput) -> dg.AssetKey:
        return super().get_asset_key(output).with_prefix("warehouse")


class BySpec(FlowfileTranslator):
    def get_asset_spec(self, output: NodeOutput, edges: OutputEdges) -> dg.AssetSpec:
        spec = super().get_asset_spec(output, edges)
        return spec.replace_attributes(key=spec.key.with_prefix("warehouse"))


@pytest.mark.parametrize("mode", ["development", "performance"])
@pytest.mark.parametrize("translator", [ByKey(), BySpec()])
def test_key_that_either_method_changes_changes_on_all_edges(project: Project, mode: str, translator: Any) -> None:
    project.write(fifteen_nodes())
    plain = specs(project.folder, mode=mode)
    moved = specs(project.folder, mode=mode, translator=translator)
    assert set(moved) == {f"warehouse/{key}" for key in plain}
    for key, spec in plain.items():
        assert deps_of(moved[f"warehouse/{key}"]) == {f"warehouse/{dep}" for dep in deps_of(spec)}


def test_run_works_with_keys_that_a_spec_changed(project: Project) -> None:
    project.write([manual(1, {"a": [1]}), formula(2, 1, "b", "[a]")])
    definitions = build_definitions(
        project.folder, compiled_folder=project.folder / ".compiled", translator=BySpec(), mode="performance"
    )
    job = definitions.resolve_implicit_global_asset_job_def()
    events = job.execute_in_process(instance=project.instance).get_asset_materialization_events()
    assert [event.asset_key.path for event in events if event.asset_key] == [["warehouse", "shop", "formula_2"]]


def test_moves_notes_and_regrouping_leave_names_and_code_versions(project: Project) -> None:
    entries = fifteen_nodes()
    project.write(entries)
    before = specs(project.folder)
    for index, entry in enumerate(entries):
        entry |= {"x_position": 10 * index, "y_position": 7, "description": f"note {index}", "group_id": 3}
    project.write(list(reversed(entries)))
    after = specs(project.folder)
    assert {key: spec.code_version for key, spec in after.items()} == {
        key: spec.code_version for key, spec in before.items()
    }
    assert after["shop/formula_3"].metadata["flowfile/position"] == "20, 7"


def test_two_nodes_that_would_be_one_asset_are_named(project: Project) -> None:
    project.write([manual(1, {"a": [1]}, node_reference="x"), formula(2, 1, "b", "[a]")])
    translated = specs(project.folder, renames={"shop/formula_2": "shop/x"})
    problem = "nodes 1 and 2 would both be asset 'shop/x'"
    assert problem in translated["shop"].metadata["flowfile/problem"]


RENAMED = {"shop/total": "shop/formula_2"}


def renamed(project: Project, text: str = "[a] + 1") -> None:
    project.write([manual(1, {"a": [1]}), formula(2, 1, "b", text, node_reference="total"), formula(3, 2, "c", "[b]")])


def test_renamed_node_keeps_its_key_and_its_result(project: Project) -> None:
    project.write([manual(1, {"a": [1]}), formula(2, 1, "b", "[a] + 1"), formula(3, 2, "c", "[b]")])
    before = project.run()
    renamed(project)
    after = Project(project.folder, project.instance, options={"renames": RENAMED}).run()
    assert set(after.metadata) == {"manual_input_1", "formula_2", "formula_3"}
    assert after.computed == set()
    assert after.data_versions == before.data_versions


def test_renamed_node_knows_what_changed_since_it_had_its_old_name(project: Project) -> None:
    project.write([manual(1, {"a": [1]}), formula(2, 1, "b", "[a] + 1")])
    project.run()
    renamed(project, "[a] + 2")
    after = Project(project.folder, project.instance, options={"renames": RENAMED}).run(["formula_2"])
    assert after.metadata["formula_2"]["flowfile/cache"] == "miss:settings"


def test_renamed_flow_keeps_the_keys_of_its_nodes(project: Project) -> None:
    split = {"splits": [{"name": "train", "percentage": 50}, {"name": "test", "percentage": 50}]}
    (project.folder / "new").mkdir()
    write_flow(project.folder / "new" / "shop.json", [manual(1, {"a": [1]}), node(2, "random_split", split, 1)])
    found = specs(project.folder, renames={"new/shop": "old", "new/shop/random_split_2": "old/halves"})
    assert set(found) == {"old/manual_input_1", "old/halves_train", "old/halves_test"}
    assert {spec.group_name for spec in found.values()} == {"new/shop"}


def test_rename_of_what_there_is_not_is_an_error(project: Project) -> None:
    renamed(project)
    with pytest.raises(ConfigError, match="nothing is called 'shop/formula_2'"):
        specs(project.folder, renames={"shop/formula_2": "shop/total"})


def test_link_to_the_node_is_filled_in(project: Project) -> None:
    path = project.write([manual(1, {"a": [1]})], "my shop")
    template = "http://flows:5173/#/designer?flow={path}&name={flow}&node={node_id}"
    (spec,) = specs(project.folder, flowfile_url=template).values()
    escaped = str(path.resolve()).replace("/", "%2F").replace(" ", "%20")
    assert spec.metadata["flowfile/open"].value == (
        f"http://flows:5173/#/designer?flow={escaped}&name=my%20shop&node=1"
    )
    assert spec.kinds == {"flowfile", "polars", "manual_input"}
