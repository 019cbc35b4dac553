"""The same in hand-written Polars: each function gives lazy frames by the name of the file that they are written to.

The joins stand in the order of the flows, because Polars does not reorder joins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Literal, TypeAlias

import polars as pl
from polars import col

from tpch.flows import DASHBOARD_YEARS, NATION_KEPT, ORDERS_KEPT, WIDE_BRANCH_LENGTH, WIDE_BRANCHES, WIDE_TRUNK

Engine: TypeAlias = Literal["in-memory", "streaming"]
#: Several results: each by itself, or all in one collect.
Form: TypeAlias = Literal["separate", "together"]
Results: TypeAlias = dict[str, pl.LazyFrame]

REVENUE = col("l_extendedprice") * (1 - col("l_discount"))


def run(name: str, data: Path, out: Path, engine: Engine, form: Form) -> None:
    """Write the files of a query. In memory by collecting first, for Polars runs every sink on the streaming engine."""
    results = QUERIES[name](data)
    paths = [out / f"{file}.parquet" for file in results]
    if engine == "streaming":
        plans = [frame.sink_parquet(path, lazy=True) for frame, path in zip(results.values(), paths)]
    else:
        plans = list(results.values())
    tables = (
        pl.collect_all(plans, engine=engine) if form == "together" else (plan.collect(engine=engine) for plan in plans)
    )
    for table, path in zip(tables, paths):
        if engine == "in-memory":
            table.write_parquet(path)


def scan(data: Path, table: str) -> pl.LazyFrame:
    return pl.scan_parquet(data / f"{table}.parquet")


def chain(data: Path) -> Results:
    late_days = (col("l_receiptdate") - col("l_commitdate")).dt.total_days()
    unit_price = col("l_extendedprice") / col("l_quantity")
    arrival = pl.when(late_days > 0).then(pl.lit("late")).otherwise(pl.lit("on time"))
    charge = REVENUE * (1 + col("l_tax"))
    frame = (
        scan(data, "lineitem")
        .filter(
            col("l_shipdate") >= date(1993, 1, 1),
            col("l_quantity") > 5,
            col("l_returnflag") != "R",
            col("l_shipmode").is_in(["AIR", "MAIL", "SHIP", "TRUCK"]),
            unit_price < 2000,
            late_days > -60,
        )
        .select(
            year=col("l_shipdate").dt.year(),
            month=col("l_shipdate").dt.month(),
            label=pl.concat_str(col("l_shipmode"), pl.lit("-"), arrival),
            size=pl.when(col("l_quantity") > 25).then(pl.lit("large")).otherwise(pl.lit("small")),
            charge=charge,
            unit_price=unit_price,
            tax_share=((charge - REVENUE) / charge).round(4),
            late_days=late_days,
            order=col("l_orderkey"),
        )
    )
    return {"chain": frame}


def q1(data: Path) -> Results:
    frame = (
        scan(data, "lineitem")
        .filter(col("l_shipdate") <= date(1998, 9, 2))
        .with_columns(disc_price=REVENUE)
        .group_by("l_returnflag", "l_linestatus")
        .agg(
            sum_qty=col("l_quantity").sum(),
            sum_base_price=col("l_extendedprice").sum(),
            sum_disc_price=col("disc_price").sum(),
            sum_charge=(col("disc_price") * (1 + col("l_tax"))).sum(),
            avg_qty=col("l_quantity").mean(),
            avg_price=col("l_extendedprice").mean(),
            avg_disc=col("l_discount").mean(),
            count_order=pl.len(),
        )
        .sort("l_returnflag", "l_linestatus")
    )
    return {"q1": frame}


def q3(data: Path) -> Results:
    moment = date(1995, 3, 15)
    frame = (
        scan(data, "customer")
        .filter(col("c_mktsegment") == "BUILDING")
        .join(scan(data, "orders").filter(col("o_orderdate") < moment), left_on="c_custkey", right_on="o_custkey")
        .join(scan(data, "lineitem").filter(col("l_shipdate") > moment), left_on="o_orderkey", right_on="l_orderkey")
        .group_by("o_orderkey", "o_orderdate", "o_shippriority")
        .agg(revenue=REVENUE.sum())
        .sort("revenue", "o_orderdate", descending=[True, False])
        .head(10)
        .select(col("o_orderkey").alias("l_orderkey"), "revenue", "o_orderdate", "o_shippriority")
    )
    return {"q3": frame}


def q5(data: Path) -> Results:
    orders = scan(data, "orders").filter(col("o_orderdate") >= date(1994, 1, 1), col("o_orderdate") < date(1995, 1, 1))
    frame = (
        scan(data, "region")
        .filter(col("r_name") == "ASIA")
        .join(scan(data, "nation"), left_on="r_regionkey", right_on="n_regionkey")
        .join(scan(data, "customer"), left_on="n_nationkey", right_on="c_nationkey")
        .join(orders, left_on="c_custkey", right_on="o_custkey")
        .join(scan(data, "lineitem"), left_on="o_orderkey", right_on="l_orderkey")
        .join(scan(data, "supplier"), left_on=["l_suppkey", "n_nationkey"], right_on=["s_suppkey", "s_nationkey"])
        .group_by("n_name")
        .agg(revenue=REVENUE.sum())
        .sort("revenue", descending=True)
    )
    return {"q5": frame}


def q6(data: Path) -> Results:
    frame = (
        scan(data, "lineitem")
        .filter(
            col("l_shipdate") >= date(1994, 1, 1),
            col("l_shipdate") < date(1995, 1, 1),
            col("l_discount").is_between(0.05, 0.07),
            col("l_quantity") < 24,
        )
        .select(revenue=(col("l_extendedprice") * col("l_discount")).sum())
    )
    return {"q6": frame}


def q9(data: Path) -> Results:
    profit = REVENUE - col("ps_supplycost") * col("l_quantity")
    frame = (
        scan(data, "part")
        .filter(col("p_name").str.contains("green", literal=True))
        .join(scan(data, "partsupp"), left_on="p_partkey", right_on="ps_partkey")
        .join(scan(data, "supplier"), left_on="ps_suppkey", right_on="s_suppkey")
        .join(scan(data, "lineitem"), left_on=["p_partkey", "ps_suppkey"], right_on=["l_partkey", "l_suppkey"])
        .join(scan(data, "orders"), left_on="l_orderkey", right_on="o_orderkey")
        .join(scan(data, "nation"), left_on="s_nationkey", right_on="n_nationkey")
        .group_by(col("n_name").alias("nation"), col("o_orderdate").dt.year().alias("o_year"))
        .agg(sum_profit=profit.sum())
        .sort("nation", "o_year", descending=[False, True])
    )
    return {"q9": frame}


def q12(data: Path) -> Results:
    is_urgent = col("o_orderpriority").is_in(["1-URGENT", "2-HIGH"])
    frame = (
        scan(data, "lineitem")
        .filter(
            col("l_shipmode").is_in(["MAIL", "SHIP"]),
            col("l_commitdate") < col("l_receiptdate"),
            col("l_shipdate") < col("l_commitdate"),
            col("l_receiptdate") >= date(1994, 1, 1),
            col("l_receiptdate") < date(1995, 1, 1),
        )
        .join(scan(data, "orders"), left_on="l_orderkey", right_on="o_orderkey")
        .group_by("l_shipmode")
        .agg(high_line_count=is_urgent.sum(), low_line_count=(~is_urgent).sum())
        .sort("l_shipmode")
    )
    return {"q12": frame}


def q18(data: Path) -> Results:
    lines = scan(data, "lineitem")
    large = lines.group_by("l_orderkey").agg(quantity=col("l_quantity").sum()).filter(col("quantity") > 300)
    frame = (
        scan(data, "orders")
        .join(large, left_on="o_orderkey", right_on="l_orderkey", how="semi")
        .join(lines, left_on="o_orderkey", right_on="l_orderkey")
        .join(scan(data, "customer"), left_on="o_custkey", right_on="c_custkey")
        .group_by("c_name", col("o_custkey").alias("c_custkey"), "o_orderkey", "o_orderdate", "o_totalprice")
        .agg(sum_qty=col("l_quantity").sum())
        .sort("o_totalprice", "o_orderdate", descending=[True, False])
        .head(100)
    )
    return {"q18": frame}


def dashboard(data: Path) -> Results:
    revenue = col("revenue").sum()
    sales = (
        scan(data, "lineitem")
        .join(scan(data, "orders"), left_on="l_orderkey", right_on="o_orderkey")
        .join(scan(data, "customer"), left_on="o_custkey", right_on="c_custkey")
        .filter(col("l_returnflag") != "R", col("o_orderdate") >= date(1993, 1, 1))
        .with_columns(revenue=REVENUE, year=col("o_orderdate").dt.year())
        .rename({"o_custkey": "c_custkey"})
    )
    segment_by_year = (
        sales.group_by("c_mktsegment", "year")
        .agg(revenue)
        .pivot("year", on_columns=DASHBOARD_YEARS, index="c_mktsegment", values="revenue", aggregate_function="sum")
        .sort("c_mktsegment")
    )
    return {
        "by_year": sales.group_by("year").agg(revenue, lines=pl.len()).sort("year"),
        "by_segment": sales.group_by("c_mktsegment")
        .agg(revenue, quantity=col("l_quantity").mean())
        .sort("c_mktsegment"),
        "by_shipping": sales.group_by("l_shipmode", "o_orderpriority")
        .agg(revenue)
        .sort("l_shipmode", "o_orderpriority"),
        "best_customers": sales.group_by("c_custkey")
        .agg(revenue, first_order=col("o_orderdate").min())
        .sort("revenue", "c_custkey", descending=[True, False])
        .head(100),
        "by_nation": sales.group_by("c_nationkey")
        .agg(col("revenue").max(), tax=col("l_tax").mean())
        .sort("c_nationkey"),
        "segment_by_year": segment_by_year,
    }


def csv_to_parquet(data: Path) -> Results:
    return {"csv_to_parquet": pl.scan_csv(data / "lineitem.csv", try_parse_dates=True)}


def wide(data: Path) -> Results:
    return _branches("wide", scan(data, "orders"), ORDERS_KEPT)


def tiny(data: Path) -> Results:
    return _branches("tiny", scan(data, "nation"), NATION_KEPT)


def _branches(name: str, frame: pl.LazyFrame, kept: tuple[str, str]) -> Results:
    frame = frame.with_columns(value=col(kept[0]))
    for number in range(WIDE_TRUNK - 2):
        frame = frame.with_columns(value=col("value") + number)
    return {f"{name}_{number}": _branch(frame, kept, number) for number in range(WIDE_BRANCHES)}


def _branch(frame: pl.LazyFrame, kept: tuple[str, str], number: int) -> pl.LazyFrame:
    for step in range(WIDE_BRANCH_LENGTH):
        if step % 4 == 1:
            frame = frame.filter(col("value") != step)
        elif step % 4 == 3:
            frame = frame.select(*kept, "value")
        else:
            frame = frame.with_columns(value=(col("value") * 3) % 1009 + (number + step))
    return frame


QUERIES: Mapping[str, Callable[[Path], Results]] = {
    query.__name__: query for query in (chain, q1, q3, q5, q6, q9, q12, q18, dashboard, csv_to_parquet, wide, tiny)
}
