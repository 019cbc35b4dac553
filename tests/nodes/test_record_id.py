from typing import Any

import polars as pl
import pytest

from flowfile_dagster.columns.lineage import ColumnOrigin
from flowfile_dagster.errors import DuplicateColumnError, MissingColumnError, SettingsError
from flowfile_dagster.nodes import find_node_type
from tests.nodes.node_case import NodeCase, assert_node, parse_settings, run_node

ROWS = pl.DataFrame({"g": ["x", None, "x", None, "y"], "v": [5, 4, 3, 2, 1]})


def numbering(**settings: Any) -> dict[str, Any]:
    return {"record_id_input": settings}


def numbered(values: list[int], dtype: type[pl.DataType] = pl.UInt32) -> pl.DataFrame:
    return ROWS.select(pl.Series("record_id", values, dtype=dtype), "g", "v")


BY_GROUP = {"group_by": True, "group_by_columns": ["g"]}
CASES = [
    NodeCase(numbering(), (ROWS,)),
    NodeCase(numbering(output_column_name="nr", offset=0, **BY_GROUP), (ROWS,)),
    NodeCase(numbering(offset=-4, **BY_GROUP), (ROWS,)),
]


@pytest.mark.parametrize(("offset", "values"), [(1, [1, 2, 3, 4, 5]), (0, [0, 1, 2, 3, 4])])
def test_number_is_the_first_column(offset: int, values: list[int]) -> None:
    assert_node("record_id", numbering(offset=offset), [ROWS], numbered(values))


def test_number_begins_anew_in_each_group_and_rows_stay_in_order() -> None:
    assert_node("record_id", numbering(**BY_GROUP), [ROWS], numbered([1, 1, 2, 2, 1]))


def test_groups_with_negative_start_are_signed() -> None:
    assert_node("record_id", numbering(offset=-1, **BY_GROUP), [ROWS], numbered([-1, -1, 0, 0, -1], pl.Int64))


@pytest.mark.parametrize(
    "groups", [{"group_by": None, "group_by_columns": ["g"]}, {"group_by": True, "group_by_columns": None}]
)
def test_groups_need_the_flag_and_columns(groups: dict[str, Any]) -> None:
    assert_node("record_id", numbering(**groups), [ROWS], numbered([1, 2, 3, 4, 5]))


def test_lineage_of_the_number_is_empty() -> None:
    settings = parse_settings("record_id", numbering(output_column_name="nr", **BY_GROUP))
    lineage = find_node_type("record_id").lineage(settings, [ROWS.schema], ROWS.schema)
    assert lineage == {"nr": (), "g": (ColumnOrigin(0, "g"),), "v": (ColumnOrigin(0, "v"),)}


@pytest.mark.parametrize("offset", [-1, 2**32])
def test_start_outside_the_type_is_an_error_without_groups(offset: int) -> None:
    with pytest.raises(SettingsError, match=r"record_id_input.offset: must be between 0 and 4294967295"):
        run_node("record_id", numbering(offset=offset), ROWS)


@pytest.mark.parametrize("groups", [{}, BY_GROUP])
def test_name_that_exists_is_an_error(groups: dict[str, Any]) -> None:
    with pytest.raises(DuplicateColumnError, match=r"'v' \(the input has it already"):
        run_node("record_id", numbering(output_column_name="v", **groups), ROWS)


def test_missing_group_column_names_what_exists() -> None:
    with pytest.raises(MissingColumnError, match="group_by_columns: column 'k' is not in the input"):
        run_node("record_id", numbering(group_by=True, group_by_columns=["k"]), ROWS)
