"""The result store as a Dagster IO manager."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pyarrow as pa

from flowfile_dagster.engine.collect import collect
from flowfile_dagster.errors import StoreError
from flowfile_dagster.plan.node_hash import canonical_hash
from flowfile_dagster.store.store import Ref, ResultStore

STORE_FOLDER = "flowfile"


@dataclass(frozen=True)
class StoredResult:
    """What a flow's step hands over: a result that is in the store already."""

    node_hash: str
    handle: str


class FlowfileIOManager(dg.ConfigurableIOManager):
    """Keeps every result as an Arrow IPC file, found by the hash of the node that made it.

    A node's result is stored once, under its node hash; the asset then refers to it. Python assets with this IO
    manager can read a node's result (annotate the input ``pl.LazyFrame``, ``pl.DataFrame`` or ``pyarrow.Table``) and
    can store Polars frames and Arrow tables of their own.

    Attributes:
        base_path: the folder of the store; default: ``flowfile`` in the instance's storage folder.
    """

    base_path: str | None = None

    def open_store(self, instance: dg.DagsterInstance) -> ResultStore:
        """The store that this IO manager keeps results in."""
        return ResultStore(Path(self.base_path or Path(instance.storage_directory()) / STORE_FOLDER))

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Make the result the latest of its asset; store it first if it is a frame."""
        if obj is None:
            return
        store = self.open_store(_instance(context))
        if isinstance(obj, StoredResult):
            result = obj
        else:
            stored = store.write(_to_polars(obj))
            node_hash = canonical_hash({"asset": "/".join(context.asset_key.path), "content": stored.content_hash})
            store.record([node_hash], {"output-0": stored})
            result = StoredResult(node_hash, "output-0")
            context.add_output_metadata({"dagster/row_count": stored.rows, "dagster/size_bytes": stored.bytes})
        store.publish(_ref_key(context), Ref(result.node_hash, result.handle, context.run_id))

    def load_input(self, context: dg.InputContext) -> pl.LazyFrame | pl.DataFrame | pa.Table:
        """The latest result of an asset: a lazy scan, a frame or an Arrow table, by the input's annotation.

        Raises:
            StoreError: the asset has no stored result.
        """
        store = self.open_store(_instance(context))
        ref = store.latest(_ref_key(context))
        manifest = None if ref is None else store.find(ref.node_hash)
        if ref is None or manifest is None:
            raise StoreError(
                str(store.base), f"asset {context.asset_key.to_user_string()} has no result; materialize it"
            )
        if ref.handle not in manifest.outputs:
            cause = f"asset {context.asset_key.to_user_string()} was written to its file and not stored; read the file"
            raise StoreError(str(store.base), cause)
        frame = store.scan(manifest.outputs[ref.handle])
        wanted = context.dagster_type.typing_type
        if wanted is pl.LazyFrame:
            return frame
        if wanted is pa.Table:
            with pa.memory_map(str(store.path(manifest.outputs[ref.handle]))) as stream:
                return pa.ipc.open_file(stream).read_all()
        return collect(frame)


@cache
def shared_io_manager(base_path: str | None = None) -> FlowfileIOManager:
    """The IO manager of a folder, one object each: Dagster merges only definitions that share their resources."""
    return FlowfileIOManager(base_path=base_path)


def _instance(context: dg.InputContext | dg.OutputContext) -> dg.DagsterInstance:
    if isinstance(context, dg.InputContext):
        return context.instance
    return context.step_context.instance


def _ref_key(context: dg.InputContext | dg.OutputContext) -> Sequence[str]:
    return context.asset_key.path


def _to_polars(value: Any) -> pl.DataFrame:
    if isinstance(value, pl.DataFrame):
        return value
    if isinstance(value, pl.LazyFrame):
        return collect(value)
    frame = pl.from_arrow(value)
    if not isinstance(frame, pl.DataFrame):
        raise TypeError(f"cannot store a {type(value).__name__}; return a Polars frame or an Arrow table")
    return frame
