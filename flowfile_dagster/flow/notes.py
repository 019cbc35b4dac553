"""Notes on the canvas. The file does not say which node a note is about; people write it beside that node."""

from __future__ import annotations

from collections.abc import Mapping
from math import hypot

from flowfile_dagster.errors import shortened, without_secrets
from flowfile_dagster.flow.document import CanvasNote, FlowDocument, NodeEntry

MAX_NOTES = 200
MAX_CHARACTERS = 2000


def notes_by_node(document: FlowDocument) -> Mapping[int, str]:
    """The notes, each at the node that it lies nearest to; of several at one node the upper ones first."""
    found: dict[int, list[str]] = {}
    notes = [note for note in document.notes if note.text.strip()][:MAX_NOTES] if document.nodes else []
    for note in sorted(notes, key=lambda note: (note.y_position, note.x_position)):
        nearest = min(document.nodes, key=lambda node: (*_distance(note, node), node.node_id))
        found.setdefault(nearest.node_id, []).append(note.text.strip())
    return {node_id: shortened(without_secrets("\n\n".join(texts)), MAX_CHARACTERS) for node_id, texts in found.items()}


def _distance(note: CanvasNote, node: NodeEntry) -> tuple[float, float]:
    """How far a node's upper left corner is from a note, 0 if it is under it; among equals, from the note's corner."""
    x, y = node.x_position or 0, node.y_position or 0
    right, down = x - note.x_position, y - note.y_position
    return (hypot(max(-right, 0, right - note.width), max(-down, 0, down - note.height)), hypot(right, down))
