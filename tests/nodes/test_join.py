import random
from typing import Any, Literal

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from flowfile_dagster.columns.lineage import ColumnOrigin
from flowfile_dagster.contract.node_type import TableFacts
from flowfile_dagster.errors import DataError, DuplicateColumnError, MissingColumnError, SettingsError
from flowfile_dagster.nodes import find_node_type
from tests.nodes.node_case import LiteralContext, NodeCase, assert_node, parse_settings, run_node

LEFT = pl.DataFrame({"id": [1, 2, None, 2], "v": ["a", "b", "c", "d"]})
RIGHT = pl.DataFrame({"id": [2, 3, None, 2], "w": [20, 30, 40, 21]})


def join(how: str | None = "inner", left: Any = (), right: Any = (), **options: Any) -> dict[str, Any]:
    mapping = options.pop("mapping", [{"left_col": "id", "right_col": "id"}])
    columns = {"left_select": {"select": left}, "right_select": {"select": right}}
    return {"join_input": {"join_mapping": mapping, "how": how, **columns}, **options}


CASES = [
    NodeCase(join("left", right=[{"old_name": "w", "new_name": "v"}]), (LEFT, RIGHT)),
    NodeCase(join("right", left=[{"old_name": "v"}, {"old_name": "id", "keep": False}]), (LEFT, RIGHT)),
    NodeCase(join("full", right=[{"old_name": "id", "keep": False}]), (LEFT, RIGHT)),
    NodeCase(join("anti"), (LEFT, RIGHT)),
]


def test_join_inner_puts_the_right_key_last_and_keeps_left_order() -> None:
    expected = pl.DataFrame({"id": [2, 2, 2, 2], "v": ["b", "b", "d", "d"], "w": [20, 21, 20, 21], "id_right": [2] * 4})
    assert_node("join", join(), [LEFT, RIGHT], expected)


def test_join_left_leaves_the_right_key_null_without_a_match() -> None:
    result = run_node("join", join("left"), LEFT, RIGHT)["output-0"]
    assert result.columns == ["id", "v", "w", "id_right"]
    assert result.rows()[0] == (1, "a", None, None)
    assert result["v"].to_list() == ["a", "b", "b", "c", "d", "d"]


def test_join_right_puts_right_columns_first_and_the_left_key_last() -> None:
    expected = pl.DataFrame(
        {
            "id_right": [2, 2, 3, None, 2, 2],
            "w": [20, 20, 30, 40, 21, 21],
            "v": ["b", "d", None, None, "b", "d"],
            "id": [2, 2, None, None, 2, 2],
        }
    )
    assert_node("join", join("right"), [LEFT, RIGHT], expected)


@pytest.mark.parametrize("how", ["full", "outer"])
def test_join_full_keeps_both_keys_in_place(how: str) -> None:
    result = run_node("join", join(how), LEFT, RIGHT)["output-0"]
    assert result.columns == ["id", "v", "id_right", "w"]
    assert result.height == 8


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_join_full_gives_left_rows_and_then_unmatched_right_rows_in_order(
    engine: Literal["in-memory", "streaming"],
) -> None:
    left = pl.DataFrame({"id": [number * 7 % 300 for number in range(900)], "v": range(900)})
    right = pl.DataFrame({"id": [number * 11 % 3000 for number in range(2000)], "w": range(2000)})
    node, settings = find_node_type("join"), parse_settings("join", join("full"))
    frame = node.build(settings, [left.lazy(), right.lazy()], LiteralContext())
    assert isinstance(frame, pl.LazyFrame)
    rows = frame.collect(engine=engine).rows()
    assert rows == sorted(rows, key=lambda row: (row[1] is None, row[1] or 0, row[3] or 0))
    assert {row[1] for row in rows} == {*range(900), None}


def test_join_full_with_dropped_keys_leaves_no_helper_column() -> None:
    drop = [{"old_name": "id", "keep": False}]
    assert run_node("join", join("full", drop, drop), LEFT, RIGHT)["output-0"].columns == ["v", "w"]


def test_join_semi_ignores_the_column_lists() -> None:
    settings = join("semi", left=[{"old_name": "v", "keep": False}, {"old_name": "id", "new_name": "x"}])
    assert_node("join", settings, [LEFT, RIGHT], LEFT[[1, 3]])


def test_join_anti_keeps_null_keys() -> None:
    assert_node("join", join("anti"), [LEFT, RIGHT], LEFT[[0, 2]])


def test_join_unlisted_columns_follow_the_listed_ones() -> None:
    settings = join(left=["v"], right=["w", {"old_name": "gone", "keep": False}])
    assert run_node("join", settings, LEFT, RIGHT)["output-0"].columns == ["v", "id", "w", "id_right"]


def test_join_absent_left_column_still_claims_its_name() -> None:
    result = run_node("join", join(left=[{"old_name": "w"}]), LEFT, RIGHT)["output-0"]
    assert result.columns == ["id", "v", "w_right", "id_right"]


@pytest.mark.parametrize("mapping", ["id", ["id"], [["id", "id"]], [{"left_col": "id"}]])
def test_join_short_mapping_uses_one_name_for_both_sides(mapping: Any) -> None:
    assert run_node("join", join(mapping=mapping), LEFT, RIGHT)["output-0"].height == 4


def test_join_one_left_key_with_two_right_keys_needs_both() -> None:
    mapping = [{"left_col": "id", "right_col": "id"}, {"left_col": "id", "right_col": "w"}]
    right = pl.DataFrame({"id": [1, 2], "w": [1, 5]})
    assert run_node("join", join(mapping=mapping), LEFT, right)["output-0"]["v"].to_list() == ["a"]


def test_join_name_taken_on_the_right_itself_fails() -> None:
    with pytest.raises(DuplicateColumnError, match=r"'id_right' .*from the right columns 'id' and 'id_right'"):
        run_node("join", join(), LEFT, RIGHT.rename({"w": "id_right"}))


def test_join_without_automatic_names_refuses_an_overlap() -> None:
    with pytest.raises(DuplicateColumnError, match=r"'id' .*kept on both sides"):
        run_node("join", join(auto_generate_selection=False), LEFT, RIGHT)


def test_join_missing_key_names_what_exists() -> None:
    with pytest.raises(MissingColumnError, match=r"join_mapping\[0\].right_col: column 'key' .* 'id', 'w'"):
        run_node("join", join(mapping=[{"left_col": "id", "right_col": "key"}]), LEFT, RIGHT)


@pytest.mark.parametrize("dtype", [pl.String, pl.Float64, pl.Boolean, pl.Date])
def test_join_keys_of_other_types_fail(dtype: type[pl.DataType]) -> None:
    right = RIGHT.with_columns(pl.lit(None).cast(dtype).alias("id"))
    with pytest.raises(SettingsError, match=f"'id' is Int64 and 'id' is {dtype}"):
        run_node("join", join(), LEFT, right)


@pytest.mark.parametrize(("mapping", "cause"), [([], "is empty"), (["id", "id"], "is there twice")])
def test_join_unusable_mapping_fails(mapping: list[str], cause: str) -> None:
    with pytest.raises(SettingsError, match=cause):
        run_node("join", join(mapping=mapping), LEFT, RIGHT)


def test_join_column_listed_twice_fails() -> None:
    with pytest.raises(SettingsError, match="left_select: column 'v' is listed twice"):
        run_node("join", join(left=["v", "v"]), LEFT, RIGHT)


@pytest.mark.parametrize("name", ["^x$", "^v.*$"])
def test_join_column_that_becomes_a_pattern_of_names_fails(name: str) -> None:
    with pytest.raises(DataError, match=r"Polars takes \^…\$ for a pattern"):
        run_node("join", join(left=[{"old_name": "v", "new_name": name}]), LEFT, RIGHT)


def test_join_cross_is_no_kind_of_join() -> None:
    with pytest.raises(ValueError, match="how"):
        parse_settings("join", join("cross"))


def test_join_lineage_points_to_the_side_of_each_column() -> None:
    node, settings = find_node_type("join"), parse_settings("join", join("right"))
    output = run_node("join", join("right"), LEFT, RIGHT)["output-0"].schema
    assert node.lineage(settings, [LEFT.schema, RIGHT.schema], output) == {
        "id_right": (ColumnOrigin(1, "id"),),
        "w": (ColumnOrigin(1, "w"),),
        "v": (ColumnOrigin(0, "v"),),
        "id": (ColumnOrigin(0, "id"),),
    }


def random_table(number: int, chance: random.Random) -> pl.DataFrame:
    """Few keys, so that some occur often, in one table only, or not at all."""
    size = chance.choice([0, 3, 9, 12])
    values = [[chance.choice([None, 1, 2, 3, 4]) for _ in range(size)] for _ in "abc"]
    names = ["a", "b", f"c{number}"] if chance.random() < 0.5 else [f"a{number}", f"b{number}", f"c{number}"]
    return pl.DataFrame(dict(zip(names, values, strict=True)), schema=dict.fromkeys(names, pl.Int64))


def random_entries(columns: list[str], chance: random.Random, prefix: str) -> list[dict[str, Any]]:
    listed = chance.sample(columns, chance.randint(0, len(columns)))
    return [{"old_name": name, "new_name": f"{prefix}{name}", "keep": chance.random() < 0.9} for name in listed]


def random_chain(chance: random.Random) -> tuple[list[Any], list[pl.DataFrame], pl.DataFrame]:
    """Settings of joins in a row, their tables, and what they give one after the other."""
    tables = [random_table(number, chance) for number in range(chance.randint(3, 5))]
    chain: list[Any] = []
    result, *others = tables
    for number, table in enumerate(others):
        keys = chance.sample(result.columns, min(result.width, chance.choice([1, 1, 1, 2])))
        mapping = [{"left_col": key, "right_col": chance.choice(table.columns)} for key in keys]
        lists = (
            random_entries(result.columns, chance, f"l{number} "),
            random_entries(table.columns, chance, f"r{number} "),
        )
        settings = join(chance.choice(["inner", "left"]), *lists, mapping=mapping)
        chain.append(parse_settings("join", settings))
        result = run_node("join", settings, result, table)["output-0"]
    return chain, tables, result


def test_joins_in_a_row_have_the_same_rows_in_one_plan() -> None:
    node, compared = find_node_type("join"), 0
    for seed in range(600):
        chain, tables, expected = random_chain(random.Random(seed))
        facts = TableFacts(lambda table: 4**-table * 1000, frozenset(range(len(tables))), frozenset())
        found = node.build_chain(chain, [table.lazy() for table in tables], LiteralContext(), facts)
        if found is not None:
            assert_frame_equal(found.collect(), expected, check_row_order=False)
            compared += expected.height > 0
    assert compared > 80


def test_joins_in_a_row_stay_so_where_rows_of_the_first_table_are_dropped_afterwards() -> None:
    lines = pl.DataFrame({"order": [1, 1, 2], "size": [5, 6, 7]}).lazy()
    orders, customers = (
        pl.DataFrame({"order": [1], "who": [8]}).lazy(),
        pl.DataFrame({"who": [8], "name": ["x"]}).lazy(),
    )
    chain = [parse_settings("join", join(mapping=[{"left_col": key, "right_col": key}])) for key in ("order", "who")]
    for deciding, is_one_plan in (((), True), (("name", "who"), True), (("size",), False), (("made later",), False)):
        facts = TableFacts([100, 10, 10].__getitem__, frozenset({0, 1, 2}), frozenset(deciding))
        found = find_node_type("join").build_chain(chain, [lines, orders, customers], LiteralContext(), facts)
        assert (found is not None) == is_one_plan
