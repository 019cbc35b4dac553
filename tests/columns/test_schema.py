import polars as pl

from flowfile_dagster.columns.schema import rowless


def test_rowless_frame_keeps_a_column_without_a_name() -> None:
    schema = pl.Schema({"a": pl.String(), "": pl.Int64()})
    assert rowless(schema).collect_schema() == schema
