"""Where we differ from Flowfile on purpose, or where a version of Polars differs from the one that it ran on.

Each entry is listed with its reason in docs/compatibility.md. A difference that no longer shows fails the suite.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import NamedTuple

_POLARS = tuple(int(part) for part in version("polars").split(".")[:2])


class Difference(NamedTuple):
    """What the comparer says of one node output, and why that is right."""

    verdict: str
    reason: str


_SCAN = Difference("missing", "Flowfile's Python API saves some readers as Polars code, which may not reach files here")

VALUES: dict[str, dict[str, Difference]] = {
    "307_frame_read_options": {"117": _SCAN, "119": _SCAN, "120": _SCAN},
    "230_compat_minimal_keys": {
        "6": Difference("wrong", "a full join with a dropped right key leaks a helper column in Flowfile"),
    },
}
if _POLARS >= (1, 44):
    VALUES["182_sql_dates_and_nulls"] = {"3": Difference("dtype", "COUNT(*) in Polars' SQL is Int64 from 1.44 on")}
if _POLARS < (1, 43):
    VALUES["182_sql_dates_and_nulls"] = {"3": Difference("missing", "Polars' SQL cannot yet group by EXTRACT")}

#: Files that are written otherwise.
OUTPUTS: dict[str, dict[str, Difference]] = {
    "191_output_csv_modes": {
        "append.csv": Difference("wrong", "Flowfile repeats the header line in the middle of the file when it appends"),
    },
}

#: Node types whose schema needs the data or would need code from the flow to run: opaque before a run.
OPAQUE_TYPES = {"polars_code", "pivot"}
OPAQUE_SETTINGS = {"remove_null_columns", "first_row"}
