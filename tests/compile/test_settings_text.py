"""Settings as text for people."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowfile_dagster import load_flow
from flowfile_dagster.compile.settings_text import MAX_CHARACTERS, render_settings
from tests.factories import JsonObject, advanced_filter, manual, node, read_csv, write_flow


def text_of(folder: Path, entry: JsonObject) -> str:
    path = write_flow(folder / "flow.json", [manual(1, {"a": [1]}), entry])
    return render_settings(load_flow(path).graph.nodes[2])


def test_chosen_values_are_shown_without_wrapping_and_defaults(tmp_path: Path) -> None:
    assert text_of(tmp_path, advanced_filter(2, 1, "[a] > 1")) == "{mode: advanced, advanced_filter: '[a] > 1'}\n"


def test_parameters_are_shown_by_name(tmp_path: Path) -> None:
    entry = advanced_filter(2, 1, "[a] > ${least}")
    least = {"name": "least", "type": "integer", "default_value": "1"}
    path = write_flow(tmp_path / "flow.json", [manual(1, {"a": [1]}), entry], parameters=[least])
    text = render_settings(load_flow(path).graph.nodes[2], entry["setting_input"])
    assert text == "{mode: advanced, advanced_filter: '[a] > ${least}'}\n"


def test_node_without_settings_has_no_text(tmp_path: Path) -> None:
    assert text_of(tmp_path, node(2, "sort", None, 1)) == ""
    assert text_of(tmp_path, node(2, "record_count", {}, 1)) == ""


@pytest.mark.parametrize("rows", [1, 20])
def test_long_data_is_cut(tmp_path: Path, rows: int) -> None:
    text = text_of(tmp_path, manual(2, {f"c{index}": ["x" * 100] * rows for index in range(100)}, *["String"] * 100))
    assert "… 80 more" in text or text.endswith("…\n")
    assert len(text) <= MAX_CHARACTERS


def test_what_only_the_editor_needs_is_left_out(tmp_path: Path) -> None:
    entry = node(2, "explore_data", {"graphic_walker_input": {"specList": [1]}, "cache_results": True}, 1)
    assert text_of(tmp_path, entry) == ""


def test_path_is_shown_as_it_was_chosen(tmp_path: Path) -> None:
    assert "path: in.csv" in text_of(tmp_path, read_csv(2, "in.csv"))


def test_values_of_secret_fields_are_hidden_and_names_of_secrets_shown(tmp_path: Path) -> None:
    hidden = {
        "auth": {"secret": "v1", "secret_name": "crm", "api_key_location": "header"},
        "headers": {"Authorization": "Bearer v2", "X-API-Key": "v3", "Accept": "text/csv"},
        "database_connection": {"password": "v4", "password_ref": "crm", "aws_access_key_id": "AKIA"},
        "connection_string": "AccountKey=v5",
    }
    text = text_of(tmp_path, node(2, "rest_api_reader", hidden))
    assert not [secret for secret in ("v1", "v2", "v3", "v4", "v5") if secret in text]
    assert text.count("crm") == 2
    assert all(shown in text for shown in ("header", "text/csv", "AKIA"))
