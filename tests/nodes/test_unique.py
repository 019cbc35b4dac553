import polars as pl
import pytest

from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.errors import MissingColumnError
from flowfile_dagster.nodes import find_node_type
from tests.nodes.node_case import NodeCase, assert_node, parse_settings, run_node

ROWS = pl.DataFrame({"key": ["b", None, "a", "b", None], "value": [1, 2, 3, 4, 2]})
CASES = [
    NodeCase({"unique_input": {"columns": ["key"], "strategy": "last"}}, (ROWS,)),
    NodeCase({"unique_input": {"columns": None}}, (ROWS,)),
]


@pytest.mark.parametrize(
    ("strategy", "kept"),
    [("first", [1, 2, 3]), ("any", [1, 2, 3]), ("last", [3, 4, 2]), ("none", [3])],
)
def test_unique_by_key_keeps_the_chosen_rows_in_input_order(strategy: str, kept: list[int]) -> None:
    settings = {"unique_input": {"columns": ["key"], "strategy": strategy}}
    assert run_node("unique", settings, ROWS)["output-0"]["value"].to_list() == kept


def test_unique_any_row_is_the_first_in_the_code_that_is_shown_too() -> None:
    settings = parse_settings("unique", {"unique_input": {"columns": ["key"], "strategy": "any"}})
    code = find_node_type("unique").snippet(settings, [ROWS.schema], ["rows"])
    assert code == 'rows.unique(["key"], keep="first", maintain_order=True)'


@pytest.mark.parametrize("columns", [None, []])
def test_unique_without_columns_compares_whole_rows(columns: list[str] | None) -> None:
    expected = pl.DataFrame({"key": ["b", None, "a", "b"], "value": [1, 2, 3, 4]})
    assert_node("unique", {"unique_input": {"columns": columns}}, [ROWS], expected)


def test_unique_column_named_twice_counts_once() -> None:
    settings = {"unique_input": {"columns": ["key", "key"], "strategy": "first"}}
    assert run_node("unique", settings, ROWS)["output-0"]["value"].to_list() == [1, 2, 3]


def test_unique_missing_column_names_what_exists() -> None:
    with pytest.raises(MissingColumnError, match=r"unique_input.columns: column 'kee' .*Did you mean 'key'"):
        run_node("unique", {"unique_input": {"columns": ["kee"]}}, ROWS)


@pytest.mark.parametrize(
    ("settings", "is_sensitive"),
    [
        ({"columns": ["key"], "strategy": "first"}, True),
        ({"columns": ["key"], "strategy": "none"}, False),
        ({"columns": [], "strategy": "first"}, False),
    ],
)
def test_unique_is_order_sensitive_only_where_the_order_chooses_a_row(
    settings: dict[str, object], is_sensitive: bool
) -> None:
    traits = find_node_type("unique").traits_of(parse_settings("unique", {"unique_input": settings}))
    assert (Trait.ORDER_SENSITIVE in traits) is is_sensitive
