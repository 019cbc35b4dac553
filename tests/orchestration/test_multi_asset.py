"""Assets that share a step keep what Dagster's multi-assets promise: splitting, mapped specs, names of their own."""

from __future__ import annotations

import inspect

import dagster as dg
import pytest

from flowfile_dagster import ConfigError, FlowConfig
from tests.factories import formula, manual, node, read_csv
from tests.orchestration.project import Project


def test_asset_between_two_nodes_of_a_flow_runs_between_them(project: Project) -> None:
    path = project.folder / "between.csv"
    path.write_text("a\n0\n")
    project.write([manual(1, {"a": [1, 2]}), read_csv(2, str(path)), node(3, "union", {}, 1, 2)])

    @dg.asset(deps=[dg.AssetKey(["shop", "manual_input_1"])])
    def between() -> None:
        path.write_text("a\n7\n8\n9\n")

    flow = project.definitions(sources={str(path): "between"})
    definitions = dg.Definitions.merge(flow, dg.Definitions(assets=[between]))
    job = definitions.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=project.instance)
    rows = {
        event.asset_key.path[-1]: event.step_materialization_data.materialization.metadata["dagster/row_count"].value
        for event in result.get_asset_materialization_events()
        if event.asset_key.path[0] == "shop"
    }
    assert list(rows) == ["manual_input_1", "read_2", "union_3"]
    assert rows["union_3"] == 5


def test_part_of_a_split_step_does_not_run_where_the_part_above_it_failed(project: Project) -> None:
    """Dagster splits the flow at `price`, which needs it, and then at `stock`, too, which does not."""
    paths = {name: project.folder / f"{name}.csv" for name in ("stock", "price")}
    for path in paths.values():
        path.write_text("a\n0\n")
    nodes = [
        manual(1, {"a": [1, 2]}),
        formula(2, 1, "a", "[nowhere]"),
        read_csv(3, paths["stock"]),
        node(4, "union", {}, 2, 3),
        read_csv(5, paths["price"]),
    ]
    project.write(nodes)
    stock = dg.asset(name="stock")(lambda: None)
    price = dg.asset(name="price", deps=[dg.AssetKey(["shop", "manual_input_1"])])(lambda: None)
    flow = project.definitions(sources={str(path): name for name, path in paths.items()})
    definitions = dg.Definitions.merge(flow, dg.Definitions(assets=[stock, price]))
    job = definitions.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=project.instance, raise_on_error=False)
    assert len(result.get_step_failure_events()) == 1


def test_dependency_within_a_step_can_be_taken_away(project: Project) -> None:
    project.write([manual(1, {"a": [1]}), formula(2, 1, "b", "[a]")])
    (flow,) = project.definitions().resolve_asset_graph().assets_defs
    (mapped,) = dg.map_asset_specs(lambda spec: spec.replace_attributes(deps=[]), [flow])
    assert not any(spec.deps for spec in mapped.specs)


def test_inputs_and_outputs_of_a_step_are_those_that_dagster_makes(project: Project) -> None:
    source = project.folder / "orders.csv"
    source.write_text("a\n1\n")
    project.write([read_csv(1, str(source)), formula(2, 1, "b", "[a]")])
    (flow,) = (asset for asset in project.definitions().resolve_asset_graph().assets_defs if asset.is_materializable)
    result = dg.Out(dg.Any, is_required=False, io_manager_key="flowfile_io_manager")
    check = dg.Out(is_required=False)
    outs = {"shop__read_1": result, "shop__formula_2": result, "shop__read_1_predicted_schema": check}
    made = [out.to_definition(inspect.Parameter.empty, name, None, None) for name, out in outs.items()]
    assert [vars(output) for output in flow.op.output_defs] == [vars(output) for output in made]
    ins = [dg.In(dg.Nothing).to_definition(name) for name in sorted(flow.node_keys_by_input_name)]
    assert len(ins) == 2
    assert [vars(value) for value in flow.op.input_defs] == [vars(value) for value in ins]


def test_check_that_dagster_would_take_for_an_asset_is_a_load_error(project: Project) -> None:
    orders = manual(1, {"a": [1]}, node_reference="orders")
    project.write([orders, formula(2, 1, "b", "[a]", node_reference="orders_unique_a")])
    node_config = {"checks": [{"type": "unique", "columns": ["a"]}]}
    overrides = {"shop": FlowConfig.model_validate({"nodes": {"orders": node_config}})}
    with pytest.raises(ConfigError, match="another check or asset is 'shop__orders_unique_a' to Dagster, too"):
        project.definitions(overrides=overrides)
