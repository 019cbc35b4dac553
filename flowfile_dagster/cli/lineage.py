"""``flowfile-dagster lineage PATH``: what columns are made of, and what is made of them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from flowfile_dagster.cli.arguments import add_root
from flowfile_dagster.errors import FlowFileError, Problem, SelectionError
from flowfile_dagster.lineage.columns import ColumnId
from flowfile_dagster.lineage.page import render_page
from flowfile_dagster.lineage.project import Project, flow_files, read_project
from flowfile_dagster.lineage.selection import find_columns


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("lineage", help="print what columns are made of, without running anything")
    parser.add_argument("path", type=Path, help="a flow file, or a folder whose flows read each other's files")
    parser.add_argument("--column", metavar="NODE.COLUMN", help="only this column, with all that is made of it")
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="write the graph as a page that can be clicked through"
    )
    add_root(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Show the lineage."""
    if options.html is not None and options.html.resolve() in map(Path.resolve, flow_files(options.path).values()):
        raise SelectionError(f"--html: {options.html} is a flow file, which would be lost; name another file")
    project = _read(options.path, options.root)
    chosen = find_columns(project, options.column) if options.column else None
    if options.html is not None:
        options.html.write_text(render_page(project, chosen or ()), encoding="utf-8")
        print(f"written: {options.html}", file=sys.stderr)
    if options.json:
        found = [describe(project, column, is_whole=chosen is not None) for column in chosen or project.columns.parents]
        print(json.dumps({"columns": found, "unknown": _unknown(project)}, indent=2, ensure_ascii=False))
    elif options.html is None:
        lines = _project_lines(project) if chosen is None else _columns_lines(project, chosen)
        print("\n".join(lines))
    return 0


def _read(path: Path, root: Path | None) -> Project:
    files = flow_files(path)
    project = read_project(files, root)
    for error in project.broken.values():
        print(f"left out: {error}", file=sys.stderr)
    if not project.flows:
        cause = "does not load" if project.broken else "holds no flow file"
        raise FlowFileError(str(path), [Problem("", cause)])
    return project


def describe(project: Project, column: ColumnId, *, is_whole: bool = False) -> dict[str, Any]:
    """A column as JSON values; `is_whole` adds every column above and below it."""
    graph = project.columns
    trace = graph.traces[column]
    value: dict[str, Any] = {
        "column": project.column_name(column),
        "type": project.column_type(column),
        "kind": graph.kind(column),
        "origins": [project.column_name(origin) for origin in trace.origins if origin != column],
        "opaque_origins": [project.column_name(origin) for origin in trace.origins if origin in graph.opaque],
        "through": [project.node_name(node) for node in graph.nodes_of(trace)],
        "parents": [project.column_name(parent) for parent in graph.parents[column]],
    }
    if is_whole:
        value["made_of"] = [project.column_name(above) for above in graph.upstream(column)]
        value["used_by"] = [project.column_name(below) for below in graph.downstream(column)]
    return value


def _unknown(project: Project) -> list[str]:
    return [
        project.node_name(node)
        for flow in project.flows.values()
        for node, _ in sorted(project.columns.unknown)
        if node.flow == flow.name
    ]


def _project_lines(project: Project) -> Iterator[str]:
    for flow in project.flows.values():
        yield flow.name
        for node in flow.graph.nodes.values():
            for handle in node.handles:
                yield f"  {flow.output_name(node.node_id, handle)} ({node.node_type})"
                schema = flow.schema(node.node_id, handle)
                if schema is None:
                    yield "      opaque: the columns are not known before a run"
                    continue
                width = max((len(name) for name in schema), default=0)
                for name in schema:
                    column = ColumnId(flow.name, node.node_id, handle, name)
                    yield f"      {name:<{width}}  {_origin_text(project, column)}"


def _origin_text(project: Project, column: ColumnId) -> str:
    graph = project.columns
    trace = graph.traces[column]
    if graph.kind(column) == "read":
        return "is read"
    if graph.kind(column) == "opaque":
        return "opaque: the node does not say what it is made of"
    if not trace.origins:
        return "is made here, or further up, from no column"
    marked = [project.column_name(origin) + (" (opaque)" if origin in graph.opaque else "") for origin in trace.origins]
    ends = {column.node, *(origin.node for origin in trace.origins)}
    through = [project.node_name(node) for node in graph.nodes_of(trace) if node not in ends]
    return f"<- {', '.join(marked)}" + (f"  through {', '.join(through)}" if through else "")


def _columns_lines(project: Project, columns: Sequence[ColumnId]) -> Iterator[str]:
    for number, column in enumerate(columns):
        if number:
            yield ""
        yield from _column_lines(project, column)


def _column_lines(project: Project, column: ColumnId) -> Iterator[str]:
    graph = project.columns
    yield f"{project.column_name(column)}  {project.column_type(column)}"
    yield f"  {_origin_text(project, column)}"
    for title, columns in (("made of", graph.upstream(column)), ("used by", graph.downstream(column))):
        yield f"  {title}:" if columns else f"  {title}: nothing"
        for other in columns:
            parents = ", ".join(project.column_name(parent) for parent in graph.parents[other])
            yield f"    {project.column_name(other)}" + (f" <- {parents}" if parents else f" ({graph.kind(other)})")
