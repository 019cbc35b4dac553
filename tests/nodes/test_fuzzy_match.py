import sys
from typing import Any

import polars as pl
import pytest

from flowfile_dagster.columns.lineage import ColumnOrigin
from flowfile_dagster.errors import DuplicateColumnError, MissingColumnError, MissingExtraError, SettingsError
from flowfile_dagster.nodes import find_node_type
from tests.nodes.node_case import LiteralContext, NodeCase, assert_node, parse_settings, run_node

pytest.importorskip("pl_fuzzy_frame_match")

LEFT = pl.DataFrame({"name": ["Anna", "bob", None, "anna"], "n": [1, 2, 3, 4]})
RIGHT = pl.DataFrame({"name": ["BOB", "Hanna", None, "anna"], "n": [1, 2, 3, 4]})
SCORE = "name_vs_name_right_levenshtein"


def fuzzy(*mappings: dict[str, Any], left: Any = (), right: Any = (), **options: Any) -> dict[str, Any]:
    columns = {"left_select": {"select": left}, "right_select": {"select": right}}
    return {"join_input": {"join_mapping": list(mappings), **columns, **options}}


def pair(left: str = "name", right: str = "name", **options: Any) -> dict[str, Any]:
    return {"left_col": left, "right_col": right, **options}


CASES = [
    NodeCase(fuzzy(pair(threshold_score=70)), (LEFT, RIGHT)),
    NodeCase(
        fuzzy(pair(fuzzy_type="jaro"), pair(threshold_score=0), right=[{"old_name": "n", "keep": False}]), (LEFT, RIGHT)
    ),
]


def test_fuzzy_match_compares_lower_cased_in_order_of_left_and_right_rows() -> None:
    expected = pl.DataFrame(
        {
            "name": ["Anna", "Anna", "bob", "anna", "anna"],
            "n": [1, 1, 2, 4, 4],
            "name_right": ["Hanna", "anna", "BOB", "Hanna", "anna"],
            "n_right": [2, 4, 1, 2, 4],
            SCORE: [0.8, 1.0, 1.0, 0.8, 1.0],
        }
    )
    assert_node("fuzzy_match", fuzzy(pair()), [LEFT, RIGHT], expected)


@pytest.mark.parametrize("threshold", [80.9, 80, 81])
def test_fuzzy_match_threshold_is_cut_to_an_integer(threshold: float) -> None:
    result = run_node("fuzzy_match", fuzzy(pair(threshold_score=threshold)), LEFT, RIGHT)["output-0"]
    assert result.height == (3 if threshold == 81 else 5)


@pytest.mark.parametrize(
    ("fuzzy_type", "score"),
    [
        ("levenshtein", 0.75),
        ("jaro", 0.9166666666666666),
        ("jaro_winkler", 0.9416666666666667),
        ("hamming", 0.75),
        ("damerau_levenshtein", 0.75),
        ("indel", 0.8571428571428572),
    ],
)
def test_fuzzy_match_scores_by_type(fuzzy_type: str, score: float) -> None:
    left, right = pl.DataFrame({"x": ["abc"]}), pl.DataFrame({"y": ["ABCD"]})
    settings = fuzzy(pair("x", "y", fuzzy_type=fuzzy_type, threshold_score=0))
    expected = pl.DataFrame({"x": ["abc"], "y": ["ABCD"], f"x_vs_y_{fuzzy_type}": [score]})
    assert_node("fuzzy_match", settings, [left, right], expected)


def test_fuzzy_match_columns_stay_in_input_order_and_keys_are_kept() -> None:
    settings = fuzzy(
        pair(),
        left=["n", {"old_name": "name", "new_name": "who", "keep": False}],
        right=[{"old_name": "n", "keep": False}],
    )
    result = run_node("fuzzy_match", settings, LEFT, RIGHT)["output-0"]
    assert result.columns == ["who", "n", "name", "who_vs_name_levenshtein"]


@pytest.mark.parametrize("empty", [(LEFT.head(0), RIGHT), (LEFT, RIGHT.head(0)), (LEFT[[2]], RIGHT)])
def test_fuzzy_match_without_keys_gives_no_rows_and_all_columns(empty: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    settings = fuzzy(pair(), left=[{"old_name": "name", "keep": False}])
    result = run_node("fuzzy_match", settings, *empty)["output-0"]
    assert result.schema == {
        "name": pl.String, "n": pl.Int64, "name_right": pl.String, "n_right": pl.Int64, SCORE: pl.Float64
    }  # fmt: skip
    assert result.is_empty()


def test_fuzzy_match_score_columns_stand_in_list_order() -> None:
    left = pl.DataFrame({"city": ["rome"] * 4, "name": ["anna", "bob", "carl", "dora"]})
    settings = fuzzy(pair("city", "city"), pair())
    result = run_node("fuzzy_match", settings, left, left)["output-0"]
    assert result.columns[4:] == ["city_vs_city_right_levenshtein", SCORE]
    assert result["name"].to_list() == ["anna", "bob", "carl", "dora"]


def test_fuzzy_match_without_its_library_is_predicted_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pl_fuzzy_frame_match", None)
    settings = parse_settings("fuzzy_match", fuzzy(pair()))
    with pytest.raises(MissingExtraError, match=r"flowfile-dagster\[fuzzy\]"):
        find_node_type("fuzzy_match").predict(settings, [LEFT.schema, RIGHT.schema], LiteralContext())


def test_fuzzy_match_one_pair_in_two_mappings_has_two_scores() -> None:
    settings = fuzzy(pair(threshold_score=10), pair(threshold_score=80))
    result = run_node("fuzzy_match", settings, LEFT, RIGHT)["output-0"]
    assert result[SCORE].to_list() == result[f"{SCORE}_1"].to_list() == [0.8, 1.0, 1.0, 0.8, 1.0]


def test_fuzzy_match_one_left_column_with_two_right_columns_uses_both() -> None:
    right = RIGHT.with_columns(alias=pl.Series(["bob", "bob", "bob", "bob"]))
    result = run_node("fuzzy_match", fuzzy(pair(), pair(right="alias")), LEFT, right)["output-0"]
    assert result["name"].to_list() == ["bob"]


def test_fuzzy_match_many_equal_keys_lose_no_rows() -> None:
    left = pl.DataFrame({"name": ["anna", "bob"] * 600, "i": range(1200)})
    right = pl.DataFrame({"name": ["anna"] + ["x"] * 999, "j": range(1000)})
    result = run_node("fuzzy_match", fuzzy(pair()), left, right)["output-0"]
    assert result["i"].to_list() == list(range(0, 1200, 2))


@pytest.mark.parametrize("how", ["left", "outer"])
def test_fuzzy_match_other_kinds_of_join_are_refused(how: str) -> None:
    with pytest.raises(SettingsError, match=f"join_input.how: '{how}' is not possible"):
        run_node("fuzzy_match", fuzzy(pair(), how=how), LEFT, RIGHT)


def test_fuzzy_match_without_mapping_fails() -> None:
    with pytest.raises(SettingsError, match="join_mapping: is empty"):
        run_node("fuzzy_match", fuzzy(), LEFT, RIGHT)


def test_fuzzy_match_key_that_is_no_text_fails() -> None:
    with pytest.raises(SettingsError, match=r"join_mapping\[0\].right_col: column 'n' is Int64"):
        run_node("fuzzy_match", fuzzy(pair(right="n")), LEFT, RIGHT)


def test_fuzzy_match_missing_key_names_what_exists() -> None:
    with pytest.raises(MissingColumnError, match=r"left_col: column 'nam' .*Did you mean 'name'"):
        run_node("fuzzy_match", fuzzy(pair("nam")), LEFT, RIGHT)


def test_fuzzy_match_right_column_is_mandatory() -> None:
    with pytest.raises(ValueError, match="right_col"):
        parse_settings("fuzzy_match", fuzzy({"left_col": "name"}))


def test_fuzzy_match_score_named_like_a_column_fails() -> None:
    with pytest.raises(DuplicateColumnError, match=SCORE):
        run_node("fuzzy_match", fuzzy(pair(), left=[{"old_name": "n", "new_name": SCORE}]), LEFT, RIGHT)


def test_fuzzy_match_score_comes_from_both_keys() -> None:
    node, settings = find_node_type("fuzzy_match"), parse_settings("fuzzy_match", fuzzy(pair()))
    schemas = [LEFT.schema, RIGHT.schema]
    output = node.predict(settings, schemas, LiteralContext())["output-0"]
    assert output is not None
    lineage = node.lineage(settings, schemas, output)
    assert lineage is not None
    assert lineage[SCORE] == (ColumnOrigin(0, "name"), ColumnOrigin(1, "name"))
    assert lineage["n_right"] == (ColumnOrigin(1, "n"),)
