"""Dagster's multiprocess executor, set up for segments that each use several threads."""

from __future__ import annotations

import os

import dagster as dg

from flowfile_dagster.sizing import steps_at_once

flowfile_executor: dg.ExecutorDefinition = dg.multiprocess_executor.configured(
    {
        "max_concurrent": steps_at_once(os.cpu_count() or 1),
        "start_method": {"forkserver": {"preload_modules": ["flowfile_dagster.preload"]}},
    },
    name="flowfile_executor",
    description="Dagster's multiprocess executor: half as many steps at once as there are cores, each a fork of one "
    "process that has everything imported.",
)
