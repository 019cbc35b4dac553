"""The result store as a Dagster IO manager."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args, get_origin

import dagster as dg
import polars as pl
import pyarrow as pa

from flowfile_dagster.engine.collect import collect
from flowfile_dagster.errors import ConfigError, StoreError
from flowfile_dagster.orchestration.specs.translator import IO_MANAGER_KEY
from flowfile_dagster.plan.node_hash import canonical_hash
from flowfile_dagster.store.index import StoredTable
from flowfile_dagster.store.refs import Ref, of_partition
from flowfile_dagster.store.store import ResultStore

STORE_FOLDER = "flowfile"

#: What an input may be given as.
Loaded: TypeAlias = pl.LazyFrame | pl.DataFrame | pa.Table
#: A value for fsspec, or the name of an environment variable: ``{env: NAME}``, as in Dagster's own configuration.
StorageOption: TypeAlias = str | dict[Literal["env"], str]


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
        base_path: the folder of the store, or the URL of a prefix in an object store (``s3://bucket/prefix``);
            default: ``flowfile`` in the instance's storage folder.
        read_from: a second store, folder or URL, whose results are used where this one has none, such as production's
            for a branch. It is never written to.
        storage_options: what fsspec wants to know for URLs, such as ``{"key": EnvVar("S3_KEY")}``; default: the
            environment tells.
    """

    base_path: str | None = None
    read_from: str | None = None
    storage_options: dict[str, str] | None = None

    def open_store(self, instance: dg.DagsterInstance) -> ResultStore:
        """The store that this IO manager keeps results in.

        Raises:
            StoreError: a URL cannot be used.
            MissingExtraError: the library for a URL is not installed.
        """
        location = self.base_path or Path(instance.storage_directory()) / STORE_FOLDER
        return ResultStore(location, read_from=self.read_from, options=self.storage_options)

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Make the result the latest of its asset, or of its partition; store it first if it is a frame.

        For several partitions at once, `obj` is a mapping from partition keys to frames.
        """
        if obj is None:  # what is there is an older result, which a reader would take for this one
            raise TypeError(
                "there is no result to store: return a frame, or annotate the asset '-> None' if it has none"
            )
        store = self.open_store(_instance(context)).of_run(context.run_id)
        if isinstance(obj, StoredResult):
            publish_result(store, context.asset_key, _only_partition(context), obj, context.run_id)
            return
        stored: list[StoredTable] = []
        for partition, frame in _by_partition(context, obj).items():
            table = store.write(_to_polars(frame))
            node_hash = canonical_hash({"asset": "/".join(context.asset_key.path), "content": table.content_hash})
            store.record([node_hash], {"output-0": table})
            publish_result(store, context.asset_key, partition, StoredResult(node_hash, "output-0"), context.run_id)
            stored.append(table)
        rows, size = sum(table.rows for table in stored), sum(table.bytes for table in stored)
        context.add_output_metadata({"dagster/row_count": rows, "dagster/size_bytes": size})

    def load_input(self, context: dg.InputContext) -> Loaded | dict[str, Loaded]:
        """The latest result of an asset: a lazy scan, a frame or an Arrow table, by the input's annotation.

        Of several partitions, annotated as ``dict[str, …]``, the result of each by its key, else their rows one after
        another. With ``allow_missing_partitions`` in the input's metadata, partitions without a result are left out.

        Raises:
            StoreError: the asset, or one of the partitions, has no stored result.
        """
        store = self.open_store(_instance(context)).of_run(_run_id(context))
        wanted = context.dagster_type.typing_type
        if not context.has_asset_partitions:
            return _read(store, _find(store, context.asset_key, None), wanted)
        keys = context.asset_partition_keys
        if (context.definition_metadata or {}).get("allow_missing_partitions"):
            keys = [key for key in keys if store.latest(ref_key(context.asset_key, key)) is not None]
        tables = {key: _find(store, context.asset_key, key) for key in keys}
        if get_origin(wanted) is dict:
            return {key: _read(store, table, get_args(wanted)[1]) for key, table in tables.items()}
        if len(tables) == 1:
            return _read(store, next(iter(tables.values())), wanted)
        return _concatenate(store, tables, wanted)


def io_manager_of(resources: Any) -> FlowfileIOManager:
    """What a step keeps results with, by all of the step's resources.

    Raises:
        ConfigError: something else stands in its place, as it does in `dagster.materialize_to_memory`.
    """
    found = resources.original_resource_dict[IO_MANAGER_KEY]
    if not isinstance(found, FlowfileIOManager):
        cause = f"only a FlowfileIOManager keeps results of flows, and this is {type(found).__name__}"
        raise ConfigError(None, f"resources.{IO_MANAGER_KEY}", cause)
    return found


def ref_key(asset_key: dg.AssetKey, partition: str | None) -> Sequence[str]:
    """The key in the store of an asset's latest result, or of the latest result of one of its partitions."""
    return of_partition(asset_key.path, partition)


def publish_result(
    store: ResultStore, asset_key: dg.AssetKey, partition: str | None, result: StoredResult, run_id: str
) -> None:
    """Make a stored result the latest of an asset, or of one of its partitions."""
    store.publish(ref_key(asset_key, partition), Ref(result.node_hash, result.handle, run_id))


def _find(store: ResultStore, asset_key: dg.AssetKey, partition: str | None) -> StoredTable:
    name = asset_key.to_user_string() if partition is None else f"{asset_key.to_user_string()}, partition {partition},"
    ref = store.latest(ref_key(asset_key, partition))
    manifest = None if ref is None else store.find(ref.node_hash)
    if ref is not None and manifest is not None and ref.handle in manifest.outputs:
        return manifest.outputs[ref.handle]
    if manifest is not None:
        cause = "was written to its file and not stored; read the file"
    elif ref is not None and ref.node_hash in store.damages:
        cause = f"has a result that cannot be used, {store.damages[ref.node_hash]}; materialize it again"
    else:
        cause = "has no result; materialize it"
    raise StoreError(store.location, f"asset {name} {cause}")


def _read(store: ResultStore, table: StoredTable, wanted: object) -> Loaded:
    if wanted is pl.LazyFrame:
        return store.scan(table)
    if wanted is pa.Table:
        with pa.memory_map(str(store.path(table))) as stream:
            return pa.ipc.open_file(stream).read_all()
    return collect(store.scan(table))


def _concatenate(store: ResultStore, tables: Mapping[str, StoredTable], wanted: object) -> Loaded:
    if wanted is pa.Table:
        return pa.concat_tables(_read(store, table, pa.Table) for table in tables.values())
    frames = [store.scan(table) for table in tables.values()]
    frame = pl.concat(frames, how="vertical") if frames else pl.LazyFrame()
    return frame if wanted is pl.LazyFrame else collect(frame)


def shared_io_manager(
    base_path: str | None = None,
    read_from: str | None = None,
    storage_options: Mapping[str, StorageOption] | None = None,
) -> FlowfileIOManager:
    """The IO manager of a store, one object each: Dagster merges only definitions that share their resources."""
    return _shared_io_manager(base_path, read_from, json.dumps(storage_options or {}, sort_keys=True))


@cache
def _shared_io_manager(base_path: str | None, read_from: str | None, storage_options: str) -> FlowfileIOManager:
    given: dict[str, StorageOption] = json.loads(storage_options)
    options = {name: value if isinstance(value, str) else dg.EnvVar(value["env"]) for name, value in given.items()}
    return FlowfileIOManager(base_path=base_path, read_from=read_from, storage_options=options or None)


def _instance(context: dg.InputContext | dg.OutputContext) -> dg.DagsterInstance:
    if isinstance(context, dg.InputContext):
        return context.instance
    return context.step_context.instance


def _run_id(context: dg.InputContext) -> str:
    """The run that wants an input; empty text for one that is loaded outside of any."""
    try:
        return context.step_context.run_id
    except dg.DagsterInvariantViolationError:
        return ""


def _only_partition(context: dg.OutputContext) -> str | None:
    return context.asset_partition_key if context.has_asset_partitions else None


def _by_partition(context: dg.OutputContext, value: object) -> Mapping[str | None, object]:
    """The frames of an output by partition.

    Raises:
        TypeError: the output is of several partitions, and is not one frame for each.
    """
    if not context.has_asset_partitions:
        return {None: value}
    keys = context.asset_partition_keys
    if isinstance(value, Mapping):
        frames: dict[str, object] = dict(value)
        if set(frames) == set(keys):
            return {key: frames[key] for key in keys}
    elif len(keys) == 1:
        return {keys[0]: value}
    raise TypeError(
        f"an output of {len(keys)} partitions is a mapping with a frame for each of them: {', '.join(keys)}"
    )


def _to_polars(value: Any) -> pl.DataFrame:
    if isinstance(value, pl.DataFrame):
        return value
    if isinstance(value, pl.LazyFrame):
        return collect(value)
    try:
        frame: object = pl.from_arrow(value)
    except (TypeError, pl.exceptions.PolarsError):
        frame = None
    if not isinstance(frame, pl.DataFrame):
        raise TypeError(f"cannot store a {type(value).__name__}; return a Polars frame or an Arrow table")
    return frame
