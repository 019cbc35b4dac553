"""Nodes and flows that were renamed: Dagster knows an asset by its key alone, so a new key begins a new history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flowfile_dagster.compile.form import CompiledFlow
from flowfile_dagster.errors import ConfigError
from flowfile_dagster.orchestration.project.place import FlowPlace


@dataclass(frozen=True)
class Renames:
    """What had another name before.

    Attributes:
        old_names: ``flow/node``, or ``flow`` for all of its nodes, to what it was called when its history began; a
            flow in a folder is ``folder/flow``.
    """

    old_names: Mapping[str, str] = field(default_factory=dict[str, str])

    def history_path(self, place: FlowPlace, node_name: str) -> tuple[str, ...]:
        """The names under which a node's history is kept: folders, flow, node."""
        if not self.old_names:
            return (*place.key_prefix, node_name)
        if (old := self.old_names.get(f"{place.group}/{node_name}")) is not None:
            return tuple(old.split("/"))
        return (*self.old_names.get(place.group, place.group).split("/"), node_name)

    def refuse_unknown_names(self, flows: Mapping[FlowPlace, CompiledFlow]) -> None:
        """Raise a `ConfigError` for a new name that nothing has."""
        if not self.old_names:
            return
        groups = {place.group: flow for place, flow in flows.items()}
        known = {f"{group}/{node.name}" for group, flow in groups.items() for node in flow.nodes} | set(groups)
        for new in self.old_names:
            if new not in known:
                cause = f"nothing is called {new!r}; say the new name first: {{new name: old name}}"
                raise ConfigError(new.rpartition("/")[0] or new, "renames", cause)
