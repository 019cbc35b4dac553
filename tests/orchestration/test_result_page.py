"""The page of an asset: what it says of settings, rows and hidden columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flowfile_dagster import AcceptedValues, ConfigError, FlowConfig, NodeConfig, build_definitions
from flowfile_dagster.orchestration.pages.settings import SETTINGS_OF_RUN
from tests.factories import JsonObject, advanced_filter, formula, join, manual, node
from tests.orchestration.project import Project

PEOPLE = manual(1, {"name": ["ada", "bob"], "age": [36, 41]}, "String", "Int64")


def configured(project: Project, config: FlowConfig, mode: Any = None) -> Project:
    return Project(project.folder, project.instance, mode, {"overrides": {"shop": config}})


def test_settings_are_shown_before_any_run(project: Project) -> None:
    project.write([PEOPLE, advanced_filter(2, 1, "[age] > 40")])
    spec = next(spec for spec in project.definitions().resolve_all_asset_specs() if spec.key.path[-1] == "filter_2")
    assert spec.metadata["flowfile/settings"].value == ("```yaml\n{mode: advanced, advanced_filter: '[age] > 40'}\n```")


@pytest.mark.parametrize(
    ("mode", "notes"),
    [
        ("development", {"filter_2": "who is old?", "formula_3": "**ask Ada**"}),
        ("performance", {"formula_3": "who is old?\n\n**ask Ada**"}),
    ],
)
def test_note_on_the_canvas_is_shown_where_it_stands(project: Project, mode: Any, notes: dict[str, str]) -> None:
    nodes = [PEOPLE, advanced_filter(2, 1, "[age] > 40", x_position=200), formula(3, 2, "c", "1", x_position=400)]
    beside = [
        {"id": 1, "text": "who is old?", "x_position": 200, "y_position": -150},
        {"id": 2, "text": "**ask Ada**", "x_position": 420, "y_position": 60},
    ]
    path = project.write(nodes)
    path.write_text(json.dumps({**json.loads(path.read_text()), "comments": beside}))
    specs = build_definitions(path, mode=mode).resolve_all_asset_specs()
    noted = {spec.key.path[-1]: spec.metadata["flowfile/notes"] for spec in specs if "flowfile/notes" in spec.metadata}
    assert {name: note.value for name, note in noted.items()} == notes


def test_settings_of_a_run_name_the_parameters_and_not_their_defaults(project: Project) -> None:
    least = {"name": "least", "type": "integer", "default_value": "40"}
    path = project.write([PEOPLE, advanced_filter(2, 1, "[age] > ${least}")], parameters=[least])
    (spec,) = build_definitions(path, mode="performance").resolve_all_asset_specs()
    for shown in (spec.metadata["flowfile/settings"].value, project.run().metadata["filter_2"][SETTINGS_OF_RUN]):
        assert "advanced_filter: '[age] > ${least}'" in shown


def test_changed_settings_are_shown_as_difference(project: Project) -> None:
    project.write([PEOPLE, advanced_filter(2, 1, "[age] > 40")])
    assert "flowfile/settings_change" not in project.run().metadata["filter_2"]
    assert "flowfile/settings_change" not in project.run().metadata["filter_2"]
    project.write([PEOPLE, advanced_filter(2, 1, "[age] > 30")])
    metadata = project.run().metadata
    assert metadata["filter_2"]["flowfile/settings_change"] == (
        "```diff\n"
        "-{mode: advanced, advanced_filter: '[age] > 40'}\n"
        "+{mode: advanced, advanced_filter: '[age] > 30'}\n"
        "```"
    )
    assert "flowfile/settings_change" not in metadata["manual_input_1"]
    assert "flowfile/settings_change" not in project.run().metadata["filter_2"]


def test_fused_segment_shows_the_settings_of_all_its_nodes(project: Project) -> None:
    project.write([PEOPLE, advanced_filter(2, 1, "[age] > 40"), formula(3, 2, "next", "[age] + 1")])
    fast = Project(project.folder, project.instance, "performance")
    fast.run()
    project.write([PEOPLE, advanced_filter(2, 1, "[age] > 30"), formula(3, 2, "next", "[age] + 1")])
    change = fast.run().metadata["formula_3"]["flowfile/settings_change"]
    assert "+{mode: advanced, advanced_filter: '[age] > 30'}" in change
    assert "next" not in change


def test_rows_that_went_in_and_came_out_are_told(project: Project) -> None:
    other = manual(2, {"age": [41, 41, 50]})
    project.write([PEOPLE, other, join(3, 1, 2, "age"), advanced_filter(4, 3, "[age] > 50")])
    metadata = project.run().metadata
    assert metadata["join_3"]["flowfile/rows"] == "manual_input_1 2 + manual_input_2 3 -> 2"
    assert metadata["filter_4"]["flowfile/rows"] == "join_3 2 -> 0"
    assert "flowfile/rows" not in metadata["manual_input_1"]


def test_rows_are_told_for_a_node_run_by_itself(project: Project) -> None:
    project.write([PEOPLE, advanced_filter(2, 1, "[age] > 40")])
    project.run(["manual_input_1"])
    assert project.run(["filter_2"]).metadata["filter_2"]["flowfile/rows"] == "manual_input_1 2 -> 1"


def test_rows_are_not_told_of_fused_nodes(project: Project) -> None:
    project.write([PEOPLE, advanced_filter(2, 1, "[age] > 40")])
    fused = Project(project.folder, project.instance, "performance").run()
    assert "flowfile/rows" not in fused.metadata["filter_2"]


@pytest.mark.parametrize(
    "config", [FlowConfig(redact=["name"]), FlowConfig(nodes={"manual_input_1": {"redact": ["name"]}})]
)
@pytest.mark.parametrize("mode", ["development", "performance"])
def test_hidden_column_and_all_made_from_it_are_not_in_previews(
    project: Project, config: FlowConfig, mode: str
) -> None:
    shout = formula(2, 1, "shout", "uppercase([name])")
    rename = node(3, "select", {"select_input": [{"old_name": "shout", "new_name": "loud"}]}, 2)
    code = {"polars_code_input": {"polars_code": "output_df = input_df.with_columns(pl.col('loud').alias('x'))"}}
    project.write([PEOPLE, shout, rename, node(4, "polars_code", code, 3)])
    metadata = configured(project, config, mode).run().metadata
    previews = {name: values["flowfile/preview"] for name, values in metadata.items()}
    for preview in previews.values():
        assert not {"ada", "ADA", "bob", "BOB"} & set(preview.replace("|", " ").split())
        assert "redacted" in preview
    if mode == "development":
        assert "36" in previews["formula_2"]
        assert "36" not in previews["polars_code_4"]


def test_hidden_values_are_stored_all_the_same(project: Project) -> None:
    project.write([PEOPLE])
    hidden = configured(project, FlowConfig(redact=["name"]))
    hidden.run()
    value: Any = hidden.definitions().load_asset_value(["shop", "manual_input_1"], instance=project.instance)
    assert value["name"].to_list() == ["ada", "bob"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (FlowConfig(redact=["mail"]), "redact: there is no column 'mail'; columns: name, age"),
        (
            FlowConfig(nodes={"manual_input_1": NodeConfig(redact=["mail"])}),
            r"nodes\.manual_input_1\.redact: there is no column 'mail'",
        ),
    ],
)
def test_column_to_hide_that_is_nowhere_is_an_error(project: Project, config: FlowConfig, message: str) -> None:
    project.write([PEOPLE])
    with pytest.raises(ConfigError, match=message):
        build_definitions(Path(project.folder), overrides={"shop": config})


@pytest.mark.parametrize(
    ("below", "name"),
    [
        (
            node(
                3,
                "pivot",
                {
                    "pivot_input": {
                        "index_columns": [],
                        "pivot_column": "shout",
                        "value_col": "age",
                        "aggregations": ["sum"],
                    }
                },
                2,
            ),
            "pivot_3",
        ),
        (node(3, "dynamic_rename", {"dynamic_rename_input": {"rename_mode": "first_row"}}, 2), "dynamic_rename_3"),
    ],
)
def test_hidden_values_that_would_become_names_of_columns_are_an_error(
    project: Project, below: JsonObject, name: str
) -> None:
    project.write([PEOPLE, formula(2, 1, "shout", "uppercase([name])"), below])
    with pytest.raises(ConfigError, match=f"redact: the values of '(name|shout)' are to be .*, but {name} makes"):
        build_definitions(project.folder, overrides={"shop": FlowConfig(redact=["name"])})
    assert build_definitions(project.folder, overrides={"shop": FlowConfig(redact=["age"])} if "pivot" in name else {})


def test_node_is_shown_as_polars_code(project: Project) -> None:
    project.write([PEOPLE, advanced_filter(2, 1, "[age] > 40"), formula(3, 2, "next", "[age] + 1")])
    fast = Project(project.folder, project.instance, "performance")
    (spec,) = fast.definitions().resolve_all_asset_specs()
    assert spec.metadata["flowfile/polars"].value == (
        "```python\n"
        "# manual_input_1: manual_input, without a snippet\n"
        'filter_2 = manual_input_1.filter(pl.col("age") > pl.lit(40))\n'
        'formula_3 = filter_2.with_columns((pl.col("age") + pl.lit(1)).alias("next"))\n'
        "```"
    )


def explored(x: str, y: str) -> dict[str, Any]:
    fields = [{"fid": x, "analyticType": "dimension"}], [{"fid": y, "analyticType": "measure", "aggName": "sum"}]
    chart = {"name": "Ages", "encodings": dict(zip(("columns", "rows"), fields, strict=True))}
    return node(2, "explore_data", {"graphic_walker_input": {"specList": [chart]}}, 1)


def test_saved_chart_is_drawn_unless_a_column_is_hidden(project: Project) -> None:
    project.write([PEOPLE, explored("name", "age")])
    drawn = project.run().metadata["explore_data_2"]["flowfile/charts"]
    assert drawn.startswith("![Ages](data:image/svg+xml;base64,")
    hidden = configured(project, FlowConfig(redact=["name"])).run()
    assert "flowfile/charts" not in hidden.metadata["explore_data_2"]


def test_chart_that_cannot_be_drawn_fails_no_run(project: Project) -> None:
    project.write([PEOPLE, explored("name", "nope")])
    result = project.run()
    assert result.is_success
    assert result.metadata["explore_data_2"]["flowfile/charts"] == "no chart could be drawn"


def test_hidden_values_are_not_in_the_samples_of_checks(project: Project) -> None:
    project.write([PEOPLE])
    young = AcceptedValues(column="age", values=[1])
    hidden = FlowConfig(redact=["name"], nodes={"manual_input_1": NodeConfig(checks=[young])})
    definitions = configured(project, hidden).definitions()
    job = definitions.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=project.instance)
    samples = [
        evaluation.metadata["flowfile/sample"].value
        for evaluation in result.get_asset_check_evaluations()
        if "flowfile/sample" in evaluation.metadata
    ]
    assert samples
    assert not any("ada" in str(sample) for sample in samples)
