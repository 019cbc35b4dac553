"""Files that another flow of the project writes: where their columns come from, beyond the flow that reads them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import dagster as dg

from flowfile_dagster.compile.form import CompiledNode


@dataclass(frozen=True)
class WrittenFile:
    """One file, the node that reads it, and the node of another flow that writes it, with its asset."""

    reader: CompiledNode
    writer: CompiledNode
    writer_key: dg.AssetKey


def written_columns(files: Iterable[WrittenFile]) -> dict[tuple[int, str], dg.AssetKey]:
    """By reader's id and column the asset that writes the column of that name."""
    return {
        (file.reader.node_id, name): file.writer_key
        for file in files
        for name, _ in file.writer.schemas.get("output-0") or ()
    }


def render_origins(files: Iterable[WrittenFile]) -> str:
    """The lineage tables of the writers, as markdown to put below the table of an asset that reads their files."""
    return "".join(
        f"\n\n`{file.reader.name}` reads what `{file.writer_key.to_user_string()}` writes:\n\n{table}"
        for file in files
        if (table := file.writer.lineage_tables.get("output-0"))
    )
