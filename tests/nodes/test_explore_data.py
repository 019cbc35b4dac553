from typing import Any

import polars as pl
import pytest

from flowfile_dagster.contract.chart import Chart
from flowfile_dagster.nodes.explore_data import ExploreData, ExploreDataSettings
from tests.nodes.node_case import NodeCase, assert_node

ROWS = pl.DataFrame({"a": [2, 1], "b": [[1], None]})
CASES = [NodeCase({"graphic_walker_input": {"is_initial": True, "specList": []}}, (ROWS,)), NodeCase({}, (ROWS,))]


@pytest.mark.parametrize("charts", [None, {"is_initial": False, "specList": [{"x": 1}]}])
def test_explore_data_delivers_its_input_whatever_the_charts(charts: object) -> None:
    assert_node("explore_data", {"graphic_walker_input": charts}, [ROWS], ROWS)


SHOP = {"fid": "shop", "name": "Shop", "analyticType": "dimension", "semanticType": "nominal"}
DAY = {"fid": "day", "name": "Day", "analyticType": "dimension", "semanticType": "temporal"}
SOLD = {"fid": "sold", "name": "Sold", "analyticType": "measure", "semanticType": "quantitative", "aggName": "mean"}
PRICE = {"fid": "price", "name": "Price", "analyticType": "measure", "semanticType": "quantitative", "aggName": "sum"}
COUNT = {**SOLD, "fid": "gw_count_fid", "aggName": "sum"}


def charts(columns: list[Any], rows: list[Any], geom: str = "auto", *, is_aggregated: bool = True) -> tuple[Chart, ...]:
    saved = {
        "name": "Chart 1",
        "encodings": {"columns": columns, "rows": rows, "color": [SHOP]},
        "config": {"geoms": [geom], "defaultAggregated": is_aggregated},
    }
    settings = ExploreDataSettings(graphic_walker_input={"specList": [saved]})
    return ExploreData().charts(settings)


@pytest.mark.parametrize(
    ("columns", "rows", "geom", "is_aggregated", "expected"),
    [
        ([SHOP], [SOLD], "auto", True, Chart("Chart 1", "bar", "shop", "sold", "mean")),
        ([SOLD], [SHOP], "bar", True, Chart("Chart 1", "bar", "shop", "sold", "mean")),
        ([DAY], [SOLD], "auto", True, Chart("Chart 1", "line", "day", "sold", "mean")),
        ([SHOP], [COUNT], "auto", True, Chart("Chart 1", "bar", "shop", None, "count")),
        ([PRICE], [SOLD], "auto", False, Chart("Chart 1", "point", "price", "sold", None)),
        ([DAY], [SOLD], "area", False, Chart("Chart 1", "line", "day", "sold", None)),
    ],
)
def test_saved_chart_is_read(
    columns: list[Any], rows: list[Any], geom: str, is_aggregated: bool, expected: Chart
) -> None:
    assert charts(columns, rows, geom, is_aggregated=is_aggregated) == (expected,)


def test_chart_that_is_not_drawn_here_is_left_out() -> None:
    assert charts([], [SOLD]) == ()
    assert charts([SHOP], [SOLD], "arc") == ()
    assert charts([SHOP], [{**SOLD, "aggName": "variance"}]) == ()
