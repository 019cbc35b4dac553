from typing import Any

import polars as pl
import pytest

from flowfile_dagster.columns.lineage import ColumnOrigin
from flowfile_dagster.errors import MissingColumnError, MissingExtraError, SettingsError
from flowfile_dagster.nodes import find_node_type
from tests.nodes.node_case import NodeCase, assert_node, parse_settings, run_node

ROWS = pl.DataFrame({"a": ["x", "p", "y", None, "z", "k"], "b": ["y", "q", "z", "p", None, None]})
GROUPS = [1, 2, 1, 0, 1, 0]


def solve(**settings: Any) -> dict[str, Any]:
    return {"graph_solver_input": {"col_from": "a", "col_to": "b", **settings}}


CASES = [NodeCase(solve(), (ROWS,)), NodeCase(solve(output_column_name="b"), (ROWS,))]


def test_graph_solver_numbers_components_by_first_appearance_and_null_ends_connect_nothing() -> None:
    expected = ROWS.with_columns(graph_group=pl.Series(GROUPS, dtype=pl.UInt64))
    assert_node("graph_solver", solve(), [ROWS], expected)


def test_graph_solver_output_name_of_an_input_column_overwrites_it() -> None:
    expected = ROWS.with_columns(b=pl.Series(GROUPS, dtype=pl.UInt64))
    assert_node("graph_solver", solve(output_column_name="b"), [ROWS], expected)


def test_graph_solver_mixed_types_are_compared_as_text() -> None:
    rows = pl.DataFrame({"a": [1, 5], "b": ["2", "1"]})
    assert run_node("graph_solver", solve(), rows)["output-0"]["graph_group"].to_list() == [1, 1]


@pytest.mark.parametrize(
    "dtype",
    [
        pl.Int8,
        pl.Int16,
        pl.UInt8,
        pl.Int32,
        pl.UInt64,
        pl.Int128,
        pl.Float64,
        pl.Decimal(10, 2),
        pl.Datetime("us", "UTC"),
    ],
)
def test_graph_solver_every_plain_type_works_and_does_not_end_the_process(dtype: Any) -> None:
    rows = pl.DataFrame({"a": [1, 7, 2], "b": [2, 8, 3]}).cast(dtype)
    assert run_node("graph_solver", solve(), rows)["output-0"]["graph_group"].to_list() == [1, 2, 1]


@pytest.mark.parametrize("dtype", [pl.Categorical, pl.Enum(["k", "p", "q", "x", "y", "z"])])
def test_graph_solver_categories_work_as_their_text(dtype: Any) -> None:
    assert run_node("graph_solver", solve(), ROWS.cast(dtype))["output-0"]["graph_group"].to_list() == GROUPS


def test_graph_solver_of_lists_names_the_type() -> None:
    with pytest.raises(SettingsError, match=r"col_from: column 'a' is List\(String\)"):
        run_node("graph_solver", solve(), ROWS.with_columns(a=pl.concat_list("b")))


def test_graph_solver_null_output_name_is_an_error() -> None:
    with pytest.raises(SettingsError, match="output_column_name: is null"):
        run_node("graph_solver", solve(output_column_name=None), ROWS)


def test_graph_solver_missing_column_names_the_field() -> None:
    with pytest.raises(MissingColumnError, match=r"graph_solver_input.col_to: column 'c'"):
        run_node("graph_solver", solve(col_to="c"), ROWS)


def test_graph_solver_without_its_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "polars_grouper", None)
    with pytest.raises(MissingExtraError, match=r"flowfile-dagster\[graph\]"):
        run_node("graph_solver", solve(), ROWS)


def test_graph_solver_lineage_of_the_group_is_both_ends() -> None:
    settings = parse_settings("graph_solver", solve(output_column_name="g"))
    output = pl.Schema({**ROWS.schema, "g": pl.UInt64()})
    lineage = find_node_type("graph_solver").lineage(settings, [ROWS.schema], output)
    both = (ColumnOrigin(0, "a"), ColumnOrigin(0, "b"))
    assert lineage == {"a": both[:1], "b": both[1:], "g": both}
