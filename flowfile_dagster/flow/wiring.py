"""Edges: from what the file stores twice to one ordered list of inputs per node."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from flowfile_dagster.contract.node_type import Ports, Trait
from flowfile_dagster.flow.document import FlowDocument, NodeEntry

_HANDLE = re.compile(r"output-(0|[1-9][0-9]{0,3})")

Slot: TypeAlias = Literal["main", "right", "left"]


@dataclass(frozen=True)
class Input:
    """One wired input: which output of which node, and the slot it fills."""

    node_id: int
    handle: str
    slot: Slot


@dataclass(frozen=True)
class Wiring:
    """The inputs of one node in the order in which its frames are passed; `problem` if it cannot run so."""

    inputs: tuple[Input, ...]
    problem: str | None = None


@dataclass(frozen=True)
class Socket:
    """What wiring must know of a node's type: its ports, traits and number of outputs (None: not known)."""

    ports: Ports
    traits: frozenset[Trait]
    output_count: int | None


def wire(document: FlowDocument, sockets: Mapping[int, Socket]) -> dict[int, Wiring]:
    """The wiring of every node. The target side decides existence, slot and order; the source side the handle."""
    entries = {entry.node_id: entry for entry in document.nodes}
    repaired = _one_sided_edges(entries)
    handles = _handles_by_edge(entries)
    return {
        node_id: _wire_node(entry, handles, sockets, repaired.get(node_id, ())) for node_id, entry in entries.items()
    }


def _handles_by_edge(entries: Mapping[int, NodeEntry]) -> dict[tuple[int, int], list[str]]:
    """The outputs that each edge reads, by (source, target)."""
    found: dict[tuple[int, int], list[str]] = {}
    for entry in entries.values():
        names = entry.output_handles or ()
        for index, target_id in enumerate(entry.outputs):
            handle = (names[index] if index < len(names) else "") or "output-0"
            found.setdefault((entry.node_id, target_id), []).append(handle)
    return found


def _wire_node(
    entry: NodeEntry,
    handles: Mapping[tuple[int, int], list[str]],
    sockets: Mapping[int, Socket],
    repaired: tuple[int, ...],
) -> Wiring:
    socket = sockets[entry.node_id]
    if entry.input_connections and not entry.input_ids:
        keyed = tuple(Input(item.from_id, item.source_handle, "main") for item in entry.input_connections)
        return Wiring(keyed, _count_problem(socket, len(keyed)))
    mains = entry.input_ids or repaired
    if not socket.ports.is_multi:
        mains = tuple(dict.fromkeys(mains))
    slots: list[tuple[int, Slot]] = [(node_id, "main") for node_id in mains]
    if entry.right_input_id is not None:
        slots.append((entry.right_input_id, "right"))
    if entry.left_input_id is not None:
        slots.append((entry.left_input_id, "left"))
    slots = _left_as_main(slots, socket)
    inputs: list[Input] = []
    problem = _slot_problem(socket, slots)
    for source_id, slot in slots:
        handle, handle_problem = _handle(source_id, handles.get((source_id, entry.node_id), []), sockets[source_id])
        inputs.append(Input(source_id, handle, slot))
        problem = problem or handle_problem
    return Wiring(tuple(inputs), problem)


def _left_as_main(slots: list[tuple[int, Slot]], socket: Socket) -> list[tuple[int, Slot]]:
    """A node that passes its first input on takes an old ``left_input_id`` for the main one."""
    has_main = any(slot == "main" for _, slot in slots)
    if has_main or Trait.PASSTHROUGH not in socket.traits:
        return slots
    return sorted(slots, key=lambda item: item[1] != "left")


def _slot_problem(socket: Socket, slots: list[tuple[int, Slot]]) -> str | None:
    mains = sum(slot == "main" for _, slot in slots)
    if not socket.ports.is_multi and mains > 1:
        right = "; the second input belongs in right_input_id" if socket.ports.maximum == 2 else ""
        return f"input_ids: has {mains} main inputs, takes one{right}"
    if socket.ports == Ports(1, 2) and slots and slots[0][1] == "right":
        return "input_ids: the main input is missing"
    return _count_problem(socket, len(slots))


def _count_problem(socket: Socket, count: int) -> str | None:
    ports = socket.ports
    if count < ports.minimum:
        missing = "right_input_id" if ports.minimum == 2 and count == 1 else "input_ids"
        return f"{missing}: the node needs {ports.minimum} input{'s' * (ports.minimum > 1)}, has {count}"
    if ports.maximum is not None and count > ports.maximum:
        takes = f"takes {ports.maximum}" if ports.maximum else "takes none"
        return f"input_ids: has {count} input{'s' * (count > 1)}, {takes}"
    return None


def _handle(source_id: int, found: list[str], socket: Socket) -> tuple[str, str | None]:
    """The output that an edge reads, and what is wrong with it."""
    handle = found[0] if found else "output-0"
    if len(set(found)) > 1:
        cause = f"reads outputs {', '.join(found)} of node {source_id}, but a pair of nodes has one edge"
        return handle, f"input_ids: {cause}; put a node between"
    known = socket.output_count
    if not _HANDLE.fullmatch(handle) or (known is not None and int(handle.removeprefix("output-")) >= known):
        outputs = f"outputs output-0 … output-{known - 1}" if known and known > 1 else "one output, output-0"
        return handle, f"input_ids: reads {handle!r} of node {source_id}, which has {outputs}"
    return handle, None


def _one_sided_edges(entries: Mapping[int, NodeEntry]) -> dict[int, tuple[int, ...]]:
    """Edges that only the source lists; they count as main inputs where the target has no input at all."""
    found: dict[int, list[int]] = {}
    for entry in entries.values():
        for target_id in dict.fromkeys(entry.outputs):
            if not entries[target_id].input_node_ids:
                found.setdefault(target_id, []).append(entry.node_id)
    return {target_id: tuple(sources) for target_id, sources in found.items()}
