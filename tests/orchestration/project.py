"""A project of flow files with a Dagster instance of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
from sqlalchemy import event
from sqlalchemy.engine import Engine

from flowfile_dagster import build_definitions
from flowfile_dagster.flow.graph import ExecutionMode
from tests.factories import JsonObject, write_flow


@event.listens_for(Engine, "connect")
def _commit_without_waiting_for_the_disk(connection: Any, _: object) -> None:
    """No test outlives a power failure, and waiting takes half of a small run."""
    connection.execute("PRAGMA synchronous = OFF")


@dataclass(frozen=True)
class RunResult:
    """What a run in this process gave: materializations by the last part of the asset key."""

    is_success: bool
    metadata: dict[str, dict[str, Any]]
    data_versions: dict[str, str]
    run_id: str
    failures: list[str]

    @property
    def computed(self) -> set[str]:
        return {name for name, values in self.metadata.items() if str(values["flowfile/cache"]).startswith("miss")}


@dataclass(frozen=True)
class Project:
    folder: Path
    instance: dg.DagsterInstance
    mode: ExecutionMode | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def write(self, nodes: Sequence[JsonObject], name: str = "shop", **settings: Any) -> Path:
        return write_flow(self.folder / f"{name}.json", nodes, **settings)

    def definitions(self, **options: Any) -> dg.Definitions:
        return build_definitions(
            self.folder,
            mode=self.mode,
            compiled_folder=self.folder / ".compiled",
            **{**self.options, **options},
        )

    def run(self, names: Iterable[str] | None = None, *, flow: str = "shop") -> RunResult:
        """Materialize assets of a flow by node name; all of them by default."""
        definitions = self.definitions()
        keys = definitions.resolve_asset_graph().materializable_asset_keys
        wanted = [
            key for key in keys if key.path[0] == flow and (names is None or "/".join(key.path[1:]) in set(names))
        ]
        job = definitions.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(instance=self.instance, asset_selection=wanted, raise_on_error=False)
        events = result.get_asset_materialization_events()
        named = {
            "/".join(event.asset_key.path[1:]): event.step_materialization_data.materialization for event in events
        }
        return RunResult(
            result.success,
            {name: {key: value.value for key, value in item.metadata.items()} for name, item in named.items()},
            {name: (item.tags or {})["dagster/data_version"] for name, item in named.items()},
            result.run_id,
            [event.step_failure_data.error.message for event in result.get_step_failure_events()],
        )


@contextmanager
def open_project(folder: Path) -> Iterator[Project]:
    flows = folder / "flows"
    flows.mkdir()
    home = folder / "home"
    home.mkdir()
    with dg.instance_for_test(temp_dir=str(home)) as instance:
        yield Project(flows, instance)
