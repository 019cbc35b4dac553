"""One step over one or several partitions: each is a run of the flow by itself, and is told as soon as it is done.

Dagster expects one output per asset for the whole range, and would tell the same data version and metadata for all
of its partitions, also for those that failed. So the step tells the partitions itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import dagster as dg

from flowfile_dagster.errors import FlowfileDagsterError
from flowfile_dagster.orchestration.steps.history import DATA_VERSION_TAG
from flowfile_dagster.orchestration.steps.io_manager import StoredResult, publish_result
from flowfile_dagster.orchestration.steps.step import ALSO_FAILED, StepEvent
from flowfile_dagster.store.store import ResultStore

#: With this entry in its metadata, Dagster takes an output as done and tells no materialization of its own for it
#: (`_log_materialization_or_observation_events_for_asset`). There is no public way to say so. Should it go, each
#: partition would be told a second time, at the end.
_ALREADY_TOLD = {"__source_asset_observation__": True}

#: Runs the flow for one partition.
RunPartition: TypeAlias = Callable[[str], Iterator[StepEvent]]


def run_partitions(
    context: dg.AssetExecutionContext, run: RunPartition, store: ResultStore, keys: Sequence[dg.AssetKey]
) -> Iterator[StepEvent | dg.AssetMaterialization]:
    """Run the partition of a run, or those of its range one after another; one that fails leaves the others alone.

    Args:
        context: of the step.
        run: gives what comes of one partition; raises if a part of it failed.
        store: where results are.
        keys: all assets of the step, each after those that it depends on.

    Yields:
        The results of a single partition. Of a range, a materialization as soon as it is there, and at the end the
        assets of which every partition is there, so that the steps that need them can go on, and each check once,
        failed if it failed in any partition.

    Raises:
        Failure: the run has no partition, or at the end, if any partition failed; it names each.
    """
    if context.has_partition_key:
        yield from run(context.partition_keys[0])
        return
    if not context.has_partition_key_range:
        raise dg.Failure("the flow is partitioned: choose a partition, or several, for the run", allow_retries=False)
    told = _Told(context, store)
    failures: list[str] = []
    may_retry = False
    for partition in context.partition_keys:
        try:
            for event in run(partition):
                yield from told.tell(event, partition)
        except (dg.Failure, FlowfileDagsterError) as error:
            cause = error.description if isinstance(error, dg.Failure) else str(error)
            failures.append(_name_partition(cause or "failed", partition))
            may_retry |= not isinstance(error, dg.Failure) or error.allow_retries
    yield from told.summarize(keys)
    if failures:
        count = f"{len(failures)} of {len(context.partition_keys)} partitions failed"
        if len(failures) < len(context.partition_keys):
            count += "; the others are materialized"
        raise dg.Failure("\n".join([f"\n{ALSO_FAILED}".join(failures), count]), allow_retries=may_retry)


def _name_partition(cause: str, partition: str) -> str:
    """What went wrong in a partition; each line that tells of a node names the partition, for alerts go by these."""
    first, *others = cause.split("\n")
    place = f" (partition {partition})"
    return "\n".join([first + place, *(line + place if line.startswith(ALSO_FAILED) else line for line in others)])


@dataclass(frozen=True)
class _Told:
    """What was told of the partitions of a range, by asset and by check."""

    context: dg.AssetExecutionContext
    store: ResultStore
    done: Counter[dg.AssetKey] = field(default_factory=Counter[dg.AssetKey])
    checks: dict[tuple[dg.AssetKey, str], list[tuple[str, dg.AssetCheckResult]]] = field(default_factory=dict)

    def tell(self, event: StepEvent, partition: str) -> Iterator[dg.AssetMaterialization]:
        """Tell Dagster of a partition's result now; a check has one result for the whole range.

        What is only logged with the context would wait for the step's next output, and be lost if there is none.
        """
        if isinstance(event, dg.MaterializeResult):
            yield self._materialization(event, partition)
        for check in _checks_of(event):
            key = dg.AssetKey.from_coercible(check.asset_key or ())
            self.checks.setdefault((key, check.check_name or ""), []).append((partition, check))

    def summarize(self, keys: Sequence[dg.AssetKey]) -> Iterator[StepEvent]:
        """The assets of which every partition is there, and every check."""
        for key in keys:
            if self.done[key] == len(self.context.partition_keys):
                yield dg.MaterializeResult(asset_key=key, metadata=_ALREADY_TOLD)
        yield from (_summarize_check(results) for results in self.checks.values())

    def _materialization(self, result: dg.MaterializeResult[StoredResult], partition: str) -> dg.AssetMaterialization:
        key = dg.AssetKey.from_coercible(result.asset_key or ())
        publish_result(self.store, key, partition, result.value, self.context.run_id)
        tags = dict(result.tags or {})
        if result.data_version is not None:
            tags[DATA_VERSION_TAG] = result.data_version.value
        if isinstance(partition, dg.MultiPartitionKey):
            tags |= {f"dagster/partition/{name}": part for name, part in partition.keys_by_dimension.items()}
        self.done[key] += 1
        return dg.AssetMaterialization(key, partition=partition, metadata=result.metadata, tags=tags)


def _checks_of(event: StepEvent) -> Sequence[dg.AssetCheckResult]:
    return (event.check_results or ()) if isinstance(event, dg.MaterializeResult) else (event,)


def _summarize_check(results: Sequence[tuple[str, dg.AssetCheckResult]]) -> dg.AssetCheckResult:
    """A check over a range: what it said of the first partition in which it failed, and in which others it did."""
    failed = [(partition, check) for partition, check in results if not check.passed]
    _, told = (failed or results)[0]
    names = ", ".join(partition for partition, _ in failed)
    description = f"{told.description or 'failed'} (failed in partitions: {names})" if failed else told.description
    return told._replace(description=description)
