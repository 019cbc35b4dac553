"""Checks of a stored result: what is expected of its rows, as data, and one lazy pass that judges all of a result's.

Numbers of rows are known from the store's index. The other checks each name the rows that break them, so that one
collect counts these rows and takes a few of them along.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from flowfile_dagster.columns.dtypes import dtype_text
from flowfile_dagster.contract.node_type import NODE_FAILURES
from flowfile_dagster.engine.collect import collect
from flowfile_dagster.errors import DataError, MissingColumnError, NodeProblem
from flowfile_dagster.flow.names import slug

#: How many of the rows that break a check are shown, and how many of their columns.
SAMPLED_ROWS = 10
SAMPLED_COLUMNS = 20


class _AnyCheck(BaseModel):
    """What all checks have in common.

    Attributes:
        name: the check's name in Dagster; default: its type and columns.
        output: the label of the output that is checked, for a node with several; default: the first.
        blocking: whether a failure stops what is below the node.
        severity: ``error`` or ``warn``; a warning never blocks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Bounds are validators: Dagster's components take no fields with annotated constraints.
    name: str | None = None
    output: str | None = None
    blocking: bool = False
    severity: Literal["error", "warn"] = "error"

    @field_validator("name")
    @classmethod
    def _refuse_odd_name(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch(r"[A-Za-z0-9_]+", name):
            raise ValueError("a name has letters, digits and underscores only")
        return name

    @field_validator("columns", "values", check_fields=False)
    @classmethod
    def _refuse_nothing(cls, given: Sequence[object]) -> Sequence[object]:
        if not given:
            raise ValueError("name at least one")
        return given

    @model_validator(mode="after")
    def _refuse_blocking_warning(self) -> _AnyCheck:
        if self.blocking and self.severity == "warn":
            raise ValueError("a check of severity 'warn' never blocks; leave out `blocking` or `severity`")
        return self


class RowCount(_AnyCheck):
    """The result has at least `min` and at most `max` rows."""

    type: Literal["row_count"] = "row_count"
    min: int | None = None
    max: int | None = None

    @model_validator(mode="after")
    def _refuse_no_bounds(self) -> RowCount:
        if self.min is None and self.max is None:
            raise ValueError("give `min`, `max` or both")
        return self

    def judge(self, counts: RowCounts) -> Judgement:
        """Compare the number of rows with the bounds."""
        is_enough = self.min is None or counts.rows >= self.min
        is_bounded = self.max is None or counts.rows <= self.max
        return Judgement(self, is_enough and is_bounded, f"{counts.rows:,} rows, expected {self.expectation}")

    @property
    def expectation(self) -> str:
        """What is expected, in words."""
        least = "" if self.min is None else f"at least {self.min:,}"
        most = "" if self.max is None else f"at most {self.max:,}"
        return " and ".join(bound for bound in (least, most) if bound) + " rows"


class FanOut(_AnyCheck):
    """The result has at most `max_ratio` times as many rows as the node's left input (for most nodes, its only one)."""

    type: Literal["fan_out"] = "fan_out"
    max_ratio: float

    @field_validator("max_ratio")
    @classmethod
    def _refuse_nothing_allowed(cls, ratio: float) -> float:
        if not ratio > 0:
            raise ValueError("must be greater than 0")
        return ratio

    def judge(self, counts: RowCounts) -> Judgement:
        """Compare the number of rows with that of the left input."""
        if counts.left_rows is None:
            return Judgement(self, False, "the rows of the left input are not known: the node has none that is stored")
        is_met = counts.rows <= self.max_ratio * counts.left_rows
        text = f"{counts.rows:,} rows from {counts.left_rows:,} in the left input, expected {self.expectation}"
        return Judgement(self, is_met, text)

    @property
    def expectation(self) -> str:
        """What is expected, in words."""
        return f"at most {self.max_ratio:g} times as many rows as in the left input"


class Unique(_AnyCheck):
    """No two rows have the same values in `columns`. Rows with a null in one of them do not count."""

    type: Literal["unique"] = "unique"
    columns: Sequence[str]

    def broken_rows(self, schema: pl.Schema) -> pl.Expr:
        """Every row whose values another row has, too."""
        _require(schema, self.columns)
        keys = pl.struct(self.columns) if len(self.columns) > 1 else pl.col(self.columns[0])
        return keys.is_duplicated() & pl.all_horizontal(pl.col(name).is_not_null() for name in self.columns)

    @property
    def expectation(self) -> str:
        """What is expected, in words."""
        return f"no two rows have the same {_listed(self.columns)}"


class NotNull(_AnyCheck):
    """No row has a null in one of `columns`."""

    type: Literal["not_null"] = "not_null"
    columns: Sequence[str]

    def broken_rows(self, schema: pl.Schema) -> pl.Expr:
        """Every row with a null in one of the columns."""
        _require(schema, self.columns)
        return pl.any_horizontal(pl.col(name).is_null() for name in self.columns)

    @property
    def expectation(self) -> str:
        """What is expected, in words."""
        return f"no row has a null in {_listed(self.columns)}"


class AcceptedValues(_AnyCheck):
    """`column` has only `values`, or null. Dates are written as text (``2024-01-31``)."""

    type: Literal["accepted_values"] = "accepted_values"
    column: str
    values: Sequence[str | int | float | bool]

    @property
    def columns(self) -> Sequence[str]:
        """The one column, as other checks have several."""
        return (self.column,)

    def broken_rows(self, schema: pl.Schema) -> pl.Expr:
        """Every row with another value."""
        _require(schema, self.columns)
        dtype, column = schema[self.column], pl.col(self.column)
        if isinstance(dtype, (pl.Categorical, pl.Enum)):
            dtype, column = pl.String(), column.cast(pl.String)
        try:
            accepted = pl.Series(self.values, strict=False).cast(dtype)
        except NODE_FAILURES as error:
            shown = ", ".join(repr(value) for value in self.values)
            cause = f"the values {shown} do not fit column {self.column!r} of type {dtype_text(dtype)}"
            raise DataError(cause) from error
        return column.is_not_null() & ~column.is_in(accepted.implode())

    @property
    def expectation(self) -> str:
        """What is expected, in words."""
        return f"{self.column!r} has no other values than {', '.join(repr(value) for value in self.values)}"


Check: TypeAlias = Annotated[RowCount | FanOut | Unique | NotNull | AcceptedValues, Field(discriminator="type")]


@dataclass(frozen=True)
class RowCounts:
    """The rows of a result, and of the left input of its node; None where there is none that is stored."""

    rows: int
    left_rows: int | None = None


@dataclass(frozen=True)
class Judgement:
    """What came of a check. `sample`: some of the `broken_rows`; both None where a check is not about single rows."""

    check: Check
    is_passed: bool
    description: str
    broken_rows: int | None = None
    sample: pl.DataFrame | None = None


def check_name(check: Check) -> str:
    """The name that was given, else the type and the columns."""
    columns = () if isinstance(check, (RowCount, FanOut)) else check.columns
    return check.name or "_".join([check.type, *(slug(column) for column in columns)])


def judge(checks: Sequence[Check], frame: pl.LazyFrame, schema: pl.Schema, counts: RowCounts) -> list[Judgement]:
    """Judge a stored result by its checks, in their order.

    A check that cannot be evaluated, because a column is missing or has another type, fails and says so.

    Args:
        checks: what is expected of the result.
        frame: a scan of it.
        schema: its schema.
        counts: its rows, and those of the node's left input.
    """
    found: dict[int, Judgement] = {}
    broken: dict[int, pl.Expr] = {}
    for place, check in enumerate(checks):
        if isinstance(check, (RowCount, FanOut)):
            found[place] = check.judge(counts)
            continue
        try:
            broken[place] = check.broken_rows(schema)
        except NodeProblem as problem:
            found[place] = Judgement(check, False, str(problem))
    for place, rows in _find_broken(broken, frame, schema).items():
        found[place] = _judge_rows(checks[place], rows, counts.rows)
    return [found[place] for place in range(len(checks))]


#: How many rows break a check, with some of them; or why that cannot be said.
_Broken: TypeAlias = tuple[int, pl.DataFrame] | str


def _find_broken(broken: Mapping[int, pl.Expr], frame: pl.LazyFrame, schema: pl.Schema) -> dict[int, _Broken]:
    """Count and sample the broken rows of all checks in one collect; if that fails, find the check that is to blame."""
    if not broken:
        return {}
    shown = pl.struct(schema.names()[:SAMPLED_COLUMNS])
    counts = [rows.sum().alias(f"{place}") for place, rows in broken.items()]
    samples = [shown.filter(rows).head(SAMPLED_ROWS).implode().alias(f"{place} rows") for place, rows in broken.items()]
    try:
        found = collect(frame.select(*counts, *samples))
    except NODE_FAILURES as error:
        if len(broken) == 1:
            return dict.fromkeys(broken, f"cannot be evaluated: {str(error).partition(chr(10))[0]}")
        return {
            place: result
            for own, rows in broken.items()
            for place, result in _find_broken({own: rows}, frame, schema).items()
        }
    return {place: (int(found[f"{place}"][0]), found[f"{place} rows"][0].struct.unnest()) for place in broken}


def _judge_rows(check: Check, broken: _Broken, rows: int) -> Judgement:
    if isinstance(broken, str) or isinstance(check, (RowCount, FanOut)):
        return Judgement(check, False, str(broken))
    count, sample = broken
    text = f"{count:,} of {rows:,} rows break it: {check.expectation}" if count else check.expectation
    return Judgement(check, count == 0, text, count, sample if count else None)


def _require(schema: pl.Schema, columns: Sequence[str]) -> None:
    for name in columns:
        if name not in schema:
            raise MissingColumnError(name, schema.names())


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in columns)
