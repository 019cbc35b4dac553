"""Draws flow files as Flowfile saves them: each method adds a node and gives its id."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

JsonObject = dict[str, Any]


class Canvas:
    """A flow that reads tables from one folder and writes parquet files into another."""

    def __init__(self, name: str, data: Path, out: Path) -> None:
        self.name = name
        self._data = data
        self._out = out
        self._nodes: list[JsonObject] = []

    @property
    def size(self) -> int:
        """How many nodes there are."""
        return len(self._nodes)

    def save(self, folder: Path, execution_mode: Literal["Development", "Performance"] = "Development") -> Path:
        """Write the flow file into a folder."""
        settings = {"execution_mode": execution_mode, "execution_location": "local", "auto_save": False}
        content = {
            "flowfile_version": "0.23.3",
            "flowfile_id": 1,
            "flowfile_name": self.name,
            "flowfile_settings": settings,
            "nodes": self._nodes,
        }
        path = folder / f"{self.name}.json"
        path.write_text(json.dumps(content, indent=2))
        return path

    def read(self, table: str) -> int:
        return self._read(self._data / f"{table}.parquet", {"file_type": "parquet"})

    def read_csv(self, table: str) -> int:
        return self._read(self._data / f"{table}.csv", {"file_type": "csv", "delimiter": ",", "has_headers": True})

    def read_folder(self, folder: Path) -> int:
        """All parquet files of a folder."""
        return self._read(folder, {"file_type": "parquet"}, scan_mode="directory")

    def filter(self, source: int, condition: str) -> int:
        """Rows for which a formula is true."""
        return self._add("filter", {"filter_input": {"mode": "advanced", "advanced_filter": condition}}, source)

    def filter_basic(self, source: int, column: str, operator: str, value: str) -> int:
        """Rows in which a column compares with a value, without a formula."""
        condition = {"field": column, "operator": operator, "value": value}
        return self._add("filter", {"filter_input": {"mode": "basic", "basic_filter": condition}}, source)

    def formula(self, source: int, column: str, text: str, *, is_stored: bool = False) -> int:
        entry = {"field": {"name": column, "data_type": "Auto"}, "function": text}
        settings = {"function": entry, "functions": [entry], "cache_results": is_stored}
        return self._add("formula", settings, source)

    def keep(self, source: int, *columns: str, **renamed: str) -> int:
        """Only these columns; `renamed` gives old names by new ones."""
        pairs = [*((column, column) for column in columns), *((old, new) for new, old in renamed.items())]
        entries = [{"old_name": old, "new_name": new, "keep": True} for old, new in pairs]
        return self._select(source, entries, keep_missing=False)

    def drop(self, source: int, *columns: str) -> int:
        entries = [{"old_name": column, "new_name": column, "keep": False} for column in columns]
        return self._select(source, entries, keep_missing=True)

    def join(
        self, left: int, right: int, keys: Mapping[str, str], how: Literal["inner", "left", "semi"] = "inner"
    ) -> int:
        """All columns of both sides, where the keys are equal."""
        mapping = [{"left_col": left_key, "right_col": right_key} for left_key, right_key in keys.items()]
        lists: JsonObject = {"left_select": {"select": []}, "right_select": {"select": []}}
        settings = {"join_input": {"join_mapping": mapping, "how": how, **lists}, "auto_generate_selection": True}
        return self._add("join", settings, left, right=right)

    def group_by(self, source: int, keys: Sequence[str], **aggregates: tuple[str, str]) -> int:
        """`aggregates` give column and aggregation by the name of the result."""
        columns = [{"old_name": key, "agg": "groupby", "new_name": key} for key in keys]
        columns += [{"old_name": old, "agg": agg, "new_name": new} for new, (old, agg) in aggregates.items()]
        return self._add("group_by", {"groupby_input": {"agg_cols": columns}}, source)

    def pivot(self, source: int, index: str, column: str, value: str, aggregation: str) -> int:
        settings = {
            "index_columns": [index],
            "pivot_column": column,
            "value_col": value,
            "aggregations": [aggregation],
        }
        return self._add("pivot", {"pivot_input": settings}, source)

    def sort(self, source: int, *columns: str) -> int:
        """A leading minus means descending."""
        keys = [
            {"column": column.removeprefix("-"), "how": "desc" if column.startswith("-") else "asc"}
            for column in columns
        ]
        return self._add("sort", {"sort_input": keys}, source)

    def head(self, source: int, rows: int) -> int:
        return self._add("sample", {"sample_method": "first", "sample_size": rows}, source)

    def union(self, *sources: int) -> int:
        return self._add("union", {"union_input": {"mode": "relaxed"}}, *sources)

    def explore(self, source: int) -> int:
        return self._add("explore_data", {}, source)

    def write(self, source: int, name: str) -> int:
        """A parquet file of this name."""
        file = f"{name}.parquet"
        settings = {
            "name": file,
            "directory": str(self._out),
            "abs_file_path": str(self._out / file),
            "file_type": "parquet",
            "write_mode": "overwrite",
            "fields": [],
            "table_settings": {"file_type": "parquet"},
        }
        return self._add("output", {"output_settings": settings}, source)

    def _read(self, path: Path, table: JsonObject, **options: str) -> int:
        file = {
            **options,
            "name": path.name,
            "path": str(path),
            "abs_file_path": str(path),
            "file_type": table["file_type"],
            "fields": [],
            "table_settings": table,
        }
        return self._add("read", {"received_file": file})

    def _select(self, source: int, entries: list[JsonObject], *, keep_missing: bool) -> int:
        return self._add("select", {"select_input": entries, "keep_missing": keep_missing}, source)

    def _add(self, kind: str, settings: JsonObject, *inputs: int, right: int | None = None) -> int:
        node_id = len(self._nodes) + 1
        for source in (*inputs, *(() if right is None else (right,))):
            self._nodes[source - 1]["outputs"].append(node_id)
        self._nodes.append(
            {
                "id": node_id,
                "type": kind,
                "is_start_node": not inputs,
                "description": "",
                "x_position": 200 * node_id,
                "y_position": 0,
                "input_ids": list(inputs),
                "right_input_id": right,
                "outputs": [],
                "setting_input": {"cache_results": False, **settings},
            }
        )
        return node_id
