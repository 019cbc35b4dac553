"""Charts of a table in the editor; delivers its input unchanged.

Kept: it takes no part in a result. Flowfile's command line leaves these nodes out altogether.
The editor saves a Graphic Walker specification. Of its charts those are drawn again that have a column along each axis:
as bars, lines or points. What else they hold (colours, facets, filters) is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import polars as pl
from pydantic import BaseModel, Field, ValidationError

from flowfile_dagster.columns.lineage import ColumnLineage, identity_lineage
from flowfile_dagster.contract.chart import Aggregate, Chart, Mark
from flowfile_dagster.contract.context import BuildContext
from flowfile_dagster.contract.node_type import NodeType, Trait
from flowfile_dagster.contract.settings import NodeSettings

_ROW_COUNT = "gw_count_fid"
_MARKS: dict[str, Mark] = {
    "bar": "bar",
    "line": "line",
    "trail": "line",
    "area": "line",
    "point": "point",
    "circle": "point",
    "tick": "point",
}


class ExploreDataSettings(NodeSettings):
    """Settings of `ExploreData`."""

    graphic_walker_input: Any = None


class ExploreData(NodeType[ExploreDataSettings]):
    """Charts in the editor."""

    type = "explore_data"
    Settings = ExploreDataSettings
    traits = frozenset({Trait.PASSTHROUGH})
    cosmetic_fields = frozenset({"graphic_walker_input"})

    def build(
        self, settings: ExploreDataSettings, frames: Sequence[pl.LazyFrame], context: BuildContext
    ) -> pl.LazyFrame:
        (frame,) = frames
        return frame

    def charts(self, settings: ExploreDataSettings) -> tuple[Chart, ...]:
        saved = settings.graphic_walker_input
        specifications = saved.get("specList") if isinstance(saved, dict) else None
        listed = specifications if isinstance(specifications, list) else []
        return tuple(chart for item in listed if (chart := _chart(item)) is not None)

    def lineage(
        self, settings: ExploreDataSettings, inputs: Sequence[pl.Schema], output: pl.Schema
    ) -> ColumnLineage | None:
        return identity_lineage(output)


class _Field(BaseModel):
    fid: str
    analytic_type: str = Field("dimension", alias="analyticType")
    semantic_type: str = Field("nominal", alias="semanticType")
    aggregate: str = Field("sum", alias="aggName")

    @property
    def is_measure(self) -> bool:
        return self.analytic_type == "measure"


class _Encodings(BaseModel):
    columns: tuple[_Field, ...] = ()
    rows: tuple[_Field, ...] = ()


class _Config(BaseModel):
    is_aggregated: bool = Field(True, alias="defaultAggregated")
    geoms: tuple[str, ...] = ("auto",)


class _Specification(BaseModel):
    name: str = "Chart"
    encodings: _Encodings
    config: _Config = _Config()


def _chart(given: Any) -> Chart | None:
    try:
        specification = _Specification.model_validate(given)
    except ValidationError:
        return None
    columns, rows, config = specification.encodings.columns, specification.encodings.rows, specification.config
    if not columns or not rows:
        return None
    x, y = columns[0], rows[0]
    if x.is_measure and not y.is_measure:
        x, y = y, x
    mark = _mark(config.geoms[0] if config.geoms else "auto", x, is_aggregated=config.is_aggregated)
    is_folded = config.is_aggregated and y.is_measure and not x.is_measure
    if mark is None or (is_folded and y.aggregate not in get_args(Aggregate)):
        return None
    if y.fid == _ROW_COUNT:
        return Chart(specification.name, mark, x.fid, None, "count")
    aggregate: Any = y.aggregate if is_folded else None
    return Chart(specification.name, mark, x.fid, y.fid, aggregate)


def _mark(geom: str, x: _Field, *, is_aggregated: bool) -> Mark | None:
    if geom == "auto":
        if x.is_measure or not is_aggregated:
            return "point"
        return "line" if x.semantic_type == "temporal" else "bar"
    return _MARKS.get(geom)
