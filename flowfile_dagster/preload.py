"""What a fork server imports before it forks: the modules that every step needs. Imports only, no work.

Give its name to Dagster's multiprocess executor::

    multiprocess_executor.configured(
        {"start_method": {"forkserver": {"preload_modules": ["flowfile_dagster.preload"]}}}
    )

Polars may be imported here but must not be used: a process forked after a plan was made or run waits for ever.
"""

import os

from flowfile_dagster.sizing import threads_per_step

# Polars reads it once, when it is imported; the fork server runs in a process of its own, so nobody else is affected.
os.environ.setdefault("POLARS_MAX_THREADS", str(threads_per_step(os.cpu_count() or 1)))

import alembic.command
import dagster
import polars
import pyarrow
import sqlalchemy.orm

import flowfile_dagster.orchestration.definitions

__all__ = ["alembic", "dagster", "flowfile_dagster", "polars", "pyarrow", "sqlalchemy"]
