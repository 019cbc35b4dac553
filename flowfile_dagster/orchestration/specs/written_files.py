"""Files that another flow of the project writes: where their columns come from, beyond the flow that reads them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import dagster as dg

from flowfile_dagster.compile.form import CompiledNode
from flowfile_dagster.orchestration.pages.metadata import ColumnOrigins


@dataclass(frozen=True)
class WrittenFile:
    """One file, the node that reads it, and the node of another flow that writes it, with its asset."""

    reader: CompiledNode
    writer: CompiledNode
    writer_key: dg.AssetKey

    def column_origins(self) -> ColumnOrigins:
        """The columns that the reader gives on, each from the written one of the same name."""
        written = {name for name, _ in self.writer.schemas.get("output-0") or ()}
        read = (name for name, _ in self.reader.schemas.get("output-0") or ())
        return {name: [(self.writer_key, name)] for name in read if name in written}


def render_origins(files: Iterable[WrittenFile]) -> str:
    """The lineage tables of the writers, as markdown to put below the table of an asset that reads their files."""
    return "".join(
        f"\n\n`{file.reader.name}` reads what `{file.writer_key.to_user_string()}` writes:\n\n{table}"
        for file in files
        if (table := file.writer.lineage_tables.get("output-0"))
    )
