"""Columns whose values previews must not show: those that are named, and all that is made from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from flowfile_dagster.compile.form import CompiledFlow, CompiledNode, SchemaText
from flowfile_dagster.errors import ConfigError
from flowfile_dagster.orchestration.project.config import FlowConfig


@dataclass(frozen=True)
class Redaction:
    """What to hide of one output. `everything`: nobody knows which columns hold something of what is hidden."""

    columns: frozenset[str] = frozenset()
    everything: bool = False

    def __bool__(self) -> bool:
        return self.everything or bool(self.columns)

    def hides(self, column: str) -> bool:
        """Whether a column's values must not be shown."""
        return self.everything or column in self.columns


NOTHING = Redaction()
#: By (node id, handle); what is not there is shown.
Redactions: TypeAlias = Mapping[tuple[int, str], Redaction]


def find_redactions(flow: CompiledFlow, config: FlowConfig) -> Redactions:
    """What to hide of every output of a flow, by following columns through it. Opaque nodes hide everything."""
    if not config.redact and not any(node.redact for node in config.nodes.values()):
        return {}
    found: dict[tuple[int, str], Redaction] = {}
    for node in flow.nodes:
        named = config.nodes.get(node.name)
        given = {*config.redact, *(named.redact if named else ())}
        for handle in node.schemas:
            redaction = _of_output(node, handle, given, found)
            if redaction:
                found[node.node_id, handle] = redaction
    return found


def _of_output(
    node: CompiledNode, handle: str, given: set[str], found: Mapping[tuple[int, str], Redaction]
) -> Redaction:
    lineage = node.lineage.get(handle)
    if lineage is None:
        return Redaction(frozenset(given), everything=any((item.node_id, item.handle) in found for item in node.inputs))
    derived = {
        column
        for column, origins in lineage.items()
        if any(found.get((node_id, output), NOTHING).hides(name) for node_id, output, name in origins)
    }
    return Redaction(frozenset(given | derived))


def refuse_unknown_columns(group: str, flow: CompiledFlow, config: FlowConfig) -> None:
    """Raise a `ConfigError` for a column to hide that is nowhere in the flow: a slip there would show its values."""
    for name in config.redact:
        _refuse_unless_in(name, (schema for node in flow.nodes for schema in node.schemas.values()), group, "redact")
    for node in flow.nodes:
        named = config.nodes.get(node.name)
        for name in named.redact if named else ():
            _refuse_unless_in(name, node.schemas.values(), group, f"nodes.{node.name}.redact")


def refuse_hidden_names(group: str, flow: CompiledFlow, config: FlowConfig) -> None:
    """Raise a `ConfigError` where values that are to be hidden become names of columns: these are shown everywhere."""
    found = find_redactions(flow, config)
    for node in flow.nodes:
        for name in node.named_after:
            if found.get((node.inputs[0].node_id, node.inputs[0].handle), NOTHING).hides(name):
                cause = (
                    f"the values of {name!r} are to be hidden, but {node.name} makes names of columns of them, "
                    f"which are shown everywhere: change the column before {node.name}, or do not hide it"
                )
                raise ConfigError(group, "redact", cause)


def _refuse_unless_in(name: str, schemas: Iterable[SchemaText | None], group: str, field: str) -> None:
    known = list(schemas)
    columns = {column: None for schema in known for column, _ in schema or ()}
    if name not in columns and None not in known:
        raise ConfigError(group, field, f"there is no column {name!r}; columns: {', '.join(columns) or 'none'}")
