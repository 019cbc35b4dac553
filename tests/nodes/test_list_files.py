from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from flowfile_dagster.errors import DataError, SettingsError
from flowfile_dagster.nodes import find_node_type
from tests.nodes.node_case import LiteralContext, NodeCase, parse_settings, run_node

TREE = {"b.CSV": "12", "A.txt": "1", ".hidden.csv": "1", "sub/c.csv": "123", "sub/deep/a.json": "", ".git/x.csv": "1"}


def make_tree(root: Path) -> Path:
    for name, text in TREE.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def listed(root: Path, **settings: Any) -> list[str]:
    return run_node("list_files", {"path": str(make_tree(root)), **settings})["output-0"]["relative_path"].to_list()


CASES = [
    NodeCase(lambda root: {"path": str(make_tree(root))}),
    NodeCase(lambda root: {"path": str(make_tree(root)), "recursive": True, "include_directories": True}),
    NodeCase(lambda root: {"path": str(root), "file_types": ["none"]}),
]


def test_list_files_one_file_gives_its_facts(tmp_path: Path) -> None:
    file = make_tree(tmp_path) / "sub" / "c.csv"
    table = run_node("list_files", {"path": str(tmp_path), "file_types": "csv", "recursive": True})["output-0"]
    assert table.filter(pl.col("file_name") == "c.csv").to_dicts() == [
        {
            "file_name": "c.csv",
            "file_path": str(file),
            "directory": str(tmp_path / "sub"),
            "relative_path": "sub/c.csv",
            "file_type": "csv",
            "size_bytes": 3,
            "last_modified": datetime.fromtimestamp(file.stat().st_mtime),
            "created_date": datetime.fromtimestamp(file.stat().st_ctime),
            "is_directory": False,
        }
    ]


def test_list_files_flat_leaves_out_hidden_files_and_folders(tmp_path: Path) -> None:
    assert listed(tmp_path) == ["A.txt", "b.CSV"]


def test_list_files_recursive_puts_folders_first_and_enters_hidden_ones(tmp_path: Path) -> None:
    assert listed(tmp_path, recursive=True, include_directories=True) == [
        "sub/deep",
        "sub",
        "sub/deep/a.json",
        "A.txt",
        "b.CSV",
        "sub/c.csv",
        ".git/x.csv",
    ]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"file_types": ".CSV, json"}, ["b.CSV"]),
        ({"file_types": ["csv"], "include_directories": True}, ["sub", "b.CSV"]),
        ({"include_hidden": True, "include_directories": True, "include_files": False}, [".git", "sub"]),
        ({"recursive": True, "max_depth": 1}, ["A.txt", "b.CSV", "sub/c.csv", ".git/x.csv"]),
        ({"max_files": 1}, ["A.txt"]),
    ],
)
def test_list_files_setting_narrows_the_list(tmp_path: Path, settings: dict[str, Any], expected: list[str]) -> None:
    assert listed(tmp_path, **settings) == expected


def test_list_files_link_to_a_parent_is_walked_once(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path)
    assert listed(tmp_path, recursive=True, file_types=["json"]) == ["sub/deep/a.json"]


def test_list_files_link_that_leads_nowhere_is_listed_without_type_and_size(tmp_path: Path) -> None:
    (tmp_path / "broken.csv").symlink_to(tmp_path / "nowhere.csv")
    (tmp_path / "circle.csv").symlink_to(tmp_path / "circle.csv")
    table = run_node("list_files", {"path": str(tmp_path), "recursive": True})["output-0"]
    facts = table.select("file_name", "file_type", "size_bytes", "is_directory").rows()
    assert facts == [("broken.csv", "", 0, False), ("circle.csv", "", 0, False)]
    assert table["last_modified"].to_list() == [datetime.fromtimestamp(0)] * 2
    assert listed(tmp_path, file_types=["csv"]) == ["b.CSV"]


def test_list_files_empty_folder_gives_typed_columns(tmp_path: Path) -> None:
    table = run_node("list_files", {"path": str(tmp_path)})["output-0"]
    assert table.height == 0
    assert table.schema["last_modified"] == pl.Datetime("us")


def test_list_files_source_names_the_folder_and_the_listed_files(tmp_path: Path) -> None:
    settings = parse_settings("list_files", {"path": str(make_tree(tmp_path)), "file_types": ["txt"]})
    (source,) = find_node_type("list_files").sources(settings, LiteralContext())
    assert (source.uri, source.files, source.content) == (str(tmp_path), (tmp_path / "A.txt",), False)


def test_list_files_missing_folder_names_the_path(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no folder .*/nowhere"):
        run_node("list_files", {"path": str(tmp_path / "nowhere")})


def test_list_files_without_path_is_refused() -> None:
    with pytest.raises(SettingsError, match="path: no folder is chosen"):
        run_node("list_files", {})


def test_list_files_of_neither_files_nor_folders_is_refused() -> None:
    with pytest.raises(ValidationError, match="include_files or include_directories"):
        parse_settings("list_files", {"path": "x", "include_files": False})
