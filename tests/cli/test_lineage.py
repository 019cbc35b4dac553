"""``flowfile-dagster lineage`` and ``flowfile-dagster impact``, as they are typed."""

import json
from pathlib import Path

import pytest

from flowfile_dagster.cli.app import main
from tests.factories import fifteen_nodes, formula, manual, write_file, write_flow


def test_lineage_prints_origins_of_every_column(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_flow(tmp_path / "f.json", fifteen_nodes())
    assert main(["lineage", str(path)]) == 0
    text = capsys.readouterr().out
    assert "  formula_4 (formula)\n      a  <- manual_input_1.a  through formula_3\n" in text
    assert (
        "  record_count_12 (record_count)\n      number_of_records  is made here, or further up, from no column" in text
    )


def test_lineage_of_one_column_shows_both_directions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_flow(
        tmp_path / "f.json", [manual(1, {"a": [1]}), formula(2, 1, "b", "[a]"), formula(3, 2, "c", "[b]")]
    )
    assert main(["lineage", str(path), "--column", "formula_2.b"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "formula_2.b  Int64",
        "  <- manual_input_1.a",
        "  made of:",
        "    manual_input_1.a (read)",
        "  used by:",
        "    formula_3.b <- formula_2.b",
        "    formula_3.c <- formula_2.b",
    ]


def test_lineage_as_json_and_as_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, page = write_flow(tmp_path / "f.json", fifteen_nodes()), tmp_path / "page.html"
    assert main(["lineage", str(path), "--column", "3.d", "--json", "--html", str(page)]) == 0
    (found,) = json.loads(capsys.readouterr().out)["columns"]
    assert found["origins"] == ["manual_input_1.a", "manual_input_1.b"]
    assert found["through"] == ["manual_input_1", "formula_3"]
    assert found["used_by"][0] == "formula_4.d"
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize("read", ["f.json", "."])
def test_page_never_takes_the_place_of_a_flow(tmp_path: Path, capsys: pytest.CaptureFixture[str], read: str) -> None:
    path = write_flow(tmp_path / "f.json", fifteen_nodes())
    before = path.read_bytes()
    assert main(["lineage", str(tmp_path / read), "--html", str(path)]) == 2
    assert capsys.readouterr().err == f"--html: {path} is a flow file, which would be lost; name another file\n"
    assert path.read_bytes() == before


@pytest.mark.parametrize("arguments", [["nowhere.json"], ["f.json", "--column", "formula_3.nope"], ["empty"]])
def test_lineage_of_what_there_is_not_is_unusable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    write_flow(tmp_path / "f.json", fifteen_nodes())
    (tmp_path / "empty").mkdir()
    assert main(["lineage", str(tmp_path / arguments[0]), *arguments[1:]]) == 2
    assert capsys.readouterr().err


def test_impact_exits_with_one_for_a_break_and_zero_for_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for state, column in (("old", "b"), ("new", "c")):
        (tmp_path / state).mkdir()
        nodes = [manual(1, {"a": [1]}), formula(2, 1, column, "[a]"), write_file(3, 2, tmp_path / "out.csv")]
        write_flow(tmp_path / state / "f.json", nodes)
    old, new = str(tmp_path / "old"), str(tmp_path / "new")
    assert main(["impact", old, new]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "BREAK f / formula_2: column 'b' is called 'c'",
        "        f / output_3 delivers: 'b' is called 'c'",
        "1 changed column, 1 with breaks; other breaks: 0",
    ]
    assert main(["impact", old, old, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["breaks"] is False
    assert main(["impact", old, str(tmp_path / "nowhere")]) == 2


def test_impact_of_two_files_compares_them_whatever_they_are_called(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = write_flow(tmp_path / "before.json", [manual(1, {"a": [1]}), formula(2, 1, "b", "[a]")])
    new = write_flow(tmp_path / "after.json", [manual(1, {"a": [1]}), formula(2, 1, "b", "to_string([a])")])
    assert main(["impact", str(old), str(new)]) == 1
    assert "before / formula_2 delivers: 'b' is String, was Int64" in capsys.readouterr().out


def test_impact_on_nothing_that_loads_is_unusable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = tmp_path / "old.json", write_flow(tmp_path / "new.json", [manual(1, {"a": [1]})])
    old.write_text("{")
    assert main(["impact", str(old), str(new)]) == 2
    assert capsys.readouterr().err.startswith(f"nothing to compare with: {old}: ")
