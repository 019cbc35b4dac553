"""Facts about the versions of the libraries below us; the only reader of a version number."""

from __future__ import annotations

from importlib.metadata import version

#: Results may differ between major versions of Polars, so it enters the node hash.
POLARS_MAJOR = version("polars").partition(".")[0]

#: What a compiled flow depends on: another version of any of these predicts anew.
PREDICTION_VERSIONS = {
    name: version(name) for name in ("flowfile-dagster", "polars", "polars-expr-transformer", "pydantic")
}
