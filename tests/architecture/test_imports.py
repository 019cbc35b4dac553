"""A room imports only from rooms to its left; only the orchestration room knows Dagster."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "flowfile_dagster"

#: Left to right. Rooms in one set do not know each other.
ROOMS: list[set[str]] = [
    {"errors", "compat", "durations", "sizing"},
    {"columns"},
    {"formula", "store"},
    {"contract"},
    {"nodes"},
    {"flow"},
    {"plan"},
    {"engine"},
    {"lineage"},
    {"compile"},
    {"api"},
    {"testing"},
    {"orchestration"},
    {"preload", "cli"},
]
#: The same within orchestration, before its two doors.
ORCHESTRATION = ["project", "pages", "specs", "steps", "launching"]
MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(module: str) -> str:
    return module.removeprefix("flowfile_dagster.").partition(".")[0]


def rank(room: str) -> int:
    return next(index for index, rooms in enumerate(ROOMS) if room in rooms)


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def module_room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_imports_only_rooms_to_its_left(path: Path) -> None:
    room = module_room(path)
    if room == "__init__":
        return
    for module in imported(path):
        if module.startswith("flowfile_dagster."):
            other = room_of(module)
            assert other == room or rank(other) < rank(room), f"{room} must not import {module}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_dagster_is_imported_only_by_orchestration(path: Path) -> None:
    tops = {module.partition(".")[0] for module in imported(path)}
    assert "dagster" not in tops or module_room(path) in ("orchestration", "preload")


@pytest.mark.parametrize("path", sorted((PACKAGE / "orchestration").glob("*/*.py")), ids=lambda path: path.stem)
def test_orchestration_imports_only_its_rooms_to_the_left(path: Path) -> None:
    room = path.parent.name
    for module in imported(path):
        _, _, inner = module.partition("flowfile_dagster.orchestration.")
        other = inner.partition(".")[0]
        assert not other or ORCHESTRATION.index(other) <= ORCHESTRATION.index(room), f"{room} must not import {module}"


def test_every_room_has_its_place() -> None:
    rooms = {module_room(path) for path in MODULES} - {"__init__"}
    assert rooms == set().union(*ROOMS)


@pytest.mark.parametrize("path", sorted((PACKAGE / "nodes").glob("[a-z]*.py")), ids=lambda path: path.stem)
def test_node_type_does_not_know_another(path: Path) -> None:
    for module in imported(path):
        _, _, name = module.partition("flowfile_dagster.nodes.")
        assert not name or name.startswith("_"), f"{path.stem} must not import {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_private_names_of_dagster_are_not_used(path: Path) -> None:
    assert not [module for module in imported(path) if module.startswith("dagster._")]
