"""What a change of one flow does to all flows of a project."""

from __future__ import annotations

from pathlib import Path

from flowfile_dagster.lineage.columns import NodeId
from flowfile_dagster.lineage.impact import Effect, Impact, find_impact, read_changed_project
from flowfile_dagster.lineage.project import flow_files, read_project
from tests.factories import JsonObject, advanced_filter, formula, join, manual, node, read_csv, write_file, write_flow

ORDERS = {"id": [1], "amount": [2], "note": [3]}


def maker(folder: Path, column: str = "net", text: str = "[amount] * 2", **sources: object) -> list[JsonObject]:
    return [
        manual(1, ORDERS, **sources),
        formula(2, 1, column, text),
        write_file(3, 2, folder / "data" / "orders.csv"),
    ]


def user(folder: Path, text: str = "[net] + 1") -> list[JsonObject]:
    return [read_csv(1, folder / "data" / "orders.csv"), formula(2, 1, "x", text), advanced_filter(3, 2, "[x] > 1")]


def impact(folder: Path, old: dict[str, list[JsonObject]], new: dict[str, list[JsonObject]]) -> Impact:
    (folder / "data").mkdir()
    for state, flows in (("old", old), ("new", new)):
        (folder / state).mkdir()
        for name, nodes in flows.items():
            write_flow(folder / state / f"{name}.json", nodes)
    before = read_project(flow_files(folder / "old"), None)
    return find_impact(before, read_changed_project(flow_files(folder / "new"), None, before))


def told(found: Impact) -> list[tuple[str, str, list[tuple[str, int, Effect]]]]:
    return [
        (
            f"{change.column.flow} {change.column.node_id} {change.column.column}",
            change.kind,
            [(*use.node, use.effect) for use in uses],
        )
        for change, uses in found.uses.items()
    ]


def test_nothing_changed_breaks_nothing(tmp_path: Path) -> None:
    flows = {"maker": maker(tmp_path), "user": user(tmp_path)}
    found = impact(tmp_path, flows, flows)
    assert told(found) == []
    assert not found.is_break


def test_renamed_column_breaks_the_other_flow_that_reads_the_file(tmp_path: Path) -> None:
    old = {"maker": maker(tmp_path), "user": user(tmp_path)}
    found = impact(tmp_path, old, {**old, "maker": maker(tmp_path, "clean")})
    uses: list[tuple[str, int, Effect]] = [
        ("maker", 3, "delivers"),
        ("user", 1, "passes on"),
        ("user", 2, "fails"),
        ("user", 3, "blocked"),
    ]
    assert told(found) == [("maker 2 net", "renamed", uses)]
    assert found.is_break


def test_writer_that_others_follow_delivers_its_file_all_the_same(tmp_path: Path) -> None:
    count = node(4, "record_count", {}, 3)
    found = impact(tmp_path, {"maker": [*maker(tmp_path), count]}, {"maker": [*maker(tmp_path, "clean"), count]})
    assert told(found) == [("maker 2 net", "renamed", [("maker", 3, "delivers")])]
    assert found.is_break


def test_writer_that_is_gone_takes_its_file_along_though_others_follow(tmp_path: Path) -> None:
    old = [*maker(tmp_path), node(4, "record_count", {}, 3)]
    found = impact(tmp_path, {"maker": old}, {"maker": [*old[:2], node(4, "record_count", {}, 2)]})
    assert found.gone == (NodeId("maker", 3),)


def test_user_that_was_changed_too_is_not_broken(tmp_path: Path) -> None:
    old = {"maker": [*maker(tmp_path)[:2], formula(4, 2, "out", "[net]"), drop(5, 4, "net")]}
    new = {"maker": [*maker(tmp_path, "clean")[:2], formula(4, 2, "out", "[clean]"), drop(5, 4, "clean")]}
    found = impact(tmp_path, old, new)
    assert told(found) == [("maker 2 net", "renamed", [("maker", 4, "passes on"), ("maker", 5, "unaffected")])]
    assert not found.is_break


def test_column_of_another_type_is_told_with_both_types(tmp_path: Path) -> None:
    old = {"maker": maker(tmp_path)}
    found = impact(tmp_path, old, {"maker": maker(tmp_path, text="to_string([amount])")})
    assert told(found) == [("maker 2 net", "retyped", [("maker", 3, "delivers")])]
    assert [str(change) for change in found.uses] == ["'net' is String, was Int64"]


def test_column_that_only_a_condition_or_a_key_reads_is_used_all_the_same(tmp_path: Path) -> None:
    keys = {
        "join_input": {
            **join(4, 1, 2, "id")["setting_input"]["join_input"],
            "right_select": {"select": [{"old_name": "id", "keep": False}]},
        }
    }
    shared: list[JsonObject] = [manual(1, {"id": [1]}), manual(2, {"id": [1], "v": [2]})]
    old = {"f": [*shared, formula(3, 2, "w", "[v]"), node(4, "join", keys, 1, right=3)]}
    new = {"f": [*shared, drop(3, 2, "id"), node(4, "join", keys, 1, right=3)]}
    found = impact(tmp_path, old, new)
    assert ("f 3 id", "removed", [("f", 4, "fails")]) in told(found)


def test_node_that_fails_for_another_reason_is_told_by_itself(tmp_path: Path) -> None:
    found = impact(tmp_path, {"maker": maker(tmp_path)}, {"maker": maker(tmp_path, text="[nope]")})
    assert [(node_id, "nope" in cause) for (_, node_id), cause in found.failures.items()] == [(2, True)]
    assert found.is_break


def test_flow_that_is_gone_leaves_its_readers_behind(tmp_path: Path) -> None:
    old = {"maker": maker(tmp_path), "user": user(tmp_path)}
    found = impact(tmp_path, old, {"user": user(tmp_path)})
    assert found.orphans == (("user", 1),)
    assert found.gone == (("maker", 3),)


def test_flow_that_does_not_load_any_more_is_a_break(tmp_path: Path) -> None:
    twice = [manual(1, ORDERS), manual(1, ORDERS)]
    found = impact(tmp_path, {"maker": maker(tmp_path)}, {"maker": twice})
    assert list(found.unloadable) == ["maker"]
    assert found.gone == ()


def test_node_that_becomes_opaque_is_no_break_but_told(tmp_path: Path) -> None:
    code = {"polars_code_input": {"polars_code": "input_df"}}
    found = impact(tmp_path, {"f": maker(tmp_path)[:2]}, {"f": [manual(1, ORDERS), node(2, "polars_code", code, 1)]})
    assert found.unknown == (("f", 2),)
    assert not found.is_break


def drop(node_id: int, source: int, column: str) -> JsonObject:
    return node(node_id, "select", {"select_input": [{"old_name": column, "keep": False}]}, source)
