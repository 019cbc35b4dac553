from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.errors import SettingsError
from flowfile_dagster.nodes import find_node_type
from tests.nodes.node_case import NodeCase, assert_node, parse_settings, run_node

ROWS = pl.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "x"]})
OTHER = pl.DataFrame({"b": ["x"], "c": [9.5]})
A, C = (0, "a"), (1, "c")


def sql(query: str) -> dict[str, Any]:
    return {"sql_query_input": {"sql_code": query}}


CASES = [
    NodeCase(sql("SELECT b, SUM(a) AS s FROM input_1 GROUP BY b ORDER BY b"), (ROWS,)),
    NodeCase(sql("SELECT x.a, y.c FROM input_1 x JOIN input_2 y ON x.b = y.b"), (ROWS, OTHER)),
    NodeCase(sql("SELECT a + a AS c, b AS b2, 'a, b FROM' AS t FROM input_1"), (ROWS,)),
    NodeCase(sql("SELECT * FROM input_1 ORDER BY 1"), (ROWS,)),
    NodeCase(sql("SELECT 1 AS x")),
]


def test_sql_query_joins_its_inputs_by_number() -> None:
    query = "SELECT x.a, y.c FROM input_1 x LEFT JOIN input_2 y ON x.b = y.b ORDER BY x.a"
    assert_node("sql_query", sql(query), [ROWS, OTHER], pl.DataFrame({"a": [1, 2, 3], "c": [9.5, None, 9.5]}))


@pytest.mark.parametrize(
    "query",
    [
        "-- first\n/* two\nlines */ SELECT a FROM input_1;",
        "  with t AS (SELECT a FROM input_1) SELECT a FROM t",
        "(SELECT a FROM input_1)",
    ],
)
def test_sql_query_comments_semicolon_and_with_are_fine(query: str) -> None:
    assert_node("sql_query", sql(query), [ROWS], ROWS.select("a"))


def test_sql_query_forbidden_words_in_texts_and_names_are_harmless() -> None:
    query = "SELECT 'DROP TABLE x; COPY' AS \"create it\", a AS pragma FROM input_1 WHERE b = 'y'"
    assert_node("sql_query", sql(query), [ROWS], pl.DataFrame({"create it": ["DROP TABLE x; COPY"], "pragma": [2]}))


@pytest.mark.parametrize(
    "query",
    [
        *(
            "",
            "  -- nothing",
            "DROP TABLE input_1",
            "TRUNCATE TABLE input_1",
            "CREATE TABLE t AS SELECT 1",
            "VALUES (1)",
        ),
        *("DELETE FROM input_1", "/* SELECT */ SHOW TABLES", "EXPLAIN SELECT 1", "FROM input_1"),
    ],
)
def test_sql_query_anything_but_a_query_is_refused(query: str) -> None:
    with pytest.raises(SettingsError, match="only queries that begin with SELECT or WITH"):
        run_node("sql_query", sql(query), ROWS)


@pytest.mark.parametrize(
    "source",
    [
        "read_csv('{path}')",
        "READ_CSV ('{path}')",
        "\"read_csv\"('{path}')",
        "`read_csv`('{path}')",
        "read_csv/* x */\n-- y\n('{path}')",
        "read_csv/* /* */ */('{path}')",
        "read_csv.x('{path}')",
        "\"read_csv\" . x('{path}')",
        "((read_csv('{path}')))",
        "(SELECT * FROM read_csv('{path}')) t",
        "input_1, read_csv('{path}') t",
        "input_1 WHERE b = 'it''s' OR a IN (SELECT a FROM read_csv('{path}'))",
        "input_1 WHERE b = E'\\'' OR a IN (SELECT a FROM read_csv('{path}')) -- '",
        "input_1 AS x$t$ CROSS JOIN read_csv('{path}') AS y$t$",
        "scan_parquet('{path}')",
        "read_ndjson('{path}')",
    ],
)
def test_sql_query_file_readers_are_refused(source: str, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a\n1\n")
    with pytest.raises(SettingsError, match="reads files"):
        run_node("sql_query", sql(f"SELECT * FROM {source.format(path=path)}"), ROWS)


@pytest.mark.parametrize("quote", ["'", '"', "`"])
def test_sql_query_file_named_as_a_table_is_not_read(quote: str, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a\n1\n")
    with pytest.raises(SettingsError, match="was not found"):
        run_node("sql_query", sql(f"SELECT * FROM {quote}{path}{quote}"), ROWS)


def test_sql_query_names_like_readers_are_columns() -> None:
    rows = pl.DataFrame({"read_csv": [1]})
    assert_node("sql_query", sql("SELECT read_csv FROM input_1 WHERE read_csv > 0"), [rows], rows)


@pytest.mark.parametrize("table", ["ROWS", "rows", "frames", "input_df", "input_2"])
def test_sql_query_other_tables_name_what_exists(table: str) -> None:
    with pytest.raises(SettingsError, match=r"sql_code: .*\(tables: input_1\)"):
        run_node("sql_query", sql(f"SELECT * FROM {table}"), ROWS)


@pytest.mark.parametrize("query", ["SELECT z FROM input_1", "SELECT FROM WHERE", "SELECT 1 AS a; SELECT 2 AS b"])
def test_sql_query_wrong_query_tells_the_setting(query: str) -> None:
    with pytest.raises(SettingsError, match=r"sql_query_input.sql_code: "):
        run_node("sql_query", sql(query), ROWS)


def test_sql_query_with_a_clock_is_volatile() -> None:
    node = find_node_type("sql_query")
    assert Trait.VOLATILE in node.traits_of(parse_settings("sql_query", sql("SELECT CURRENT_DATE AS d")))
    assert Trait.VOLATILE not in node.traits_of(parse_settings("sql_query", sql("SELECT a AS randomly FROM input_1")))


def test_sql_query_quotient_of_decimals_is_predicted_with_the_precision_it_gets() -> None:
    rows = pl.DataFrame({"d": ["3.00"]}).cast(pl.Decimal(12, 2))
    expected = pl.DataFrame({"h": ["1.50"]}).cast(pl.Decimal(38, 2))
    assert_node("sql_query", sql("SELECT d / 2 AS h FROM input_1"), [rows], expected)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT a AS x, a * 2 AS y FROM input_1 WHERE b = 'x'", {"x": [(0, "a")], "y": [(0, "a")]}),
        ("SELECT * FROM input_1", {"a": [(0, "a")], "b": [(0, "b")]}),
        ("SELECT b, COUNT(*) AS n FROM input_1 GROUP BY b", {"b": [(0, "b")], "n": []}),
        ("SELECT x.a, y.c FROM input_1 AS x LEFT JOIN input_2 y ON x.b = y.b", {"a": [(0, "a")], "c": [(1, "c")]}),
        ("SELECT a, c, a + c AS s FROM input_1 CROSS JOIN input_2", {"a": [A], "c": [C], "s": [A, C]}),
        ('SELECT "a" AS "x y", \'FROM b, c\' AS t /* , b */ FROM input_1 -- FROM', {"x y": [(0, "a")], "t": []}),
        ("SELECT EXTRACT(YEAR FROM DATE '2020-01-01') AS y, a FROM input_1", {"y": [], "a": [(0, "a")]}),
    ],
)
def test_sql_query_lineage_of_a_plain_query_is_known(query: str, expected: dict[str, list[Any]]) -> None:
    assert lineage(query) == {name: tuple(origins) for name, origins in expected.items()}


@pytest.mark.parametrize(
    "query",
    [
        "WITH t AS (SELECT a FROM input_1) SELECT a FROM t",
        "SELECT a FROM (SELECT a FROM input_1) AS t",
        "SELECT b FROM input_1 UNION ALL SELECT b FROM input_2",
        "SELECT x.a, y.b FROM input_1 x RIGHT JOIN input_2 y ON x.b = y.b",
        "SELECT x.* FROM input_1 x JOIN input_2 y ON x.b = y.b",
    ],
)
def test_sql_query_lineage_of_any_other_query_is_opaque(query: str) -> None:
    assert lineage(query) is None


def lineage(query: str) -> Any:
    node, settings = find_node_type("sql_query"), parse_settings("sql_query", sql(query))
    output = run_node("sql_query", sql(query), ROWS, OTHER)["output-0"].schema
    return node.lineage(settings, [ROWS.schema, OTHER.schema], output)
