"""From document to graph: types looked up, settings validated, parameters filled in, edges wired."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from flowfile_dagster.contract.node_type import NodeType
from flowfile_dagster.contract.settings import NodeSettings
from flowfile_dagster.errors import (
    CAUSE_CHARACTERS,
    FlowFileError,
    NodeProblem,
    Problem,
    SettingsError,
    shortened,
    without_secrets,
)
from flowfile_dagster.flow.document import (
    FlowDocument,
    NodeEntry,
    NodeGroup,
    explain_validation,
    field_path,
    parse_document,
)
from flowfile_dagster.flow.graph import FlowGraph, FlowNode, in_order
from flowfile_dagster.flow.names import node_names
from flowfile_dagster.flow.outside import lost_files
from flowfile_dagster.flow.parameters import (
    References,
    check_definitions,
    definitions_by_name,
    resolve_values,
    substitute,
)
from flowfile_dagster.flow.text import read_flow_text
from flowfile_dagster.flow.wiring import Socket, Wiring, wire
from flowfile_dagster.nodes import find_node_type


def read_graph(path: Path, *, parameters: Mapping[str, object] | None = None, root: Path | None = None) -> FlowGraph:
    """Read a flow file and resolve it.

    Raises:
        FlowFileError: the file cannot be read as a flow.
        ParameterError: a parameter is unknown or has a value of another type.
    """
    return resolve_graph(parse_document(read_flow_text(path)), parameters=parameters, root=root)


def resolve_graph(
    document: FlowDocument,
    *,
    parameters: Mapping[str, object] | None = None,
    root: Path | None = None,
    sound: Collection[int] = (),
) -> FlowGraph:
    """The graph of a document. A node that is wrong keeps its place and says so in `FlowNode.problem`.

    Args:
        document: the flow.
        parameters: values of its parameters.
        root: the folder that relative paths stand under; default: that of the flow file, then the current one.
        sound: nodes that could run when the document was resolved before. Their settings are not checked again unless
            parameters stand in them.

    Raises:
        FlowFileError: the nodes form a cycle, two have one name, as inputs or outputs of the flow too, or a parameter's
            definition contradicts itself.
        ParameterError: a parameter is unknown or has a value of another type.
    """
    check_definitions(document)
    values = resolve_values(document, parameters or {})
    references = References(values)
    parsed = {
        entry.node_id: _parse_settings(entry, references, is_sound=entry.node_id in sound) for entry in document.nodes
    }
    wirings = wire(document, {node_id: settings.socket for node_id, settings in parsed.items()})
    groups = {group.group_id: group for group in document.groups}
    nodes = {
        entry.node_id: _node(entry, parsed[entry.node_id], wirings[entry.node_id], groups, document)
        for entry in document.nodes
    }
    folder = document.path.parent.resolve()
    graph = FlowGraph(
        name=document.name,
        path=document.path,
        content_hash=document.content_hash,
        nodes=in_order(nodes, document.path),
        parameters=values,
        definitions=definitions_by_name(document),
        execution_mode="development" if document.settings.execution_mode == "Development" else "performance",
        roots=(folder, Path.cwd()) if root is None else (root.resolve(),),
        description=without_secrets(document.settings.description or ""),
    )
    node_names(graph)
    _refuse_equal_fields(graph)
    lost = lost_files(graph)
    kept = {node_id: replace(node, problem=lost.get(node_id, node.problem)) for node_id, node in graph.nodes.items()}
    return replace(graph, nodes=kept) if lost else graph


@dataclass(frozen=True)
class _ParsedSettings:
    kind: NodeType[Any]
    settings: NodeSettings | None
    problem: str | None
    socket: Socket


def _without_settings(kind: NodeType[Any], problem: str) -> _ParsedSettings:
    return _ParsedSettings(kind, None, problem, Socket(kind.ports, kind.traits, None))


def _parse_settings(entry: NodeEntry, references: References, *, is_sound: bool) -> _ParsedSettings:
    given = entry.setting_input or {}
    kind = find_node_type(entry.node_type, is_user_defined=bool(given.get("is_user_defined")))
    if entry.setting_input is None:
        return _without_settings(kind, "setting_input: the node has not been configured in Flowfile")
    try:
        stated = kind.Settings.model_validate(entry.setting_input)
        settings = substitute(stated, references)
        socket = Socket(kind.ports, kind.traits_of(settings), len(kind.handles(settings)))
    except ValidationError as error:
        item = error.errors()[0]
        return _without_settings(kind, f"setting_input.{field_path(item['loc'])}: {explain_validation(item)}")
    except SettingsError as error:
        return _without_settings(kind, f"setting_input.{error}")
    except Exception as error:  # noqa: BLE001  a third party's node type must not take down the flow
        return _without_settings(kind, f"setting_input: {type(error).__name__}: {error}")
    if is_sound and settings is stated:
        return _ParsedSettings(kind, settings, None, socket)
    try:
        kind.check(settings)
    except NodeProblem as problem:
        return _ParsedSettings(kind, settings, str(problem), socket)
    except Exception as error:  # noqa: BLE001  a third party's node type must not take down the flow
        return _without_settings(kind, f"{type(error).__name__}: {error}")
    return _ParsedSettings(kind, settings, None, socket)


def _node(
    entry: NodeEntry,
    parsed: _ParsedSettings,
    wiring: Wiring,
    groups: Mapping[int, NodeGroup],
    document: FlowDocument,
) -> FlowNode:
    group = groups.get(entry.group_id) if entry.group_id is not None else None
    problem = parsed.problem or wiring.problem
    return FlowNode(
        node_id=entry.node_id,
        node_type=entry.node_type,
        kind=parsed.kind,
        settings=parsed.settings,
        inputs=wiring.inputs,
        reference=entry.node_reference,
        description=without_secrets(entry.description or ""),
        problem=None if problem is None else shortened(without_secrets(problem), CAUSE_CHARACTERS),
        position=(entry.x_position or 0, entry.y_position or 0),
        group=group.name if group else None,
        line=document.node_lines.get(entry.node_id),
    )


def _refuse_equal_fields(graph: FlowGraph) -> None:
    taken: dict[tuple[str, Any], int] = {}
    for node_id, node in graph.nodes.items():
        if (field := node.kind.unique_field) is not None and node.settings is not None:
            value = getattr(node.settings, field)
            first = taken.setdefault((node.node_type, value), node_id)
            if first != node_id:
                cause = f"{value!r} is taken by node {first}; give one of the two another name"
                raise FlowFileError(str(graph.path), [Problem(f"setting_input.{field}", cause, node_id, node.line)])
