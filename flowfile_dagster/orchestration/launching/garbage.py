"""Garbage collection of the result store as a scheduled Dagster job."""

# No postponed annotations here: Dagster reads the annotation of the op's context as an object.

from datetime import timedelta

import dagster as dg

from flowfile_dagster.orchestration.specs.translator import IO_MANAGER_KEY
from flowfile_dagster.orchestration.steps.io_manager import io_manager_of
from flowfile_dagster.store.garbage import DEFAULT_GRACE, Policy, collect_garbage


def build_gc_schedule(
    cron_schedule: str = "0 3 * * *",
    *,
    keep_last: int | None = None,
    max_age: timedelta | None = None,
    max_bytes: int | None = None,
    grace: timedelta = timedelta(seconds=DEFAULT_GRACE),
) -> dg.ScheduleDefinition:
    """A schedule, off until it is switched on, that removes results which nothing needs any more.

    What the latest materializations are made of always stays.

    Args:
        cron_schedule: when; default: every night at three.
        keep_last: keep this many latest results of each asset; without another limit, everything else goes.
        max_age: remove what was not used for so long.
        max_bytes: remove the oldest until the data files have this size.
        grace: what is younger stays, for it may belong to a run at work: longer than the longest run.
    """
    policy = Policy(keep_last, None if max_age is None else max_age.total_seconds(), max_bytes, grace.total_seconds())

    @dg.op(required_resource_keys={IO_MANAGER_KEY}, out=dg.Out(dg.Nothing))
    def remove_old_results(context: dg.OpExecutionContext) -> None:
        io_manager = io_manager_of(context.resources)
        collection = collect_garbage(io_manager.open_store(context.instance), policy)
        context.log.info(
            f"{len(collection.removals)} files, {collection.bytes_removed:,} bytes removed; "
            f"{collection.bytes_kept:,} bytes of data stay"
        )

    @dg.job(name="flowfile_gc", description="Removes results that nothing needs any more.")
    def collect_flowfile_garbage() -> None:
        remove_old_results()

    return dg.ScheduleDefinition(job=collect_flowfile_garbage, cron_schedule=cron_schedule)
