"""Charts of a stored result as small SVG pictures. Like a preview, a picture never fails a run."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import polars as pl

from flowfile_dagster.contract.chart import Chart
from flowfile_dagster.engine.collect import collect

SAMPLED_ROWS = 10_000
MAX_MARKS = 200
LABEL_CHARACTERS = 16

_WIDTH, _HEIGHT = 480, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 28, 40
_COLOR = "#4f43dd"


@dataclass(frozen=True)
class _Points:
    """What is drawn: labels and places along the picture (0 to 1), and heights."""

    labels: Sequence[str]
    places: Sequence[float]
    heights: Sequence[float]


def draw_chart(frame: pl.LazyFrame, chart: Chart) -> str:
    """The picture as markdown, from the first 10,000 rows and with at most 200 marks.

    Raises:
        PolarsError: the result lacks a column, or its values cannot be drawn.
    """
    points = _points(chart, collect(_values(frame.head(SAMPLED_ROWS), chart).head(MAX_MARKS)))
    encoded = base64.b64encode(_svg(chart, points).encode()).decode()
    title = "".join(character for character in chart.title if character.isalnum() or character == " ")
    return f"![{title}](data:image/svg+xml;base64,{encoded})"


def _values(frame: pl.LazyFrame, chart: Chart) -> pl.LazyFrame:
    """Columns x and y, without rows that have no place; heights are numbers."""
    x = pl.col(chart.x).alias("x")
    if chart.y is None:
        rows = frame.group_by(x).agg(y=pl.len())
    elif chart.aggregate is None:
        rows = frame.select(x, y=pl.col(chart.y))
    else:
        rows = frame.group_by(x).agg(y=getattr(pl.col(chart.y), chart.aggregate)())
    rows = rows.with_columns(pl.col("y").cast(pl.Float64)).filter(pl.col("y").is_finite()).drop_nulls()
    return rows if chart.mark == "point" else rows.sort("x")


def _points(chart: Chart, table: pl.DataFrame) -> _Points:
    labels = [str(value) for value in table["x"]]
    dtype = table["x"].dtype
    if chart.mark != "bar" and (dtype.is_numeric() or dtype.is_temporal()):
        values = table["x"].to_physical().cast(pl.Float64).to_list()
    else:
        values = [float(index) for index in range(table.height)]
    lowest, span = _range(values)
    return _Points(labels, [(value - lowest) / span for value in values], table["y"].to_list())


def _range(values: Sequence[float]) -> tuple[float, float]:
    lowest, highest = min(values, default=0.0), max(values, default=0.0)
    return lowest, (highest - lowest) or 1.0


def _svg(chart: Chart, points: _Points) -> str:
    lowest, span = _range([*points.heights, 0.0] if chart.mark == "bar" else points.heights)
    floor, width = _HEIGHT - _BOTTOM, _WIDTH - _LEFT - _RIGHT
    pad = width / (2 * (len(points.places) or 1))
    xs = [_LEFT + pad + place * (width - 2 * pad) for place in points.places]
    ys = [floor - (value - lowest) / span * (floor - _TOP) for value in points.heights]
    zero = floor + lowest / span * (floor - _TOP)
    cut = f" (first {MAX_MARKS})" if len(xs) == MAX_MARKS else ""
    texts = [
        _text(_LEFT, 16, f"{chart.title}: {_height_name(chart)} by {chart.x}"[:70] + cut, "start"),
        _text(_LEFT - 6, _TOP + 8, f"{lowest + span:,.6g}", "end"),
        _text(_LEFT - 6, floor, f"{lowest:,.6g}", "end"),
        *(_text(xs[index], floor + 16, _shortened(points.labels[index]), "middle") for index in _labelled(len(xs))),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" font-family="sans-serif" '
        f'font-size="11"><rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>'
        f'<path d="M{_LEFT} {_TOP}V{floor}H{_WIDTH - _RIGHT}" fill="none" stroke="#888"/>'
        f'<g fill="{_COLOR}">{_marks(chart, xs, ys, zero, pad)}</g>{"".join(texts)}</svg>'
    )


def _marks(chart: Chart, xs: Sequence[float], ys: Sequence[float], zero: float, pad: float) -> str:
    places = list(zip(xs, ys, strict=True))
    if chart.mark == "bar":
        size = f'width="{pad * 1.6:.1f}"'
        return "".join(
            f'<rect x="{x - pad * 0.8:.1f}" y="{min(y, zero):.1f}" {size} height="{abs(y - zero):.1f}"/>'
            for x, y in places
        )
    if chart.mark == "line":
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        return f'<polyline points="{path}" fill="none" stroke="{_COLOR}" stroke-width="2"/>'
    return "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in places)


def _labelled(count: int) -> list[int]:
    """Up to six marks, evenly spread."""
    step = max(1, -(-count // 6))
    return list(range(0, count, step))


def _height_name(chart: Chart) -> str:
    if chart.y is None:
        return "rows"
    return chart.y if chart.aggregate is None else f"{chart.aggregate} of {chart.y}"


def _shortened(text: str) -> str:
    return text if len(text) <= LABEL_CHARACTERS else f"{text[: LABEL_CHARACTERS - 1]}…"


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
