"""A step of many assets is split by Dagster where an asset of somebody else stands between two of them."""

from __future__ import annotations

import dagster as dg

from tests.factories import manual, node, read_csv
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
