"""A small sample of a stored result as bounded markdown. A preview never fails a run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import lru_cache

import polars as pl

from flowfile_dagster.contract.node_type import NODE_FAILURES
from flowfile_dagster.engine.collect import collect

SAMPLED_ROWS = 100
SHOWN_ROWS = 10
SHOWN_COLUMNS = 20
CELL_CHARACTERS = 80
MAX_BYTES = 32 * 1024

_log = logging.getLogger(__name__)


def render_preview(
    scan: Callable[[], pl.LazyFrame], rows: int, is_hidden: Callable[[str], bool] = lambda column: False
) -> str:
    """The first rows of a stored result as a markdown table of at most 32 KB.

    Args:
        scan: opens the result.
        rows: how many rows the result has.
        is_hidden: says of a column whether its values must not be shown.
    """
    try:
        return render_rows(hide_columns(collect(scan().head(SAMPLED_ROWS)), is_hidden), rows)
    except NODE_FAILURES as error:  # looking at a result must not lose it
        _log.warning("no preview: %s", error)
        return f"no preview: {markdown_cell(str(error))}"


def hide_columns(sample: pl.DataFrame, is_hidden: Callable[[str], bool]) -> pl.DataFrame:
    """The sample without the values of hidden columns."""
    return sample.with_columns(pl.lit("redacted").alias(name) for name in sample.columns if is_hidden(name))


def render_rows(sample: pl.DataFrame, rows: int) -> str:
    """Some of `rows` rows as a markdown table of at most 32 KB."""
    if not sample.width:
        return "no columns"
    shown = sample.head(SHOWN_ROWS)
    names = shown.columns[:SHOWN_COLUMNS]
    lines = ["| " + " | ".join(markdown_cell(name) for name in names) + " |", "|" + " --- |" * len(names)]
    lines += [
        "| " + " | ".join("" if value is None else markdown_cell(_text(value)) for value in row) + " |"
        for row in shown.select(names).iter_rows()
    ]
    notes = [f"{min(SHOWN_ROWS, rows)} of {rows} rows"]
    if sample.width > SHOWN_COLUMNS:
        notes.append(f"{SHOWN_COLUMNS} of {sample.width} columns")
    text = "\n".join([*lines, "", ", ".join(notes)])
    return text.encode()[:MAX_BYTES].decode(errors="ignore")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, pl.Series):
        return str(value.head(SHOWN_ROWS).to_list())
    return str(value)


@lru_cache(maxsize=4096)
def markdown_cell(text: str) -> str:
    """One line that cannot break the table or become markup."""
    flat = "".join(character if character.isprintable() else " " for character in text)
    short = flat if len(flat) <= CELL_CHARACTERS else flat[: CELL_CHARACTERS - 1] + "…"
    return "".join(f"\\{character}" if character in "\\|`*[<" else character for character in short)
