"""Charts as pictures."""

from __future__ import annotations

import base64
import xml.etree.ElementTree as ET
from datetime import date

import polars as pl
import pytest

from flowfile_dagster.contract.chart import Chart, Mark
from flowfile_dagster.engine.chart import MAX_MARKS, draw_chart

SALES = pl.LazyFrame({"shop": ["a", "b", "a", None], "sold": [1.0, 5.0, 2.0, 9.0], "day": [date(2024, 1, 1)] * 4})


def picture(frame: pl.LazyFrame, chart: Chart) -> ET.Element:
    text = draw_chart(frame, chart)
    assert text.startswith(f"![{chart.title}](data:image/svg+xml;base64,")
    return ET.fromstring(base64.b64decode(text.partition("base64,")[2].rstrip(")")))


def shapes(root: ET.Element, kind: str) -> list[ET.Element]:
    return root.findall(f".//{{http://www.w3.org/2000/svg}}g/{{http://www.w3.org/2000/svg}}{kind}")


def test_bars_are_as_high_as_the_sums_of_their_groups() -> None:
    first, second = shapes(picture(SALES, Chart("Sales", "bar", "shop", "sold", "sum")), "rect")
    assert float(first.attrib["height"]) == pytest.approx(float(second.attrib["height"]) * 3 / 5, abs=0.1)


def test_rows_are_counted_where_no_column_is_named() -> None:
    first, second = shapes(picture(SALES, Chart("Rows", "bar", "shop", None, "count")), "rect")
    assert float(first.attrib["height"]) == pytest.approx(2 * float(second.attrib["height"]), abs=0.1)


def test_points_and_lines_stand_where_their_numbers_are() -> None:
    frame = pl.LazyFrame({"x": [0, 10, 5], "y": [0.0, 4.0, None]})
    assert len(shapes(picture(frame, Chart("Points", "point", "x", "y", None)), "circle")) == 2
    (line,) = shapes(picture(frame, Chart("Line", "line", "x", "y", None)), "polyline")
    assert len(line.attrib["points"].split()) == 2


def test_picture_is_bounded_and_text_cannot_break_it() -> None:
    frame = pl.LazyFrame({"x": ["<b>&" * 20] * 5000, "y": range(5000)})
    root = picture(frame, Chart("Many", "point", "x", "y", None))
    assert len(shapes(root, "circle")) == MAX_MARKS


@pytest.mark.parametrize("rows", [0, 1])
@pytest.mark.parametrize(("mark", "kind"), [("bar", "rect"), ("point", "circle")])
def test_few_rows_have_a_mark_each(rows: int, mark: Mark, kind: str) -> None:
    assert len(shapes(picture(SALES.head(rows), Chart("Few", mark, "day", "sold", "sum")), kind)) == rows


@pytest.mark.parametrize("rows", [0, 1])
def test_line_of_few_rows_has_a_point_each(rows: int) -> None:
    (line,) = shapes(picture(SALES.head(rows), Chart("Few", "line", "day", "sold", "sum")), "polyline")
    assert len(line.attrib["points"].split()) == rows
