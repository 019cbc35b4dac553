"""An Arrow IPC file as a lazy frame that lies in the file's own pages: nothing is read before it is used, or twice.

Polars' own scan of an IPC file copies what it reads. Mapping is safe because a stored file is never changed: a new one
takes its place, and one that is unlinked stays until the last mapping of it is gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa


def scan_mapped(path: Path, schema: pl.Schema, rows: int | None = None) -> pl.LazyFrame:
    """A lazy frame over an uncompressed IPC file.

    Args:
        path: the file.
        schema: what it holds. What Arrow cannot represent, such as integers of 128 bits, is scanned by Polars.
        rows: how many rows from the start are wanted at least; default: all.

    Raises:
        OSError: there is no such file.
    """
    if not schema:
        return pl.LazyFrame()
    try:
        with pa.memory_map(str(path)) as stream:
            file = pa.ipc.open_file(stream)
            frame = pl.from_arrow(pa.Table.from_batches(_batches(file, rows), file.schema), rechunk=False)
    except pa.ArrowNotImplementedError:
        return pl.scan_ipc(path, glob=False)
    if isinstance(frame, pl.DataFrame) and frame.schema == schema:
        return frame.lazy()
    return pl.scan_ipc(path, glob=False)


def _batches(file: pa.ipc.RecordBatchFileReader, rows: int | None) -> Iterator[pa.RecordBatch]:
    found = 0
    for index in range(file.num_record_batches):
        if rows is not None and found >= rows:
            return
        batch = file.get_batch(index)
        found += batch.num_rows
        yield batch
