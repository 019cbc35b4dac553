"""Dagster's multiprocess executor, set up for segments that each use several threads."""

from __future__ import annotations

import os
from typing import Any

import dagster as dg

from flowfile_dagster.orchestration.steps.step import ALSO_FAILED, COMPUTING
from flowfile_dagster.sizing import steps_at_once

#: What Dagster raises where a step's process is gone.
_CRASH = "ChildProcessCrashException"
_STOCK = dg.multiprocess_executor


def _create(context: dg.InitExecutorContext) -> dg.Executor:
    """Dagster's executor, whose failures of steps that were killed name the nodes that were computed."""
    executor: dg.Executor = _STOCK.executor_creation_fn(context)  # type: ignore[misc]
    tell = executor.log_failure_or_retry_event_after_error

    def tell_nodes(step: Any, error: Any, known_state: Any) -> dg.DagsterEvent:
        nodes = _nodes_of(step) if error.cls_name == _CRASH else ""
        return tell(step, error._replace(message=nodes) if nodes else error, known_state)

    # The event is written where it is made, so nobody could add to it later.
    executor.log_failure_or_retry_event_after_error = tell_nodes  # type: ignore[assignment, method-assign]
    return executor


def _nodes_of(step: Any) -> str:
    """What the process of a step computed at the end, a line for each segment, or what it had computed before.

    That is what the step has logged: in development only what takes long.
    """
    log = [entry for entry in step.instance.all_logs(step.run_id) if entry.step_key == step.step.key]
    for entry in reversed(log):
        text: str = entry.user_message
        if COMPUTING in text:
            return text.replace(COMPUTING, ": its process died while computing ").replace("\n", f"\n{ALSO_FAILED}")
        if entry.asset_materialization is not None:
            return f"{entry.asset_materialization.asset_key.to_user_string()}: the process died after this was computed"
    return ""


_multiprocess = dg.ExecutorDefinition(
    name="flowfile_executor",
    config_schema=_STOCK.config_schema,  # type: ignore[arg-type]
    requirements=dg.multiple_process_executor_requirements(),
    executor_creation_fn=_create,
)

flowfile_executor: dg.ExecutorDefinition = _multiprocess.configured(
    {
        "max_concurrent": steps_at_once(os.cpu_count() or 1),
        "start_method": {"forkserver": {"preload_modules": ["flowfile_dagster.preload"]}},
    },
    name="flowfile_executor",
    description="Dagster's multiprocess executor: half as many steps at once as there are cores, each a fork of one "
    "process that has everything imported.",
)
