"""Flow files for tests, in the form in which Flowfile saves them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

JsonObject = dict[str, Any]


def node(
    node_id: int, node_type: str, settings: JsonObject | None, *inputs: int, right: int | None = None, **extra: Any
) -> JsonObject:
    """One entry of ``nodes``; `inputs` are main inputs."""
    return {
        "id": node_id,
        "type": node_type,
        "input_ids": list(inputs),
        "right_input_id": right,
        "setting_input": settings,
        **extra,
    }


def manual(node_id: int, columns: Mapping[str, Sequence[Any]], *types: str, **extra: Any) -> JsonObject:
    """A manual input; `types` are the columns' data types, by default Int64."""
    names = [
        {"name": name, "data_type": dtype}
        for name, dtype in zip(columns, types or ["Int64"] * len(columns), strict=True)
    ]
    data = [list(values) for values in columns.values()]
    return node(node_id, "manual_input", {"raw_data_format": {"columns": names, "data": data}}, **extra)


def formula(node_id: int, source: int, column: str, text: str, **extra: Any) -> JsonObject:
    """A formula with one entry."""
    entry = {"field": {"name": column, "data_type": "Auto"}, "function": text}
    return node(node_id, "formula", {"functions": [entry]}, source, **extra)


def advanced_filter(node_id: int, source: int, text: str, **extra: Any) -> JsonObject:
    """A filter by formula."""
    return node(node_id, "filter", {"filter_input": {"mode": "advanced", "advanced_filter": text}}, source, **extra)


def read_csv(node_id: int, path: str | Path, **extra: Any) -> JsonObject:
    """A reader of a CSV file."""
    return node(node_id, "read", {"received_file": {"path": str(path), "file_type": "csv"}}, **extra)


def write_file(node_id: int, source: int, path: Path, file_type: str = "csv", **settings: Any) -> JsonObject:
    """A writer."""
    output = {"name": path.name, "directory": str(path.parent), "file_type": file_type, **settings}
    return node(node_id, "output", {"output_settings": output}, source)


def join(node_id: int, left: int, right: int, column: str, how: str = "inner") -> JsonObject:
    """A join on one column of the same name."""
    settings = {
        "join_input": {
            "join_mapping": [{"left_col": column, "right_col": column}],
            "left_select": {"select": []},
            "right_select": {"select": []},
            "how": how,
        }
    }
    return node(node_id, "join", settings, left, right=right)


def flow_data(nodes: Sequence[JsonObject], **settings: Any) -> JsonObject:
    """The whole content of a flow file; the edges are also listed at their sources, as Flowfile does."""
    outputs: dict[int, list[int]] = {}
    for entry in nodes:
        for source in (*entry["input_ids"], entry["right_input_id"]):
            if source is not None:
                outputs.setdefault(source, []).append(entry["id"])
    return {
        "flowfile_version": "0.23.3",
        "flowfile_id": 1,
        "flowfile_name": "test",
        "flowfile_settings": {"execution_mode": "Development", **settings},
        "nodes": [{"outputs": outputs.get(entry["id"], []), **entry} for entry in nodes],
    }


def write_flow(path: Path, nodes: Sequence[JsonObject], **settings: Any) -> Path:
    """Save a flow file."""
    path.write_text(json.dumps(flow_data(nodes, **settings)), encoding="utf-8")
    return path


def fifteen_nodes(formula_text: str = "[a] * 2") -> list[JsonObject]:
    """Two branches from one formula (node 5), a join, and a tail that does not depend on it (nodes 13 to 15)."""
    return [
        manual(1, {"a": [1, 2, 3, 4], "b": [10, 20, 30, 40]}),
        manual(2, {"a": [1, 2, 3], "c": [7, 8, 9]}),
        formula(3, 1, "d", "[a] + [b]"),
        formula(4, 3, "e", "[d] * 10"),
        formula(5, 4, "f", formula_text),
        advanced_filter(6, 5, "[f] > 2"),
        formula(7, 6, "g", "[f] + 1"),
        node(8, "sort", {"sort_input": [{"column": "f", "how": "desc"}]}, 5),
        formula(9, 8, "h", "[f] - 1"),
        join(10, 7, 2, "a"),
        formula(11, 10, "i", "[g] + [c]"),
        node(12, "record_count", {}, 11),
        formula(13, 2, "j", "[c] * 3"),
        advanced_filter(14, 13, "[j] > 21"),
        node(15, "record_count", {}, 14),
    ]
