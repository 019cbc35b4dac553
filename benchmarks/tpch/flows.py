"""The flows that are measured, as an analyst would draw them. Those of TPC-H have its values for validation."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tpch.canvas import Canvas

CHAIN_LENGTH = 20
DASHBOARD_YEARS = range(1993, 1999)
#: 10 nodes, then branches of 98 nodes and an output each: 1,000. With a union at the end Flowfile cannot load them.
WIDE_TRUNK = 10
WIDE_BRANCHES = 10
WIDE_BRANCH_LENGTH = 98
#: The columns that the branches keep.
ORDERS_KEPT = ("o_custkey", "o_orderpriority")
NATION_KEPT = ("n_nationkey", "n_name")


def chain(flow: Canvas) -> None:
    """20 nodes in a row, each working row by row."""
    node = flow.read("lineitem")
    node = flow.drop(node, "l_comment", "l_shipinstruct", "l_partkey", "l_linenumber")
    node = flow.filter(node, '[l_shipdate] >= to_date("1993-01-01")')
    node = flow.formula(node, "discounted", "[l_extendedprice] * (1 - [l_discount])")
    node = flow.formula(node, "charge", "[discounted] * (1 + [l_tax])")
    node = flow.filter(node, "[l_quantity] > 5")
    node = flow.formula(node, "year", "year([l_shipdate])")
    node = flow.formula(node, "month", "month([l_shipdate])")
    node = flow.formula(node, "late_days", "date_diff_days([l_receiptdate], [l_commitdate])")
    node = flow.formula(node, "arrival", 'if [late_days] > 0 then "late" else "on time" endif')
    node = flow.filter_basic(node, "l_returnflag", "not_equals", "R")
    node = flow.formula(node, "unit_price", "[l_extendedprice] / [l_quantity]")
    node = flow.formula(node, "tax_amount", "[charge] - [discounted]")
    node = flow.filter_basic(node, "l_shipmode", "in", "AIR, MAIL, SHIP, TRUCK")
    node = flow.formula(node, "label", 'concat([l_shipmode], "-", [arrival])')
    node = flow.formula(node, "size", 'if [l_quantity] > 25 then "large" else "small" endif')
    node = flow.formula(node, "tax_share", "round([tax_amount] / [charge], 4)")
    node = flow.filter(node, "[unit_price] < 2000 and [late_days] > -60")
    node = flow.keep(
        node, "year", "month", "label", "size", "charge", "unit_price", "tax_share", "late_days", order="l_orderkey"
    )
    flow.write(node, "chain")


def q1(flow: Canvas) -> None:
    node = flow.filter(flow.read("lineitem"), '[l_shipdate] <= to_date("1998-09-02")')
    node = flow.formula(node, "disc_price", "[l_extendedprice] * (1 - [l_discount])")
    node = flow.formula(node, "charge", "[disc_price] * (1 + [l_tax])")
    node = flow.group_by(
        node,
        ["l_returnflag", "l_linestatus"],
        sum_qty=("l_quantity", "sum"),
        sum_base_price=("l_extendedprice", "sum"),
        sum_disc_price=("disc_price", "sum"),
        sum_charge=("charge", "sum"),
        avg_qty=("l_quantity", "mean"),
        avg_price=("l_extendedprice", "mean"),
        avg_disc=("l_discount", "mean"),
        count_order=("l_quantity", "count"),
    )
    flow.write(flow.sort(node, "l_returnflag", "l_linestatus"), "q1")


def q3(flow: Canvas) -> None:
    customers = flow.filter_basic(flow.read("customer"), "c_mktsegment", "equals", "BUILDING")
    orders = flow.filter_basic(flow.read("orders"), "o_orderdate", "less_than", "1995-03-15")
    lines = flow.filter_basic(flow.read("lineitem"), "l_shipdate", "greater_than", "1995-03-15")
    node = flow.join(customers, orders, {"c_custkey": "o_custkey"})
    node = flow.join(node, lines, {"o_orderkey": "l_orderkey"})
    node = flow.formula(node, "revenue", "[l_extendedprice] * (1 - [l_discount])")
    node = flow.group_by(node, ["o_orderkey", "o_orderdate", "o_shippriority"], revenue=("revenue", "sum"))
    node = flow.head(flow.sort(node, "-revenue", "o_orderdate"), 10)
    node = flow.formula(node, "l_orderkey", "[o_orderkey]")
    flow.write(flow.keep(node, "l_orderkey", "revenue", "o_orderdate", "o_shippriority"), "q3")


def q5(flow: Canvas) -> None:
    regions = flow.filter_basic(flow.read("region"), "r_name", "equals", "ASIA")
    nations = flow.join(regions, flow.read("nation"), {"r_regionkey": "n_regionkey"})
    customers = flow.join(nations, flow.read("customer"), {"n_nationkey": "c_nationkey"})
    orders = flow.read("orders")
    orders = flow.filter(orders, '[o_orderdate] >= to_date("1994-01-01") and [o_orderdate] < to_date("1995-01-01")')
    node = flow.join(customers, orders, {"c_custkey": "o_custkey"})
    lines = flow.keep(flow.read("lineitem"), "l_orderkey", "l_suppkey", "l_extendedprice", "l_discount")
    node = flow.join(node, lines, {"o_orderkey": "l_orderkey"})
    node = flow.join(node, flow.read("supplier"), {"l_suppkey": "s_suppkey", "n_nationkey": "s_nationkey"})
    node = flow.formula(node, "revenue", "[l_extendedprice] * (1 - [l_discount])")
    node = flow.sort(flow.group_by(node, ["n_name"], revenue=("revenue", "sum")), "-revenue")
    flow.explore(node)
    flow.write(node, "q5")


def q6(flow: Canvas) -> None:
    node = flow.read("lineitem")
    node = flow.filter(node, '[l_shipdate] >= to_date("1994-01-01") and [l_shipdate] < to_date("1995-01-01")')
    node = flow.filter(node, "[l_discount] >= 0.05 and [l_discount] <= 0.07 and [l_quantity] < 24")
    node = flow.formula(node, "revenue", "[l_extendedprice] * [l_discount]")
    flow.write(flow.group_by(node, [], revenue=("revenue", "sum")), "q6")


def q9(flow: Canvas) -> None:
    parts = flow.filter_basic(flow.read("part"), "p_name", "contains", "green")
    node = flow.join(parts, flow.read("partsupp"), {"p_partkey": "ps_partkey"})
    node = flow.join(node, flow.read("supplier"), {"ps_suppkey": "s_suppkey"})
    lines = flow.read("lineitem")
    lines = flow.keep(lines, "l_orderkey", "l_partkey", "l_suppkey", "l_quantity", "l_extendedprice", "l_discount")
    node = flow.join(node, lines, {"p_partkey": "l_partkey", "ps_suppkey": "l_suppkey"})
    node = flow.join(node, flow.read("orders"), {"l_orderkey": "o_orderkey"})
    node = flow.join(node, flow.read("nation"), {"s_nationkey": "n_nationkey"})
    node = flow.formula(node, "o_year", "year([o_orderdate])")
    node = flow.formula(node, "amount", "[l_extendedprice] * (1 - [l_discount]) - [ps_supplycost] * [l_quantity]")
    node = flow.keep(node, "o_year", "amount", nation="n_name")
    node = flow.group_by(node, ["nation", "o_year"], sum_profit=("amount", "sum"))
    flow.write(flow.sort(node, "nation", "-o_year"), "q9")


def q12(flow: Canvas) -> None:
    lines = flow.filter_basic(flow.read("lineitem"), "l_shipmode", "in", "MAIL, SHIP")
    lines = flow.filter(lines, "[l_commitdate] < [l_receiptdate] and [l_shipdate] < [l_commitdate]")
    lines = flow.filter(lines, '[l_receiptdate] >= to_date("1994-01-01") and [l_receiptdate] < to_date("1995-01-01")')
    node = flow.join(lines, flow.read("orders"), {"l_orderkey": "o_orderkey"})
    urgent = '[o_orderpriority] in ("1-URGENT", "2-HIGH")'
    node = flow.formula(node, "high_line", f"if {urgent} then 1 else 0 endif")
    node = flow.formula(node, "low_line", "1 - [high_line]")
    node = flow.group_by(node, ["l_shipmode"], high_line_count=("high_line", "sum"), low_line_count=("low_line", "sum"))
    node = flow.sort(node, "l_shipmode")
    flow.explore(node)
    flow.write(node, "q12")


def q18(flow: Canvas) -> None:
    lines = flow.read("lineitem")
    large = flow.group_by(lines, ["l_orderkey"], order_quantity=("l_quantity", "sum"))
    large = flow.filter(large, "[order_quantity] > 300")
    node = flow.join(flow.read("orders"), large, {"o_orderkey": "l_orderkey"}, how="semi")
    node = flow.join(node, lines, {"o_orderkey": "l_orderkey"})
    node = flow.join(node, flow.read("customer"), {"o_custkey": "c_custkey"})
    node = flow.formula(node, "c_custkey", "[o_custkey]")
    keys = ["c_name", "c_custkey", "o_orderkey", "o_orderdate", "o_totalprice"]
    node = flow.group_by(node, keys, sum_qty=("l_quantity", "sum"))
    flow.write(flow.head(flow.sort(node, "-o_totalprice", "o_orderdate"), 100), "q18")


def dashboard(flow: Canvas) -> None:
    """Six small results of one dear prefix."""
    lines = flow.drop(flow.read("lineitem"), "l_comment", "l_shipinstruct")
    orders = flow.drop(flow.read("orders"), "o_comment", "o_clerk")
    customers = flow.keep(flow.read("customer"), "c_custkey", "c_mktsegment", "c_nationkey")
    node = flow.join(lines, orders, {"l_orderkey": "o_orderkey"})
    node = flow.join(node, customers, {"o_custkey": "c_custkey"})
    node = flow.formula(node, "revenue", "[l_extendedprice] * (1 - [l_discount])")
    node = flow.formula(node, "year", "year([o_orderdate])")
    sales = flow.filter(node, '[l_returnflag] != "R" and [o_orderdate] >= to_date("1993-01-01")')

    node = flow.group_by(sales, ["year"], revenue=("revenue", "sum"), lines=("revenue", "count"))
    flow.write(flow.sort(node, "year"), "by_year")
    node = flow.group_by(sales, ["c_mktsegment"], revenue=("revenue", "sum"), quantity=("l_quantity", "mean"))
    flow.write(flow.sort(node, "c_mktsegment"), "by_segment")
    node = flow.group_by(sales, ["l_shipmode", "o_orderpriority"], revenue=("revenue", "sum"))
    flow.write(flow.sort(node, "l_shipmode", "o_orderpriority"), "by_shipping")
    node = flow.group_by(sales, ["c_custkey"], revenue=("revenue", "sum"), first_order=("o_orderdate", "min"))
    flow.write(flow.head(flow.sort(node, "-revenue", "c_custkey"), 100), "best_customers")
    node = flow.group_by(sales, ["c_nationkey"], revenue=("revenue", "max"), tax=("l_tax", "mean"))
    flow.write(flow.sort(node, "c_nationkey"), "by_nation")
    node = flow.group_by(sales, ["c_mktsegment", "year"], revenue=("revenue", "sum"))
    node = flow.pivot(node, "c_mktsegment", "year", "revenue", "sum")
    # Flowfile's pivot gives the years in any order.
    node = flow.keep(node, "c_mktsegment", *map(str, DASHBOARD_YEARS))
    flow.write(flow.sort(node, "c_mktsegment"), "segment_by_year")


def csv_to_parquet(flow: Canvas) -> None:
    flow.write(flow.read_csv("lineitem"), "csv_to_parquet")


def wide(flow: Canvas) -> None:
    """1,000 nodes over all orders."""
    _branches(flow, "orders", ORDERS_KEPT)


def tiny(flow: Canvas) -> None:
    """The same over 25 rows: there is nothing to do but what the nodes themselves cost."""
    _branches(flow, "nation", NATION_KEPT)


def _branches(flow: Canvas, table: str, kept: tuple[str, str]) -> None:
    node = flow.formula(flow.read(table), "value", f"[{kept[0]}]")
    for number in range(WIDE_TRUNK - 2):
        node = flow.formula(node, "value", f"[value] + {number}")
    for number in range(WIDE_BRANCHES):
        flow.write(_branch(flow, node, kept, number), f"{flow.name}_{number}")


def _branch(flow: Canvas, node: int, kept: tuple[str, str], number: int) -> int:
    for step in range(WIDE_BRANCH_LENGTH):
        if step % 4 == 1:
            node = flow.filter(node, f"[value] != {step}")
        elif step % 4 == 3:
            node = flow.keep(node, *kept, "value")
        else:
            node = flow.formula(node, "value", f"([value] * 3) % 1009 + {number + step}")
    return node


def steps(flow: Canvas, count: int) -> None:
    """A chain of nodes over 25 rows; each result is stored, so that each is a step of its own."""
    node = flow.read("nation")
    for number in range(count):
        node = flow.formula(node, "value", f"[n_nationkey] + {number}", is_stored=True)


FLOWS: Mapping[str, Callable[[Canvas], None]] = {
    draw.__name__: draw for draw in (chain, q1, q3, q5, q6, q9, q12, q18, dashboard, csv_to_parquet, wide, tiny)
}
