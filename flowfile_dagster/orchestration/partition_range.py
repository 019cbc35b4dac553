"""One step over one or several partitions: each is a run of the flow by itself, and is told as soon as it is done.

Dagster expects one output per asset for the whole range, and would tell the same data version and metadata for all
of its partitions, also for those that failed. So the step tells the partitions itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import dagster as dg

from flowfile_dagster.errors import FlowfileDagsterError
from flowfile_dagster.orchestration.io_manager import StoredResult, publish_result
from flowfile_dagster.store.store import ResultStore

#: With this entry in its metadata, Dagster takes an output as done and tells no materialization of its own for it
#: (`_log_materialization_or_observation_events_for_asset`). There is no public way to say so. Should it go, each
#: partition would be told a second time, at the end.
_ALREADY_TOLD = {"__source_asset_observation__": True}

#: Runs the flow for one partition.
RunPartition: TypeAlias = Callable[[str], Iterator[dg.MaterializeResult[StoredResult]]]


def run_partitions(
    context: dg.AssetExecutionContext, run: RunPartition, store: ResultStore, keys: Sequence[dg.AssetKey]
) -> Iterator[dg.MaterializeResult[StoredResult]]:
    """Run the partition of a run, or those of its range one after another; one that fails leaves the others alone.

    Args:
        context: of the step.
        run: gives what comes of one partition; raises if a part of it failed.
        store: where results are.
        keys: all assets of the step, each after those that it depends on.

    Yields:
        The results of a single partition; of a range, the assets of which every partition is there, so that the
        steps that need them can go on.

    Raises:
        Failure: the run has no partition, or at the end, if any partition failed; it names each.
    """
    if context.has_partition_key:
        yield from run(context.partition_keys[0])
        return
    if not context.has_partition_key_range:
        raise dg.Failure("the flow is partitioned: choose a partition, or several, for the run", allow_retries=False)
    done: Counter[dg.AssetKey] = Counter()
    failures: list[str] = []
    partitions = context.partition_keys
    for partition in partitions:
        try:
            for result in run(partition):
                _tell(context, store, result, partition)
                done[_key(result)] += 1
        except (dg.Failure, FlowfileDagsterError) as error:
            cause = error.description if isinstance(error, dg.Failure) else str(error)
            failures.append(f"{cause} (partition {partition})")
    for key in keys:
        if done[key] == len(partitions):
            yield dg.MaterializeResult(asset_key=key, metadata=_ALREADY_TOLD)
    if failures:
        count = f"{len(failures)} of {len(partitions)} partitions failed; the others are materialized"
        raise dg.Failure("\n".join([*failures, count]), allow_retries=False)


def _tell(
    context: dg.AssetExecutionContext, store: ResultStore, result: dg.MaterializeResult[StoredResult], partition: str
) -> None:
    key = _key(result)
    publish_result(store, key, partition, result.value, context.run_id)
    tags = dict(result.tags or {})
    if result.data_version is not None:
        tags["dagster/data_version"] = result.data_version.value
    if isinstance(partition, dg.MultiPartitionKey):
        tags |= {f"dagster/partition/{name}": part for name, part in partition.keys_by_dimension.items()}
    context.log_event(dg.AssetMaterialization(key, partition=partition, metadata=result.metadata, tags=tags))


def _key(result: dg.MaterializeResult[StoredResult]) -> dg.AssetKey:
    return dg.AssetKey.from_coercible(result.asset_key or ())
