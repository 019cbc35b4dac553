from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flowfile_dagster import load_flow
from flowfile_dagster.columns.lineage import ColumnOrigin
from flowfile_dagster.errors import DuplicateColumnError, SettingsError
from flowfile_dagster.nodes import find_node_type
from tests.factories import manual, node, write_flow
from tests.nodes.node_case import NodeCase, assert_node, parse_settings, run_node

ROWS = pl.DataFrame({"a": [1, 2], "b": ["x", "7"], "c": [True, None]})


def select(*entries: dict[str, Any], keep_missing: bool = True) -> dict[str, Any]:
    return {"select_input": list(entries), "keep_missing": keep_missing}


def column(old_name: str, **settings: Any) -> dict[str, Any]:
    return {"old_name": old_name, **settings}


CASES = [
    NodeCase(select(column("b", new_name="z"), column("a", keep=False)), (ROWS,)),
    NodeCase(select(column("b", data_type="Int64"), column("a", data_type="Datetime"), keep_missing=False), (ROWS,)),
    NodeCase(select(column("a", keep=False), column("b", keep=False), column("c", keep=False)), (ROWS,)),
]


def test_listed_columns_come_first_and_unlisted_ones_are_kept() -> None:
    expected = ROWS.select("c", pl.col("a").alias("n"), "b")
    assert_node("select", select(column("c"), column("a", new_name="n")), [ROWS], expected)


def test_unlisted_columns_are_dropped_when_asked() -> None:
    assert_node("select", select(column("c"), column("a"), keep_missing=False), [ROWS], ROWS.select("c", "a"))


def test_position_orders_and_its_absence_counts_as_zero() -> None:
    settings = select(column("a", position=2), column("b"), column("c", position=-1))
    assert_node("select", settings, [ROWS], ROWS.select("c", "b", "a"))


def test_entries_for_missing_columns_are_ignored() -> None:
    settings = select(column("gone", new_name="a"), column("gone"), column("lost", keep=False), column("b"))
    assert_node("select", settings, [ROWS], ROWS.select("b", "a", "c"))


def test_names_can_be_swapped_and_taken_from_dropped_columns() -> None:
    settings = select(column("a", new_name="b"), column("b", new_name="a"))
    assert run_node("select", settings, ROWS)["output-0"].columns == ["b", "a", "c"]
    settings = select(column("a", keep=False), column("b", new_name="a"))
    assert run_node("select", settings, ROWS)["output-0"].columns == ["a", "c"]


def test_column_that_takes_the_name_of_a_dropped_one_takes_its_place() -> None:
    rows = ROWS.with_columns(b2=pl.lit("y"))
    expected = rows.select("a", pl.col("b2").alias("b"), "c")
    settings = select(column("a"), column("b", keep=False), column("c"), column("b2", new_name="b"))
    assert_node("select", settings, [rows], expected)


def test_blank_new_name_keeps_the_old_one() -> None:
    assert_node("select", select(column("a", new_name=" ")), [ROWS], ROWS)


@pytest.mark.parametrize("text", ["", "  "])
def test_new_name_that_a_parameter_leaves_blank_keeps_the_old_one(tmp_path: Path, text: str) -> None:
    nodes = [manual(1, {"a": [1], "b": [2]}), node(2, "select", select(column("b", new_name="${p}")), 1)]
    flow = load_flow(write_flow(tmp_path / "f.json", nodes, parameters=[{"name": "p", "default_value": text}]))
    assert flow.schemas()[2, "output-0"].names() == flow.run().frame(2).columns == ["b", "a"]


def test_type_casts_without_strictness_even_if_marked_unchanged() -> None:
    settings = select(column("b", data_type="Int64"), column("a", data_type="String", data_type_change=False))
    expected = pl.DataFrame({"b": [None, 7], "a": ["1", "2"], "c": [True, None]})
    assert_node("select", settings, [ROWS], expected)


def test_column_without_type_is_never_cast() -> None:
    rows = run_node("record_id", {"record_id_input": {}}, ROWS)["output-0"]
    assert run_node("select", select(column("record_id")), rows)["output-0"]["record_id"].dtype == pl.UInt32


def test_sorted_by_sorts_nothing() -> None:
    assert_node("select", {**select(column("b")), "sorted_by": "desc"}, [ROWS], ROWS.select("b", "a", "c"))


def test_dropping_every_column_leaves_nothing() -> None:
    settings = select(*(column(name, keep=False) for name in ROWS.columns))
    assert run_node("select", settings, ROWS)["output-0"].shape == (0, 0)


@pytest.mark.parametrize("settings", [{}, select()])
def test_empty_list_passes_the_input_through(settings: dict[str, Any]) -> None:
    assert_node("select", settings, [ROWS], ROWS)


def test_lineage_leads_to_the_old_names() -> None:
    settings = parse_settings("select", select(column("b", new_name="a", data_type="Date"), column("a", keep=False)))
    lineage = find_node_type("select").lineage(settings, [ROWS.schema], pl.Schema({"a": pl.Date, "c": pl.Boolean}))
    assert lineage == {"a": (ColumnOrigin(0, "b"),), "c": (ColumnOrigin(0, "c"),)}


@pytest.mark.parametrize(
    "settings", [select(column("a", new_name="b")), select(column("a", new_name="z"), column("b", new_name="z"))]
)
def test_two_columns_of_one_name_are_an_error(settings: dict[str, Any]) -> None:
    with pytest.raises(DuplicateColumnError, match="from columns 'a' and 'b'"):
        run_node("select", settings, ROWS)


def test_column_kept_twice_is_an_error() -> None:
    with pytest.raises(SettingsError, match="select_input: column 'a' is listed twice"):
        run_node("select", select(column("a"), column("a", new_name="z")), ROWS)


def test_column_kept_and_dropped_is_kept() -> None:
    assert_node("select", select(column("b"), column("b", keep=False), keep_missing=False), [ROWS], ROWS.select("b"))


def test_type_without_its_parameters_is_an_error() -> None:
    with pytest.raises(SettingsError, match="column 'a': Decimal needs its precision"):
        run_node("select", select(column("a", data_type="Decimal")), ROWS)
