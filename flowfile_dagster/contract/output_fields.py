"""The step common to all nodes: deliver the columns that `output_field_config` asks for.

Existing columns are never cast; a default is text read as the declared type, or the value of a parameter cast to it,
and null where that cannot be. With `validate_data_types` the declared name must be the column's own type name; for a
type with parameters, which Flowfile can never validate, the name without them is right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import polars as pl

from flowfile_dagster.columns.dtypes import base_name, parse_dtype
from flowfile_dagster.columns.lineage import ColumnLineage
from flowfile_dagster.columns.names import first_repeated
from flowfile_dagster.contract.settings import OutputField, OutputFieldConfig
from flowfile_dagster.errors import DuplicateColumnError, SettingsError

_DATETIME_FORMATS = tuple(f"%Y-%m-%d{separator}{time}" for separator in ("T", " ") for time in ("%H:%M:%S%.f", "%H:%M"))
_ZONE = re.compile(r"(?<=:\d\d)(\.\d+)?(Z|[+-]\d\d:?\d\d)$")


def apply_output_fields(config: OutputFieldConfig, frame: pl.LazyFrame) -> pl.LazyFrame:
    """The frame with the columns that the configuration asks for, in its order.

    Raises:
        SettingsError: columns are missing or of another type than validated, or a default cannot have its type.
        DuplicateColumnError: the configuration lists a column twice.
    """
    if not config.is_active:
        return frame
    schema = frame.collect_schema()
    listed = [field.name for field in config.fields]
    if (twice := first_repeated(listed)) is not None:
        raise DuplicateColumnError(twice, "output_field_config.fields")
    if config.validate_data_types:
        _check_types(config.fields, schema)
    mode = config.validation_mode_behavior
    if mode == "select_only":
        return frame.select(name for name in listed if name in schema)
    if mode == "raise_on_missing":
        _require_all(listed, schema)
        return frame.select(listed)
    known = frozenset(listed)
    extra = [name for name in schema if name not in known] if mode == "add_missing_keep_extra" else []
    missing = [_default(field) for field in config.fields if field.name not in schema]
    return frame.with_columns(missing).select(*listed, *extra)


def output_fields_lineage(
    config: OutputFieldConfig, lineage: ColumnLineage | None, output_schema: pl.Schema
) -> ColumnLineage | None:
    """The lineage after `apply_output_fields`: that of the columns which are left; an added one is a constant."""
    if lineage is None or not config.is_active:
        return lineage
    return {name: lineage.get(name, ()) for name in output_schema}


def _require_all(listed: Iterable[str], schema: pl.Schema) -> None:
    missing = sorted(name for name in listed if name not in schema)
    if missing:
        shown = ", ".join(map(repr, missing))
        existing = ", ".join(map(repr, schema)) or "none"
        raise SettingsError("output_field_config.fields", f"the result has no column {shown}; it has {existing}")


def _check_types(fields: Iterable[OutputField], schema: pl.Schema) -> None:
    wrong: list[str] = []
    for field in fields:
        dtype = schema.get(field.name)
        if dtype is not None and field.data_type != base_name(dtype):
            wrong.append(f"column {field.name!r} is {base_name(dtype)}, not {field.data_type}")
    if wrong:
        raise SettingsError("output_field_config.fields", "; ".join(wrong))


def _default(field: OutputField) -> pl.Expr:
    where = f"output_field_config.fields: column {field.name!r}"
    try:
        dtype = parse_dtype(field.data_type)
    except SettingsError as error:
        raise SettingsError(where, error.cause) from error
    value = field.default_value
    if value is None:
        return pl.lit(None, dtype=dtype).alias(field.name)
    if isinstance(value, str) and isinstance(dtype, pl.Boolean):
        raise SettingsError(
            where, "a default text cannot become Boolean; refer to a boolean parameter, or leave it out"
        )
    if isinstance(value, bool) and isinstance(dtype, pl.Decimal):
        raise SettingsError(where, f"a default boolean cannot become {dtype}; refer to a number")
    default = _read_text(value, dtype) if isinstance(value, str) else pl.lit(value).cast(dtype, strict=False)
    return default.alias(field.name)


def _read_text(text: str, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Date):
        return pl.lit(text.strip()).str.to_date("%Y-%m-%d", strict=False)
    if isinstance(dtype, pl.Time):
        return pl.coalesce(pl.lit(text.strip()).str.to_time(form, strict=False) for form in ("%H:%M:%S%.f", "%H:%M"))
    if isinstance(dtype, pl.Datetime):
        local = pl.lit(_ZONE.sub(r"\1", text.strip()))
        return pl.coalesce(local.str.to_datetime(form, strict=False) for form in _DATETIME_FORMATS).cast(dtype)
    return pl.lit(text).cast(dtype, strict=False)
