"""The flow files of a project with their places, compiled forms and configuration."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import dagster as dg

from flowfile_dagster.compile.cache import CompileCache, CompiledEntry
from flowfile_dagster.compile.form import CompiledFlow
from flowfile_dagster.errors import ConfigError
from flowfile_dagster.flow.files import find_flow_files
from flowfile_dagster.flow.graph import ExecutionMode
from flowfile_dagster.flow.names import slug
from flowfile_dagster.orchestration.project.config import FlowConfig, NodeConfig
from flowfile_dagster.orchestration.project.launch_config import Launches
from flowfile_dagster.orchestration.project.parameters import refuse_wrong_parameters
from flowfile_dagster.orchestration.project.place import FlowPlace
from flowfile_dagster.orchestration.project.redaction import refuse_hidden_names, refuse_unknown_columns
from flowfile_dagster.orchestration.project.renames import Renames


@dataclass(frozen=True)
class Project:
    """Everything that definitions are built from.

    Attributes:
        entries: the compiled flows by place.
        cache: where steps find them.
        root: the folder that relative paths stand under, if one was given.
        defaults: the configuration of flows that have none of their own.
        overrides: the configuration of single flows by group (``folder/flow``).
        sources: asset keys by path or glob of files that flows read and other parts of the project make.
        launches: schedules, triggers and alerts.
        renames: what had another name before.
        flowfile_url: where a node opens in Flowfile, see `build_definitions`.
    """

    entries: Mapping[FlowPlace, CompiledEntry]
    cache: CompileCache
    root: Path | None
    defaults: FlowConfig = field(default_factory=FlowConfig)
    overrides: Mapping[str, FlowConfig] = field(default_factory=dict[str, FlowConfig])
    sources: Mapping[str, str] = field(default_factory=dict[str, str])
    launches: Launches = field(default_factory=Launches)
    renames: Renames = field(default_factory=Renames)
    flowfile_url: str | None = None

    @cached_property
    def flows(self) -> Mapping[FlowPlace, CompiledFlow]:
        """The flows that loaded."""
        return {place: entry.flow for place, entry in self.entries.items() if isinstance(entry.flow, CompiledFlow)}

    def config_of(self, place: FlowPlace) -> FlowConfig:
        """What is said of a flow: its own words first, then those for all."""
        own = self.overrides.get(place.group)
        if own is None:
            return self.defaults
        return self.defaults.model_copy(update={name: getattr(own, name) for name in own.model_fields_set})

    def folder_of(self, place: FlowPlace) -> Path:
        """The folder that relative paths of a flow stand under first."""
        return self.root or Path(self.flows[place].path).parent

    def mode_of(self, place: FlowPlace) -> ExecutionMode:
        """How a flow runs unless the run says otherwise."""
        return self.config_of(place).mode or self.flows[place].execution_mode

    @property
    def base(self) -> Path:
        """The folder that relative paths in the configuration stand under."""
        return self.root or Path.cwd()

    def named_sources(self) -> dict[str, dg.AssetKey]:
        """The assets that stand for sources, by absolute path or glob."""
        return {str(self.base / path): dg.AssetKey.from_user_string(key) for path, key in self.sources.items()}

    def refuse_unknown_names(self) -> None:
        """Raise a `ConfigError` for the configuration of a flow, node or parameter that there is not."""
        groups = {place.group: (place, entry.flow) for place, entry in self.entries.items()}
        for group, config in self.overrides.items():
            if group not in groups:
                raise ConfigError(group, "", f"there is no such flow; flows: {', '.join(groups) or 'none'}")
            place, flow = groups[group]
            refuse_wrong_parameters(place, config, flow)
            if isinstance(flow, CompiledFlow):
                _refuse_unknown_nodes(group, config.nodes, flow)
                refuse_unknown_columns(group, flow, config)
                refuse_hidden_names(group, flow, config)
        self.renames.refuse_unknown_names(self.flows)


def _refuse_unknown_nodes(group: str, nodes: Mapping[str, NodeConfig], flow: CompiledFlow) -> None:
    known = [node.name for node in flow.nodes]
    for name in nodes:
        if name not in known:
            raise ConfigError(group, f"nodes.{name}", f"the flow has no such node; nodes: {', '.join(known)}")


def find_flows(flows: str | Path | Iterable[str | Path]) -> dict[FlowPlace, Path]:
    """Every flow file with its place, in a stable order."""
    given = [flows] if isinstance(flows, (str, Path)) else list(flows)
    found: dict[FlowPlace, Path] = {}
    for item in given:
        path = Path(item).resolve()
        for file in find_flow_files(path):
            folders = file.relative_to(path).parent.parts if path.is_dir() else ()
            place = _place(tuple(slug(part) for part in folders), file, found)
            found[place] = file
    return found


def _place(folders: tuple[str, ...], file: Path, taken: Mapping[FlowPlace, Path]) -> FlowPlace:
    """A place of its own for a file: named like the file, and where another has that name, told apart by a hash."""
    mark = hashlib.sha256("/".join((*folders, file.name)).encode(errors="backslashreplace")).hexdigest()[:8]
    names = [slug(file.stem), slug(file.name), f"{slug(file.stem)}_{mark}".strip("_")]
    if not re.search("[0-9A-Za-z]", file.stem):
        names = names[2:]
    places = [FlowPlace(folders, name) for name in names]
    return next((place for place in places if taken.get(place, file) == file), places[-1])
