"""Runs that have not ended, and never will: their process is gone, and the code server that would have told is, too."""

from __future__ import annotations

import os

import dagster as dg

#: Dagster's tag of the code server that started a run as a child process, on the machine that evaluates schedules, too.
STARTED_BY_CODE_SERVER = ".dagster/grpc_info"


def is_dead(run: dg.DagsterRun, instance: dg.DagsterInstance) -> bool:
    """Whether the process of a run is known to be gone; where it cannot be seen from here, it is taken to be there."""
    if (
        os.name != "posix"
        or not isinstance(instance.run_launcher, dg.DefaultRunLauncher)
        or STARTED_BY_CODE_SERVER not in run.tags
    ):
        return False
    pids = _process_ids(run, instance)
    return bool(pids) and not any(map(_is_alive, pids))


def _process_ids(run: dg.DagsterRun, instance: dg.DagsterInstance) -> set[int]:
    """The processes that said of themselves that they execute the run."""
    events = [entry.dagster_event for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)]
    told = [event.engine_event_data.metadata.get("pid") for event in events if event is not None]
    return {int(str(pid.value)) for pid in told if pid is not None}


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is somebody else's
        pass
    return True
