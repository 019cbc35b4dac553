from typing import Any

import polars as pl
import pytest

from flowfile_dagster.columns.lineage import ColumnOrigin
from flowfile_dagster.errors import MissingColumnError, SettingsError
from flowfile_dagster.nodes import find_node_type
from tests.nodes.node_case import NodeCase, assert_node, parse_settings, run_node

ROWS = pl.DataFrame({"id": [1, 2, 3], "tags": ["a, b", None, ""], "sep": [",", ",", None]})


def split(**settings: Any) -> dict[str, Any]:
    return {"text_to_rows_input": {"column_to_split": "tags", **settings}}


CASES = [
    NodeCase(split(), (ROWS,)),
    NodeCase(split(output_column_name="tag"), (ROWS,)),
    NodeCase(split(split_by_fixed_value=False, split_by_column="sep"), (ROWS,)),
]


@pytest.mark.parametrize("name", [None, "", "tags"])
def test_text_to_rows_same_name_replaces_the_column_without_trimming(name: str | None) -> None:
    expected = pl.DataFrame({"id": [1, 1, 2, 3], "tags": ["a", " b", None, ""], "sep": [",", ",", ",", None]})
    assert_node("text_to_rows", split(output_column_name=name), [ROWS], expected)


def test_text_to_rows_new_name_is_appended_and_the_original_stays() -> None:
    expected = pl.DataFrame({"id": [1, 1], "tags": ["a, b", "a, b"], "tag": ["a", " b"]})
    assert_node("text_to_rows", split(output_column_name="tag"), [ROWS.select("id", "tags").head(1)], expected)


def test_text_to_rows_name_of_another_column_replaces_that_in_place() -> None:
    expected = pl.DataFrame({"id": ["a", " b"], "tags": ["a, b", "a, b"]})
    assert_node("text_to_rows", split(output_column_name="id"), [ROWS.select("id", "tags").head(1)], expected)


def test_text_to_rows_delimiter_is_no_pattern() -> None:
    rows = pl.DataFrame({"tags": ["a.b"]})
    assert_node("text_to_rows", split(split_fixed_value="."), [rows], pl.DataFrame({"tags": ["a", "b"]}))


def test_text_to_rows_empty_delimiter_splits_into_characters() -> None:
    rows = pl.DataFrame({"tags": ["ab", ""]})
    assert_node("text_to_rows", split(split_fixed_value=""), [rows], pl.DataFrame({"tags": ["a", "b", None]}))


def test_text_to_rows_by_column_takes_the_delimiter_of_each_row() -> None:
    rows = pl.DataFrame({"tags": ["a|b,c", "a|b,c", "x"], "sep": ["|", ",", None]})
    expected = pl.DataFrame({"tags": ["a", "b,c", "a|b", "c", None], "sep": ["|", "|", ",", ",", None]})
    assert_node("text_to_rows", split(split_by_fixed_value=False, split_by_column="sep"), [rows], expected)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (split(split_fixed_value=None), "split_fixed_value: is null"),
        (split(split_by_fixed_value=False), "split_by_column: is empty"),
        (split(split_by_fixed_value=None), "split_by_column: is empty"),
        ({"text_to_rows_input": {"column_to_split": "id"}}, "column 'id' is Int64; only String"),
        (split(split_by_fixed_value=False, split_by_column="id"), "column 'id' is Int64; only String"),
    ],
)
def test_text_to_rows_impossible_settings_are_an_error(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        run_node("text_to_rows", settings, ROWS)


def test_text_to_rows_missing_column_names_what_exists() -> None:
    with pytest.raises(MissingColumnError, match=r"column 'tag' .*Did you mean 'tags'"):
        run_node("text_to_rows", {"text_to_rows_input": {"column_to_split": "tag"}}, ROWS)


def test_text_to_rows_lineage_by_column_has_text_and_delimiter() -> None:
    settings = parse_settings("text_to_rows", split(split_by_fixed_value=False, split_by_column="sep"))
    lineage = find_node_type("text_to_rows").lineage(settings, [ROWS.schema], ROWS.schema)
    assert lineage is not None
    assert lineage["tags"] == (ColumnOrigin(0, "tags"), ColumnOrigin(0, "sep"))
    assert lineage["id"] == (ColumnOrigin(0, "id"),)
