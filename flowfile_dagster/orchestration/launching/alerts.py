"""Alerts: who wants to know is told which flow and node went wrong, why, and in which run."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal, TypeAlias

import dagster as dg

from flowfile_dagster.orchestration.launching.target import TICK
from flowfile_dagster.orchestration.project.launch_config import AlertKind
from flowfile_dagster.orchestration.specs.checks import BLOCKING_CHECK
from flowfile_dagster.orchestration.steps.step import ALSO_FAILED

_RunEnd: TypeAlias = Literal[dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_SUCCESS]
_ENDED: tuple[_RunEnd, ...] = (dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_SUCCESS)
_RUNS_PER_TICK = 20
#: The first line of every failure of a node: flow / node id / type / name: cause.
_FAILURE = re.compile(r"(?P<flow>[^/\n]+) / (?P<node>\d+ / [^:\n]+): (?P<cause>.+)")


@dataclass(frozen=True)
class FlowAlert:
    """What went wrong.

    Attributes:
        kind: ``failure`` of a node or run, or a failed ``check``.
        flow: the flow; of a run that failed outside of flows, the job.
        node: the node: id, type and name, or the asset of a check; None where no node is to blame.
        cause: in one line.
        run_id: the run.
        run_url: its page, if the address of the web server is known.
        partition: the partition that the run was for; of a run over several, the cause names them.
    """

    kind: AlertKind
    flow: str
    node: str | None
    cause: str
    run_id: str
    run_url: str | None = None
    partition: str | None = None

    @property
    def text(self) -> str:
        """The alert as a message."""
        what = "check failed" if self.kind == "check" else "failed"
        where = self.flow if self.node is None else f"{self.flow} / {self.node}"
        where += f" (partition {self.partition})" if self.partition else ""
        return f"{where} {what}: {self.cause}" + (f"\n{self.run_url}" if self.run_url else "")


def flowfile_alert_sensor(
    hook: Callable[[FlowAlert], object] | str,
    *,
    kinds: Collection[AlertKind] = ("failure", "check"),
    base_url: str | None = None,
    name: str = "flowfile_alerts",
    status: Literal["running", "stopped"] = "running",
) -> dg.SensorDefinition:
    """A sensor that tells of each node that failed and each check that did not pass, once their run has ended.

    Args:
        hook: is called with each alert; or an address, to which it is posted as JSON. Where it fails, the sensor's
            tick fails, and the alerts of that run are tried again at the next one.
        kinds: what to tell.
        base_url: the address of Dagster's web server, for links to runs.
        name: the name of the sensor.
        status: ``running``, or ``stopped`` until someone turns it on. What happened before is not told.
    """
    call = _poster(hook) if isinstance(hook, str) else hook

    def tell(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        cursor: dict[str, int] = json.loads(context.cursor) if context.cursor else _latest_ends(context.instance)
        ended = list(_ended_runs(context.instance, cursor))
        told = 0
        for index, (event_type, storage_id, run_id) in enumerate(ended):
            alerts = [alert for alert in find_alerts(context.instance, run_id, base_url) if _is_wanted(alert, kinds)]
            try:
                for alert in alerts:
                    call(alert)
            except Exception:
                if index == 0:
                    raise
                context.log.exception(f"the alerts of run {run_id} could not be told, and will be tried again")
                break
            told += len(alerts)
            cursor[event_type] = storage_id
        context.update_cursor(json.dumps(cursor))
        return dg.SkipReason(f"{told} alerts from {len(ended)} runs")

    return dg.SensorDefinition(
        name=name,
        evaluation_fn=tell,
        minimum_interval_seconds=TICK,
        default_status=dg.DefaultSensorStatus(status.upper()),
        description="tells of nodes that failed and checks that did not pass",
    )


def _is_wanted(alert: FlowAlert, kinds: Collection[AlertKind]) -> bool:
    """Whether an alert is to be told. A blocking check fails its node, too, and is told once: as the check."""
    is_told_as_check = alert.kind == "failure" and alert.cause.startswith(BLOCKING_CHECK) and "check" in kinds
    return alert.kind in kinds and not is_told_as_check


def find_alerts(instance: dg.DagsterInstance, run_id: str, base_url: str | None = None) -> list[FlowAlert]:
    """What went wrong in a run that has ended."""
    url = None if base_url is None else f"{base_url.rstrip('/')}/runs/{run_id}"
    kinds = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.ASSET_CHECK_EVALUATION}
    events = [entry.dagster_event for entry in instance.all_logs(run_id, of_type=kinds) if entry.dagster_event]
    run = instance.get_run_by_id(run_id)
    partition = None if run is None else run.tags.get("dagster/partition")
    found = [
        replace(alert, run_url=url, partition=partition) for event in events for alert in _alerts_of(event, run_id)
    ]
    if run is None or run.status is not dg.DagsterRunStatus.FAILURE or any(item.kind == "failure" for item in found):
        return found
    ends = instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    cause = next((entry.dagster_event.message for entry in ends if entry.dagster_event), None) or "the run failed"
    return [*found, FlowAlert("failure", run.job_name, None, cause.partition("\n")[0], run_id, url, partition)]


def _alerts_of(event: dg.DagsterEvent, run_id: str) -> Iterator[FlowAlert]:
    if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        check = event.asset_check_evaluation_data
        if not check.passed:
            *flow, node = check.asset_key.path
            cause = f"{check.check_name}: {check.description}" if check.description else check.check_name
            yield FlowAlert("check", "/".join(flow), node, cause, run_id)
        return
    causes: dict[tuple[str, str | None, bool], list[str]] = {}
    for line in _failure_lines(event):
        found = _FAILURE.fullmatch(line)
        where = (event.step_key or event.job_name, None) if found is None else (found["flow"], found["node"])
        cause = line if found is None else found["cause"]
        causes.setdefault((*where, cause.startswith(BLOCKING_CHECK)), []).append(cause)
    for (owner, failed, _), (cause, *more) in causes.items():
        # A step over many partitions may fail at one node in each of them.
        text = f"{cause} (and {len(more)} more)" if more else cause
        yield FlowAlert("failure", owner, failed, text, run_id)


def _failure_lines(event: dg.DagsterEvent) -> list[str]:
    """A line for each node that failed in a step."""
    failure = event.step_failure_data
    told = failure.user_failure_data.description if failure.user_failure_data else None
    text = told or (failure.error.message if failure.error else "") or "the step failed"
    first, *others = text.strip().splitlines()
    return [first, *(line.removeprefix(ALSO_FAILED) for line in others if line.startswith(ALSO_FAILED))]


def _ended_runs(instance: dg.DagsterInstance, cursor: Mapping[str, int]) -> Iterator[tuple[str, int, str]]:
    """Event type, storage id and run of the runs that have ended since, oldest first within a type."""
    for event_type in _ENDED:
        wanted = dg.RunStatusChangeRecordsFilter(event_type, after_storage_id=cursor[event_type.value])
        for record in instance.fetch_run_status_changes(wanted, limit=_RUNS_PER_TICK, ascending=True).records:
            yield event_type.value, record.storage_id, record.run_id


def _latest_ends(instance: dg.DagsterInstance) -> dict[str, int]:
    latest = {item.value: instance.fetch_run_status_changes(item, limit=1).records for item in _ENDED}
    return {name: records[0].storage_id if records else 0 for name, records in latest.items()}


def _poster(address: str) -> Callable[[FlowAlert], None]:
    def post(alert: FlowAlert) -> None:
        body = json.dumps({"text": alert.text, **asdict(alert)}).encode()
        request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10):
            pass

    return post
