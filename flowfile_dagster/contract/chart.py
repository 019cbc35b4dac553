"""A chart that a user saved with a node, as far as it is drawn again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Mark: TypeAlias = Literal["bar", "line", "point"]
Aggregate: TypeAlias = Literal["sum", "mean", "median", "min", "max", "count"]


@dataclass(frozen=True)
class Chart:
    """One picture.

    Attributes:
        title: what the user calls it.
        mark: how values are drawn.
        x: the column along the picture.
        y: the column of the height; None counts rows.
        aggregate: how rows with one `x` become one value; None draws every row.
    """

    title: str
    mark: Mark
    x: str
    y: str | None
    aggregate: Aggregate | None
