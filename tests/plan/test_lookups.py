"""Which joins in a row may be built as one plan, and what is known of their tables."""

from collections.abc import Collection
from pathlib import Path

import pytest

from flowfile_dagster.flow.resolve import read_graph
from flowfile_dagster.plan.lookups import LookupChain, lookup_chains
from tests.factories import JsonObject, advanced_filter, formula, join, manual, node, write_flow

GROUPS = {"groupby_input": {"agg_cols": [{"old_name": "a", "agg": "groupby"}]}}


def read(node_id: int, name: str = "table.parquet") -> JsonObject:
    return node(node_id, "read", {"received_file": {"path": name, "file_type": name.rpartition(".")[2]}})


LINES, ORDERS, CUSTOMERS = read(1), read(2), read(3)
TWO_JOINS = [join(10, 1, 2, "a"), join(11, 10, 3, "b")]


def chains(folder: Path, *nodes: JsonObject, keepers: Collection[int] = ()) -> dict[int, LookupChain]:
    graph = read_graph(write_flow(folder / "flow.json", nodes))
    return lookup_chains(graph, {item.node_id: item.inputs for item in graph.nodes.values()}, keepers)


def test_joins_in_a_row_are_a_chain(tmp_path: Path) -> None:
    (chain,) = chains(tmp_path, LINES, ORDERS, CUSTOMERS, read(4), *TWO_JOINS, join(12, 11, 4, "c", "left")).values()
    assert chain.nodes == (10, 11, 12)
    assert [table.node_id for table in chain.tables] == [1, 2, 3, 4]
    assert chain.sources == chain.tables
    assert chain.whole == {0, 1, 2, 3}
    assert chain.deciding == frozenset()


@pytest.mark.parametrize(
    "nodes",
    [
        [join(10, 1, 2, "a"), join(11, 3, 10, "a")],
        [join(10, 1, 2, "a"), formula(12, 10, "c", "1"), join(11, 12, 3, "a")],
        [join(10, 1, 2, "a", "semi"), join(11, 10, 3, "a")],
        [join(10, 1, 2, "a"), join(11, 10, 3, "a", "full")],
        [*TWO_JOINS, formula(12, 10, "c", "1")],
        [join(10, 1, 2, "a"), join(11, 10, 10, "a")],
    ],
    ids=["as lookup", "with work between", "semi", "full", "read by two", "with itself"],
)
def test_other_joins_are_no_chain(nodes: list[JsonObject], tmp_path: Path) -> None:
    assert chains(tmp_path, LINES, ORDERS, CUSTOMERS, *nodes) == {}


@pytest.mark.parametrize("keepers", [{10, 11}, {11}])
def test_join_that_keeps_the_order_of_its_rows_is_in_no_chain(keepers: set[int], tmp_path: Path) -> None:
    assert chains(tmp_path, LINES, ORDERS, CUSTOMERS, *TWO_JOINS, keepers=keepers) == {}


@pytest.mark.parametrize(
    "lines",
    [
        [manual(1, {"a": [1], "b": [2]})],
        [read(1, "table.csv")],
        [read(5), advanced_filter(1, 5, "[a] > 1")],
        [read(5), node(1, "group_by", GROUPS, 5)],
        [read(5), read(6), node(1, "union", {"union_input": {"mode": "relaxed"}}, 5, 6)],
    ],
    ids=["entered by hand", "from text", "filtered", "grouped", "from two files"],
)
def test_table_that_may_have_few_rows_begins_no_chain(lines: list[JsonObject], tmp_path: Path) -> None:
    assert chains(tmp_path, *lines, ORDERS, CUSTOMERS, *TWO_JOINS) == {}


def test_table_without_one_value_begins_a_chain(tmp_path: Path) -> None:
    lines = [read(5), formula(6, 5, "c", "[a] * 2"), advanced_filter(1, 6, '[a] != "x"')]
    chain = chains(tmp_path, *lines, ORDERS, CUSTOMERS, *TWO_JOINS)[11]
    assert [source and source.node_id for source in chain.sources] == [5, 2, 3]
    assert chain.whole == {0, 1, 2}


def test_lookup_may_be_filtered_or_of_unknown_size(tmp_path: Path) -> None:
    lookups = [read(5), advanced_filter(2, 5, "[a] > 1"), manual(3, {"a": [1], "b": [2]})]
    chain = chains(tmp_path, LINES, *lookups, *TWO_JOINS)[11]
    assert [source and source.node_id for source in chain.sources] == [1, 5, None]
    assert chain.whole == {0}


def test_conditions_decide_up_to_the_next_operation_on_many_rows(tmp_path: Path) -> None:
    after = [
        formula(12, 11, "c", "[a]"),
        advanced_filter(13, 12, "[a] > 1 and [b] != 2"),
        advanced_filter(14, 13, "[c] < 5"),
        node(15, "group_by", GROUPS, 14),
        advanced_filter(16, 15, "[a] > 9"),
    ]
    assert chains(tmp_path, LINES, ORDERS, CUSTOMERS, *TWO_JOINS, *after)[11].deciding == {"a", "c"}


def test_conditions_of_one_of_several_readers_decide_nothing(tmp_path: Path) -> None:
    readers = [advanced_filter(12, 11, "[a] > 1"), node(13, "record_count", {}, 11)]
    assert chains(tmp_path, LINES, ORDERS, CUSTOMERS, *TWO_JOINS, *readers)[11].deciding == frozenset()
