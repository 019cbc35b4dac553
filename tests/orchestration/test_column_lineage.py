"""Which columns of other assets each column is made of, in both modes, in a flow and through files of other flows."""

import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import dagster as dg
import pytest

from flowfile_dagster import build_definitions, load_flow
from flowfile_dagster.flow.graph import ExecutionMode
from tests.factories import JsonObject, formula, join, manual, node, read_csv, write_file
from tests.orchestration.project import Project

SAMPLES = Path(__file__).parents[2] / "flows"
#: By asset and column the columns of other assets; a column that is not there is opaque.
Lineages: TypeAlias = Mapping[str, Mapping[str, Sequence[tuple[str, str]]]]


def lineages(folder: Path, mode: ExecutionMode) -> Lineages:
    definitions = build_definitions(folder, mode=mode, compiled_folder=folder / ".compiled")
    found = {}
    for spec in definitions.resolve_all_asset_specs():
        lineage = spec.metadata.get("dagster/column_lineage", dg.TableColumnLineage({}))
        found[spec.key.to_user_string()] = {
            column: [(item.asset_key.to_user_string(), item.column_name) for item in items]
            for column, items in lineage.deps_by_column.items()
        }
    return found


def composed(found: Lineages, asset: str, column: str, ends: Collection[str]) -> set[tuple[str, str]] | None:
    """The columns of `ends` that a column is made of; None for an opaque one."""
    if column not in found[asset]:
        return None
    origins = set[tuple[str, str]]()
    for above, name in found[asset][column]:
        further = {(above, name)} if above in ends else composed(found, above, name, ends)
        if further is None:
            return None
        origins |= further
    return origins


@pytest.fixture(params=["development", "performance"])
def mode(request: pytest.FixtureRequest) -> ExecutionMode:
    chosen: ExecutionMode = request.param
    return chosen


@pytest.fixture
def data(project: Project, tmp_path: Path) -> Path:
    """A folder with two files that flows write, `sales` and `costs`, and one that none does."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name, columns in (("sales", ["item", "bags", "price"]), ("costs", ["item", "cost"])):
        nodes = [manual(1, {column: [1] for column in columns}), write_file(2, 1, folder / f"{name}.csv")]
        load_flow(project.write(nodes, name)).run()
    (folder / "outside.csv").write_text("item,stock\n1,5\n")
    return folder


def origins(project: Project, mode: ExecutionMode, nodes: Sequence[JsonObject], column: str) -> set[str] | None:
    """The columns of the nearest assets of performance mode that a column of the last node is made of."""
    project.write(nodes)
    asset = f"shop/{nodes[-1]['type']}_{nodes[-1]['id']}"
    ends = lineages(project.folder, "performance")
    found = composed(lineages(project.folder, mode), asset, column, ends)
    return None if found is None else {f"{above}.{name}" for above, name in found}


def test_renamed_column_of_a_written_file_leads_to_the_written_name(
    project: Project, data: Path, mode: ExecutionMode
) -> None:
    rename = node(2, "select", {"select_input": [{"old_name": "price", "new_name": "amount"}]}, 1)
    assert origins(project, mode, [read_csv(1, data / "sales.csv"), rename], "amount") == {"sales/output_2.price"}


def test_formula_over_two_columns_of_a_written_file_leads_to_both(
    project: Project, data: Path, mode: ExecutionMode
) -> None:
    nodes = [read_csv(1, data / "sales.csv"), formula(2, 1, "revenue", "[bags] * [price]"), formula(3, 2, "one", "1")]
    assert origins(project, mode, nodes, "revenue") == {"sales/output_2.bags", "sales/output_2.price"}
    assert origins(project, mode, nodes, "one") == set()


def test_union_of_a_written_file_and_another_result_leads_to_both(
    project: Project, data: Path, mode: ExecutionMode
) -> None:
    nodes = [manual(1, {"item": [1], "bags": [2]}), read_csv(2, data / "sales.csv"), node(3, "union", {}, 1, 2)]
    nodes[0]["setting_input"]["cache_results"] = True
    assert origins(project, mode, nodes, "bags") == {"shop/manual_input_1.bags", "sales/output_2.bags"}


def test_join_of_two_written_files_leads_to_either_writer(project: Project, data: Path, mode: ExecutionMode) -> None:
    nodes = [
        read_csv(1, data / "sales.csv"),
        read_csv(2, data / "costs.csv"),
        join(3, 1, 2, "item"),
        formula(4, 3, "margin", "[price] - [cost]"),
    ]
    assert origins(project, mode, nodes, "margin") == {"sales/output_2.price", "costs/output_2.cost"}


def test_file_that_is_read_twice_is_an_origin_once(project: Project, data: Path, mode: ExecutionMode) -> None:
    nodes = [read_csv(1, data / "sales.csv"), read_csv(2, data / "sales.csv"), node(3, "union", {}, 1, 2)]
    assert origins(project, mode, nodes, "bags") == {"sales/output_2.bags"}


def test_columns_of_a_file_that_no_flow_writes_have_no_origins(
    project: Project, data: Path, mode: ExecutionMode
) -> None:
    nodes = [read_csv(1, data / "sales.csv"), read_csv(2, data / "outside.csv"), join(3, 1, 2, "item")]
    assert origins(project, mode, nodes, "stock") == set()


def test_what_is_below_opaque_code_stays_opaque(project: Project, data: Path, mode: ExecutionMode) -> None:
    code = {"polars_code_input": {"polars_code": "input_df"}}
    nodes = [read_csv(1, data / "sales.csv"), node(2, "polars_code", code, 1), formula(3, 2, "double", "[bags] * 2")]
    assert origins(project, mode, nodes, "double") is None


def test_performance_says_of_the_sample_flows_what_development_says_node_by_node(tmp_path: Path) -> None:
    folder = tmp_path / "flows"
    shutil.copytree(SAMPLES, folder)
    load_flow(folder / "sales_review.yaml").run()
    development, performance = lineages(folder, "development"), lineages(folder, "performance")
    assert performance.keys() < development.keys()
    for asset, columns in performance.items():
        for column in development[asset].keys() | columns.keys():
            found = set(columns[column]) if column in columns else None
            assert found == composed(development, asset, column, performance), f"{asset}.{column}"
    assert performance["stock_reorder/weeks_left"]["weekly_demand"] == [
        ("sales_review/save_coffee_demand", "bags_sold")
    ]
