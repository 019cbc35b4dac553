"""The registry: type name to node type.

A module of this folder is a type, its file name the type's name in flow files (underscore names are helpers).
Third parties add types through the entry-point group ``flowfile_dagster.nodes``. A module is imported on first use.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from flowfile_dagster.compat import foreign_node_types
from flowfile_dagster.contract.node_type import NodeType


@cache
def node_type_names() -> tuple[str, ...]:
    """All type names that can run, sorted: our own modules and third parties' entry points."""
    own = {path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_")}
    return tuple(sorted(own | foreign_node_types().keys()))


@cache
def find_node_type(name: str, *, is_user_defined: bool = False) -> NodeType[Any]:
    """The node type for a type name of a flow file; a stand-in that cannot run for every other name.

    `is_user_defined`: the name is that of a custom node, which only a third party's type can stand for, never ours.

    Only a name that is in the listing of this folder or of the entry points is ever handed to the importer.
    """
    from flowfile_dagster.nodes._unsupported import Unsupported

    if is_user_defined and name not in foreign_node_types():
        return Unsupported(
            name,
            f"custom node {name!r} is not installed: install the package that provides it "
            "(entry-point group 'flowfile_dagster.nodes')",
        )
    if name not in node_type_names():
        return Unsupported(name)
    try:
        return _load(name)
    except Exception as error:  # noqa: BLE001  a third party's package must not take down the flow
        return Unsupported(name, f"node type {name!r} cannot be loaded: {type(error).__name__}: {error}")


def _load(name: str) -> NodeType[Any]:
    if name in foreign_node_types():
        return _instance(foreign_node_types()[name].load(), name)
    module = import_module(f"{__name__}.{name}")
    for member in vars(module).values():
        if isinstance(member, type) and issubclass(member, NodeType) and member.__module__ == module.__name__:
            return _instance(member, name)
    raise TypeError(f"module {module.__name__} defines no NodeType")


def _instance(node_class: type[NodeType[Any]], name: str) -> NodeType[Any]:
    if node_class.type != name:
        raise TypeError(f"{node_class.__qualname__}.type is {node_class.type!r}, but it is registered as {name!r}")
    return node_class()
