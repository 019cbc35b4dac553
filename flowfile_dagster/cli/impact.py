"""``flowfile-dagster impact OLD NEW``: what breaks in all flows of a project when it goes from one state to another."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from flowfile_dagster.errors import FlowFileError, Problem, SelectionError
from flowfile_dagster.lineage.changes import ColumnChange
from flowfile_dagster.lineage.columns import NodeId
from flowfile_dagster.lineage.impact import Effect, Impact, Use, find_impact, read_changed_project
from flowfile_dagster.lineage.project import Project, flow_files, read_project

_WORDS: dict[Effect, str] = {"blocked": "kept from running", "passes on": "passes it on", "unaffected": "unaffected"}


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("impact", help="print what breaks between two states of a project's flows")
    parser.add_argument("old", type=Path, help="the flows as they were: a folder, or one file")
    parser.add_argument("new", type=Path, help="the flows as they will be")
    parser.add_argument("--root", type=Path, help="the folder that relative paths in the flows of both stand under")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Compare; exit code 1 if something breaks.

    Raises:
        FlowFileError: one of the two has no flow file.
        SelectionError: none of the old ones loads.
    """
    old_files, new_files = flow_files(options.old), flow_files(options.new)
    if not options.old.is_dir() and not options.new.is_dir():
        new_files = dict(zip(old_files, new_files.values()))
    for path, files in ((options.old, old_files), (options.new, new_files)):
        if not files or not all(file.exists() for file in files.values()):
            raise FlowFileError(str(path), [Problem("", "there is no flow file")])
    old = read_project(old_files, options.root)
    if not old.flows:
        raise SelectionError("\n".join(f"nothing to compare with: {cause}" for cause in old.broken.values()))
    new = read_changed_project(new_files, options.root, old)
    impact = find_impact(old, new)
    if options.json:
        print(json.dumps(describe(impact, old, new), indent=2, ensure_ascii=False))
    else:
        print("\n".join(_lines(impact, old, new)))
    return 1 if impact.is_break else 0


def describe(impact: Impact, old: Project, new: Project) -> dict[str, Any]:
    """The impact as JSON values."""
    return {
        "breaks": impact.is_break,
        "changes": [
            {
                "column": f"{_node(old, change.column.node)}.{change.column.column}",
                "change": change.kind,
                "became": change.became or None,
                "breaks": any(use.is_break for use in uses),
                "used_by": [
                    {"node": _node(new, use.node), "effect": use.effect, "detail": use.detail or None} for use in uses
                ],
            }
            for change, uses in impact.uses.items()
        ],
        "failures": {_node(new, node): cause for node, cause in impact.failures.items()},
        "orphans": [_node(new, node) for node in impact.orphans],
        "gone": [_node(old, node) for node in impact.gone],
        "unloadable": dict(impact.unloadable),
        "unknown": [_node(new, node) for node in impact.unknown],
        "not_compared": dict(old.broken),
    }


def _lines(impact: Impact, old: Project, new: Project) -> Iterator[str]:
    for change, uses in impact.uses.items():
        yield from _change_lines(change, uses, old, new)
    for node, cause in impact.failures.items():
        yield f"BREAK {_node(new, node)} fails: {cause}"
    for node in impact.orphans:
        yield f"BREAK {_node(new, node)}: no flow writes the file that it reads any more"
    for node in impact.gone:
        yield f"BREAK {_node(old, node)}: is gone, and with it its result"
    for name, cause in impact.unloadable.items():
        yield f"BREAK {name}: does not load: {cause}"
    for node in impact.unknown:
        yield f"note  {_node(new, node)}: its columns are not known any more before a run"
    for name, cause in old.broken.items():
        yield f"note  {name}: not compared, for the old file does not load: {cause}"
    breaking = sum(any(use.is_break for use in uses) for uses in impact.uses.values())
    others = len(impact.failures) + len(impact.orphans) + len(impact.gone) + len(impact.unloadable)
    count = len(impact.uses)
    yield f"{count} changed column{'s' * (count != 1)}, {breaking} with breaks; other breaks: {others}"


def _change_lines(change: ColumnChange, uses: Sequence[Use], old: Project, new: Project) -> Iterator[str]:
    mark = "BREAK" if any(use.is_break for use in uses) else "ok   "
    yield f"{mark} {_node(old, change.column.node)}: column {change}"
    for use in uses:
        if use.effect in ("fails", "delivers"):
            yield f"        {_node(new, use.node)} {use.effect}: {use.detail}"
    for effect, words in _WORDS.items():
        names = [_node(new, use.node) for use in uses if use.effect == effect]
        if names:
            yield f"        {words}: {', '.join(names)}"
    if not uses:
        yield "        no node uses it"


def _node(project: Project, node: NodeId) -> str:
    return f"{node.flow} / {project.flows[node.flow].names[node.node_id]}"
