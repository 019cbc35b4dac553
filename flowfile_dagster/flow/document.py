"""The flow document: the envelope of a flow file, validated and immutable, with parameters unresolved.

Node settings stay plain JSON values here; only node types know their meaning.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from flowfile_dagster.errors import FlowFileError, Problem
from flowfile_dagster.flow.text import FlowText
from flowfile_dagster.flow.text_problem import node_id_in

ParameterType: TypeAlias = Literal["string", "integer", "float", "boolean", "enum"]
#: The canvas ends here, in pixels from its origin: the editor is far from it, and floats can still compute with it.
MAX_COORDINATE = 1_000_000_000
REFERENCE_PATTERN = re.compile(r"[a-z][a-z0-9_]*")


def _empty_list_for_none(value: Any) -> Any:
    return () if value is None else value


def _on_canvas(value: float) -> float:
    return max(-MAX_COORDINATE, min(value, MAX_COORDINATE))


#: Positions and sizes on the canvas are looks only, so what lies outside of it is moved to its edge.
Pixels: TypeAlias = Annotated[int, AfterValidator(_on_canvas)]
FractionalPixels: TypeAlias = Annotated[float, AfterValidator(_on_canvas)]
NodeId: TypeAlias = Annotated[int, Field(strict=False)]
NodeIds: TypeAlias = Annotated[tuple[NodeId, ...], BeforeValidator(_empty_list_for_none)]


class _Envelope(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class ParameterDefinition(_Envelope):
    """A parameter as the file declares it; the default is always text."""

    name: str
    default_value: str = ""
    description: str = ""
    type: ParameterType = "string"
    enum_values: tuple[str, ...] | None = None


class FlowSettings(_Envelope):
    """``flowfile_settings``, as far as it has a meaning outside the editor."""

    description: str | None = None
    execution_mode: str = "Performance"
    parameters: tuple[ParameterDefinition, ...] = ()

    @field_validator("execution_mode", mode="before")
    @classmethod
    def _known_mode(cls, value: Any) -> str:
        return value if value in ("Development", "Performance") else "Performance"


class InputConnection(_Envelope):
    """A keyed edge of a node with dynamic inputs."""

    from_id: NodeId
    source_handle: str = "output-0"


class NodeEntry(_Envelope):
    """One entry of ``nodes``."""

    node_id: NodeId = Field(alias="id")
    node_type: str = Field(alias="type")
    description: str | None = ""
    node_reference: str | None = None
    x_position: Pixels | None = 0
    y_position: Pixels | None = 0
    group_id: int | None = None
    left_input_id: NodeId | None = None
    right_input_id: NodeId | None = None
    input_ids: NodeIds = ()
    outputs: tuple[NodeId, ...] = ()
    output_handles: tuple[str, ...] | None = None
    input_connections: tuple[InputConnection, ...] | None = None
    setting_input: dict[str, Any] | None = None

    @field_validator("node_reference", mode="after")
    @classmethod
    def _reference_form(cls, value: str | None) -> str | None:
        if not value:
            return None
        if not REFERENCE_PATTERN.fullmatch(value):
            raise ValueError(f"{value!r} must start with a lower-case letter and hold only a-z, 0-9 and _")
        return value

    @property
    def input_node_ids(self) -> tuple[int, ...]:
        """Every node that this entry names as an input."""
        keyed = tuple(connection.from_id for connection in self.input_connections or ())
        slots = tuple(i for i in (self.right_input_id, self.left_input_id) if i is not None)
        return (*self.input_ids, *slots, *keyed)


class NodeGroup(_Envelope):
    """A box on the canvas; it has a name and no effect on execution."""

    group_id: int = Field(alias="id")
    name: str = "Group"


class CanvasNote(_Envelope):
    """A note on the canvas (``comments`` in the file): a text in a rectangle, with no effect on execution."""

    text: str = ""
    x_position: FractionalPixels = 0.0
    y_position: FractionalPixels = 0.0
    width: FractionalPixels = 240.0
    height: FractionalPixels = 120.0


class _FileEnvelope(_Envelope):
    flowfile_version: str
    flowfile_id: int
    flowfile_name: str
    flowfile_settings: FlowSettings
    nodes: tuple[NodeEntry, ...]
    groups: Annotated[tuple[NodeGroup, ...], BeforeValidator(_empty_list_for_none)] = ()
    notes: Annotated[tuple[CanvasNote, ...], BeforeValidator(_empty_list_for_none)] = Field(
        default=(), alias="comments"
    )


class FlowDocument(_Envelope):
    """A parsed flow file.

    `name` is the file's stem, as in Flowfile. `node_lines` holds the line of each node in the file, by node id.
    """

    path: Path
    name: str
    content_hash: str
    flowfile_version: str
    settings: FlowSettings
    nodes: tuple[NodeEntry, ...]
    groups: tuple[NodeGroup, ...] = ()
    notes: tuple[CanvasNote, ...] = ()
    node_lines: dict[int, int] = {}


def parse_document(text: FlowText) -> FlowDocument:
    """Validate the envelope of a flow file.

    Raises:
        FlowFileError: naming every field that is wrong, with its node and line.
    """
    try:
        envelope = _FileEnvelope.model_validate(text.data)
    except ValidationError as error:
        raise FlowFileError(str(text.path), [_problem(text, item) for item in error.errors()]) from None
    problems = [*_duplicate_ids(envelope, text), *_dangling_edges(envelope, text)]
    if problems:
        raise FlowFileError(str(text.path), problems)
    return FlowDocument(
        path=text.path,
        name=text.path.stem,
        content_hash=text.content_hash,
        flowfile_version=envelope.flowfile_version,
        settings=envelope.flowfile_settings,
        nodes=envelope.nodes,
        groups=envelope.groups,
        notes=envelope.notes,
        node_lines={node.node_id: line for node, line in zip(envelope.nodes, text.node_lines)},
    )


def explain_validation(item: Any) -> str:
    """One pydantic error as a sentence: what is wrong, and what was given."""
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "missing":
        return "is required"
    given = repr(item.get("input"))
    return f"{message[:1].lower()}{message[1:]}, got {given if len(given) <= 60 else given[:57] + '...'}"


def field_path(location: tuple[int | str, ...]) -> str:
    """``("nodes", 3, "input_ids")`` as ``nodes[3].input_ids``."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in location]
    return "".join(parts).lstrip(".")


def _problem(text: FlowText, item: Any) -> Problem:
    location = tuple(item["loc"])
    node_id, line = None, None
    if len(location) > 1 and location[0] == "nodes" and isinstance(location[1], int):
        node_id = node_id_in(text.data["nodes"][location[1]])
        line = _line(text, location[1])
    return Problem(field_path(location) or "top level", explain_validation(item), node_id, line)


def _line(text: FlowText, index: int) -> int | None:
    return text.node_lines[index] if index < len(text.node_lines) else None


def _duplicate_ids(envelope: _FileEnvelope, text: FlowText) -> list[Problem]:
    count = Counter(node.node_id for node in envelope.nodes)
    return [
        Problem(
            f"nodes[{index}].id",
            f"id {node.node_id} is used by {count[node.node_id]} nodes",
            node.node_id,
            _line(text, index),
        )
        for index, node in enumerate(envelope.nodes)
        if count[node.node_id] > 1
    ]


def _dangling_edges(envelope: _FileEnvelope, text: FlowText) -> list[Problem]:
    known = {node.node_id for node in envelope.nodes}
    problems: list[Problem] = []
    for index, node in enumerate(envelope.nodes):
        ends = {
            "input_ids": node.input_ids,
            "left_input_id": () if node.left_input_id is None else (node.left_input_id,),
            "right_input_id": () if node.right_input_id is None else (node.right_input_id,),
            "input_connections": tuple(connection.from_id for connection in node.input_connections or ()),
            "outputs": node.outputs,
        }
        for field, ids in ends.items():
            problems.extend(
                Problem(
                    f"nodes[{index}].{field}",
                    f"names node {other}, which the file does not have",
                    node.node_id,
                    _line(text, index),
                )
                for other in ids
                if other not in known
            )
    return problems
