"""A flow of one node alone, whose inputs are read from files: to reproduce what the node does, here or in Flowfile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowfile_dagster.flow.graph import FlowGraph
from flowfile_dagster.flow.text import FlowText

#: Distance on the canvas.
_STEP = 200


def excerpt(
    text: FlowText,
    graph: FlowGraph,
    node_id: int,
    files: Mapping[tuple[int, str], str],
    parameters: Mapping[str, str],
) -> dict[str, Any]:
    """The content of a flow file with one node of a flow, under the same id and with the same settings.

    Args:
        text: the flow file of the graph.
        files: the Arrow file of each input by (node id, handle), relative to the new flow file.
        parameters: values that become the defaults of the new flow's parameters.
    """
    entries = {int(entry["id"]): entry for entry in text.data["nodes"]}
    node = graph.nodes[node_id]
    ids = _reader_ids(graph, files)
    slots: dict[str, list[int]] = {"main": [], "right": [], "left": []}
    for item in node.inputs:
        slots[item.slot].append(ids[item.node_id, item.handle])
    own = {
        **{key: entries[node_id][key] for key in ("type", "description", "node_reference") if key in entries[node_id]},
        "id": node_id,
        "x_position": _STEP,
        "y_position": 0,
        "input_ids": slots["main"],
        "right_input_id": next(iter(slots["right"]), None),
        "left_input_id": next(iter(slots["left"]), None),
        "outputs": [],
        "setting_input": entries[node_id]["setting_input"],
    }
    readers = [_reader(ids[source], node_id, place, file) for place, (source, file) in enumerate(files.items())]
    envelope = {key: value for key, value in text.data.items() if key not in ("nodes", "groups", "comments")}
    if parameters:
        envelope["flowfile_settings"] = _with_defaults(envelope["flowfile_settings"], parameters)
    return {**envelope, "nodes": [*readers, own]}


def _with_defaults(settings: Mapping[str, Any], parameters: Mapping[str, str]) -> dict[str, Any]:
    definitions = [
        {**definition, "default_value": parameters.get(definition["name"], definition.get("default_value", ""))}
        for definition in settings["parameters"]
    ]
    return {**settings, "parameters": definitions}


def _reader_ids(graph: FlowGraph, files: Mapping[tuple[int, str], str]) -> dict[tuple[int, str], int]:
    """A reader takes the id of the node in whose place it stands; for a second output of it, a new one."""
    ids: dict[tuple[int, str], int] = {}
    free = max(graph.nodes) + 1
    for source in files:
        is_taken = source[0] in ids.values()
        ids[source] = free if is_taken else source[0]
        free += is_taken
    return ids


def _reader(reader_id: int, node_id: int, place: int, file: str) -> dict[str, Any]:
    received = {"path": file, "file_type": "ipc", "table_settings": {"file_type": "ipc"}}
    return {
        "id": reader_id,
        "type": "read",
        "is_start_node": True,
        "description": "an input of the node, as it was",
        "x_position": 0,
        "y_position": place * _STEP,
        "input_ids": [],
        "outputs": [node_id],
        "setting_input": {"received_file": received},
    }
