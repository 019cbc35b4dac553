"""Two Dagster jobs for the flow `chain`: of its flow file, and of one hand-written asset for each node.

``BENCH_FOLDER`` has ``flows/``, ``BENCH_DATA`` the tables. Steps import this module by its name. Dagster asks each step
twice for its job; definitions are made once in a process, as they are in a code location.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import dagster as dg
import polars as pl
from polars import col

from tpch.flows import CHAIN_LENGTH
from tpch.hand_written import REVENUE, scan

Step = Callable[[pl.LazyFrame], pl.LazyFrame]

_KEPT = ["year", "month", "label", "size", "charge", "unit_price", "tax_share", "late_days"]

#: What each node does, from the second on.
STEPS: list[Step] = [
    lambda frame: frame.drop("l_comment", "l_shipinstruct", "l_partkey", "l_linenumber"),
    lambda frame: frame.filter(col("l_shipdate") >= pl.date(1993, 1, 1)),
    lambda frame: frame.with_columns(discounted=REVENUE),
    lambda frame: frame.with_columns(charge=col("discounted") * (1 + col("l_tax"))),
    lambda frame: frame.filter(col("l_quantity") > 5),
    lambda frame: frame.with_columns(year=col("l_shipdate").dt.year()),
    lambda frame: frame.with_columns(month=col("l_shipdate").dt.month()),
    lambda frame: frame.with_columns(late_days=(col("l_receiptdate") - col("l_commitdate")).dt.total_days()),
    lambda frame: frame.with_columns(
        arrival=pl.when(col("late_days") > 0).then(pl.lit("late")).otherwise(pl.lit("on time"))
    ),
    lambda frame: frame.filter(col("l_returnflag") != "R"),
    lambda frame: frame.with_columns(unit_price=col("l_extendedprice") / col("l_quantity")),
    lambda frame: frame.with_columns(tax_amount=col("charge") - col("discounted")),
    lambda frame: frame.filter(col("l_shipmode").is_in(["AIR", "MAIL", "SHIP", "TRUCK"])),
    lambda frame: frame.with_columns(label=pl.concat_str("l_shipmode", pl.lit("-"), "arrival")),
    lambda frame: frame.with_columns(
        size=pl.when(col("l_quantity") > 25).then(pl.lit("large")).otherwise(pl.lit("small"))
    ),
    lambda frame: frame.with_columns(tax_share=(col("tax_amount") / col("charge")).round(4)),
    lambda frame: frame.filter(col("unit_price") < 2000, col("late_days") > -60),
    lambda frame: frame.select(*_KEPT, order="l_orderkey"),
    lambda frame: frame,
]


@cache
def hand_written_job() -> dg.JobDefinition:
    """One asset for each node, each result a parquet file; the last one is the output."""
    from dagster_polars import PolarsParquetIOManager

    if len(STEPS) != CHAIN_LENGTH - 1:
        raise ValueError(f"{len(STEPS)} steps after the first node, but the chain has {CHAIN_LENGTH} nodes")
    assets = [_source(), *(_asset(number, step) for number, step in enumerate(STEPS, start=2))]
    storage = PolarsParquetIOManager(base_dir=str(Path(os.environ["BENCH_FOLDER"]) / "assets"))
    executor: dg.ExecutorDefinition = dg.multiprocess_executor
    return _job(dg.Definitions(assets, resources={"io_manager": storage}), executor)


@cache
def flow_job() -> dg.JobDefinition:
    """The flow file under our own executor."""
    from flowfile_dagster import build_definitions
    from flowfile_dagster.orchestration.executor import flowfile_executor

    folder = Path(os.environ["BENCH_FOLDER"])
    flows = build_definitions(folder / "flows", compiled_folder=folder / "compiled")
    return _job(flows, flowfile_executor)


def _job(defs: dg.Definitions, executor: dg.ExecutorDefinition) -> dg.JobDefinition:
    everything = dg.define_asset_job("everything", selection=dg.AssetSelection.all())
    job = dg.Definitions(jobs=[everything], executor=executor)
    return dg.Definitions.merge(defs, job).resolve_job_def("everything")


def _source() -> dg.AssetsDefinition:
    @dg.asset(name="node_1")
    def source() -> pl.LazyFrame:
        return scan(Path(os.environ["BENCH_DATA"]), "lineitem")

    return source


def _asset(number: int, step: Step) -> dg.AssetsDefinition:
    @dg.asset(name=f"node_{number}", ins={"frame": dg.AssetIn(f"node_{number - 1}")})
    def asset(frame: pl.LazyFrame) -> pl.LazyFrame:
        return step(frame)

    return asset
