"""What a fork server imports before it forks: the modules that every step needs. Imports, and no work on data.

Give its name to Dagster's multiprocess executor::

    multiprocess_executor.configured(
        {"start_method": {"forkserver": {"preload_modules": ["flowfile_dagster.preload"]}}}
    )

Polars may be imported here but must not be used: a process forked after a plan was made or run waits for ever.
"""

import os
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from flowfile_dagster.sizing import threads_per_step

# Polars reads it once, when it is imported; the fork server runs in a process of its own, so nobody else is affected.
os.environ.setdefault("POLARS_MAX_THREADS", str(threads_per_step(os.cpu_count() or 1)))

import alembic.command
import dagster
import polars
import pyarrow
import sqlalchemy.orm

import flowfile_dagster.orchestration.definitions
from flowfile_dagster.compat import prediction_versions
from flowfile_dagster.nodes import node_type_names

#: What a step of Dagster's multiprocess executor imports besides: most of it belongs to its instance. Nothing is public
#: that would import it, so the names are texts, and one that another version of Dagster does not have is left out.
_OF_A_STEP = (
    "dagster._core.definitions.external_asset",
    "dagster._core.definitions.repository_definition.repository_data_builder",
    "dagster._core.executor.multiprocess",
    "dagster._core.instance.factory",
    "dagster._core.instance.runs.run_domain",
    "dagster._core.launcher.default_run_launcher",
    "dagster._core.remote_representation",
    "dagster._core.run_coordinator.default_run_coordinator",
    "dagster._core.secrets.env_file",
    "dagster._core.storage.fs_io_manager",
    "dagster._core.storage.local_compute_log_manager",
    "dagster._core.storage.root",
    "dagster._core.storage.migration.utils",
    "dagster._core.storage.sqlite_storage",
    "dagster._core.system_config.composite_descent",
    "dagster._core.types.primitive_mapping",
    "dagster._core.types.transform_typing",
    "dagster._core.workspace.autodiscovery",
    "dagster._grpc.impl",
    "dagster._scheduler.scheduler",
    "dagster._utils.test.definitions",
    "upath.implementations.local",
)
for _name in _OF_A_STEP:
    with suppress(ImportError):
        import_module(_name)

# Our own node types only: what third parties bring is not ours to run here.
for _path in sorted((Path(__file__).parent / "nodes").glob("[_a-z]*.py")):
    import_module(f"flowfile_dagster.nodes.{_path.stem}")

# Every step asks these; to answer, every installed package's metadata is read.
prediction_versions()
node_type_names()

__all__ = ["alembic", "dagster", "flowfile_dagster", "polars", "pyarrow", "sqlalchemy"]
