"""Settings on the asset page: those of now before any run, and what a run found changed since the one before."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from itertools import islice

import dagster as dg

from flowfile_dagster.compile.form import CompiledNode

#: What a result was made with. Not the key of the definition: the UI shows the run's value where both have one.
SETTINGS_OF_RUN = "flowfile/settings_of_run"

_MAX_LINES = 60
_MAX_CHARACTERS = 8000


def settings_markdown(nodes: Sequence[CompiledNode]) -> str:
    """The settings of what is computed together; of a node by itself without its name."""
    if len(nodes) == 1:
        text = nodes[0].settings_text
    else:
        text = "\n".join(f"# {node.name} ({node.node_type})\n{node.settings_text}" for node in nodes)
    return _block("yaml", text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}…\n")


def snippet_markdown(nodes: Sequence[CompiledNode]) -> str:
    """What is computed together as Polars code, as far as there is code for it."""
    lines = [node.snippet or f"# {node.name}: {node.node_type}, without a snippet" for node in nodes]
    text = "".join(f"{line}\n" for line in lines)
    return _block("python", text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}…\n")


def settings_change(markdown: str, last: dg.AssetMaterialization | None) -> Mapping[str, dg.MetadataValue]:
    """Which settings a result was made with, and how they differ from those of the asset's materialization before."""
    found: dict[str, dg.MetadataValue] = {SETTINGS_OF_RUN: dg.MetadataValue.md(markdown)}
    before = last.metadata.get(SETTINGS_OF_RUN) if last else None
    if before is not None and before.value != markdown:
        found["flowfile/settings_change"] = dg.MetadataValue.md(render_change(str(before.value), markdown))
    return found


def render_change(before: str, after: str) -> str:
    """The lines that went and came, as a bounded block of markdown."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=1, lineterm="")
    changed = (line for line in lines if not line.startswith(("---", "+++", "@@")) and "```" not in line)
    return _block("diff", "".join(f"{line}\n" for line in islice(changed, _MAX_LINES)))


def _block(language: str, text: str) -> str:
    """Markdown that shows the text as it is: nothing in it can end the block."""
    fenced = text.replace("```", "'''")
    return f"```{language}\n{fenced}```"
