"""Flow parameters in Dagster: once per flow in the launchpad, typed, and told by the run."""

from __future__ import annotations

from typing import Any

import dagster as dg
import polars as pl
import pytest

from flowfile_dagster import ConfigError, FlowConfig, build_definitions
from tests.factories import advanced_filter, formula, manual
from tests.orchestration.project import Project

PARAMETERS = [
    {"name": "country", "type": "enum", "default_value": "DE", "enum_values": ["DE", "FR"], "description": "whose"},
    {"name": "least", "type": "integer", "default_value": "2"},
    {"name": "factor", "type": "float", "default_value": "1.5"},
    {"name": "is_strict", "type": "boolean", "default_value": "yes"},
    {"name": "note", "default_value": "plain"},
    {"name": "limit", "type": "integer", "default_value": ""},
]


def write(project: Project, name: str = "shop") -> None:
    nodes = [
        manual(1, {"a": [1, 2, 3]}),
        advanced_filter(2, 1, "[a] >= ${least}"),
        formula(3, 2, "country", "${country}"),
    ]
    project.write(nodes, name, parameters=PARAMETERS)


def definitions(project: Project, **configured: Any) -> dg.Definitions:
    return build_definitions(
        project.folder,
        mode=project.mode,
        compiled_folder=project.folder / ".compiled",
        overrides={"shop": FlowConfig(**configured)},
    )


def launch(project: Project, defs: dg.Definitions, given: dict[str, Any] | None = None) -> dg.ExecuteInProcessResult:
    config = {"resources": {"flow__shop": {"config": {"parameters": given}}}} if given is not None else {}
    job = defs.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(instance=project.instance, run_config=config)


def used(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """The parameters that every materialization of the run names; they must be the same."""
    events = result.get_asset_materialization_events()
    found = [event.step_materialization_data.materialization.metadata["flowfile/parameters"].value for event in events]
    assert all(values == found[0] for values in found)
    values: Any = found[0]
    return values


def computed(result: dg.ExecuteInProcessResult) -> set[str]:
    return {
        event.asset_key.path[-1]
        for event in result.get_asset_materialization_events()
        if event.step_materialization_data.materialization.metadata["flowfile/cache"].value != "hit"
    }


@pytest.fixture(params=["development", "performance"])
def either_mode(request: pytest.FixtureRequest, project: Project) -> Project:
    return Project(project.folder, project.instance, request.param)


def test_run_without_values_uses_the_defaults_of_the_file(either_mode: Project) -> None:
    write(either_mode)
    result = launch(either_mode, definitions(either_mode))
    assert used(result) == {
        "country": "DE",
        "least": 2,
        "factor": 1.5,
        "is_strict": True,
        "note": "plain",
        "limit": "",
    }


def test_values_from_the_launchpad_reach_the_nodes(either_mode: Project) -> None:
    write(either_mode)
    defs = definitions(either_mode)
    launch(either_mode, defs, {"country": "FR", "least": 3})
    frame: Any = defs.load_asset_value(["shop", "formula_3"], python_type=pl.DataFrame, instance=either_mode.instance)
    assert frame.rows() == [(3, "FR")]


def test_run_is_tagged_with_the_values_that_it_used(project: Project) -> None:
    write(project)
    result = launch(project, definitions(project), {"least": 3, "is_strict": False})
    tags = project.instance.get_run_by_id(result.run_id)
    assert tags is not None
    assert tags.tags["flowfile/parameters.shop"] == (
        "country=DE, least=3, factor=1.5, is_strict=false, note=plain, limit="
    )


def test_tag_of_long_values_is_cut(project: Project) -> None:
    write(project)
    result = launch(project, definitions(project), {"note": "x" * 10_000})
    run = project.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert len(run.tags["flowfile/parameters.shop"]) == 250


def test_only_what_a_parameter_reaches_is_computed_anew(project: Project) -> None:
    write(project)
    defs = definitions(project)
    launch(project, defs)
    assert computed(launch(project, defs, {"country": "FR"})) == {"formula_3"}
    assert computed(launch(project, defs, {"note": "other"})) == set()


def test_project_replaces_defaults_of_the_file(project: Project) -> None:
    write(project)
    defs = definitions(project, parameters={"least": 3, "country": "FR"})
    values = used(launch(project, defs))
    assert (values["least"], values["country"], values["factor"]) == (3, "FR", 1.5)
    assert used(launch(project, defs, {"least": 1}))["least"] == 1


def test_blank_parameter_may_be_given_or_left_blank(project: Project) -> None:
    write(project)
    defs = definitions(project)
    assert used(launch(project, defs, {"limit": 5}))["limit"] == 5
    assert used(launch(project, defs, {"limit": None}))["limit"] == ""


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"contry": "DE"}, 'unexpected config entry "contry"'),
        ({"country": "IT"}, "not in enum"),
        ({"least": "many"}, "Int"),
        ({"factor": "x"}, "Float"),
        ({"is_strict": "perhaps"}, "Bool"),
    ],
)
def test_unknown_name_or_wrong_type_is_refused_at_launch(project: Project, given: dict[str, Any], message: str) -> None:
    write(project)
    with pytest.raises(dg.DagsterInvalidConfigError, match=message):
        launch(project, definitions(project), given)


def test_required_parameter_has_to_be_given(project: Project) -> None:
    write(project)
    defs = definitions(project, required_parameters=["country"])
    with pytest.raises(dg.DagsterInvalidConfigError, match="country"):
        launch(project, defs)
    assert used(launch(project, defs, {"country": "FR"}))["country"] == "FR"


def test_other_flows_run_without_the_required_parameters_of_one(project: Project) -> None:
    write(project)
    write(project, "other")
    job = definitions(project, required_parameters=["country"]).resolve_implicit_global_asset_job_def()
    assert job.execute_in_process(instance=project.instance, asset_selection=[dg.AssetKey(["other", "formula_3"])])


@pytest.mark.parametrize(
    ("configured", "message"),
    [
        (
            {"parameters": {"contry": "DE"}},
            "'shop': parameters: .*'contry': is not a parameter of this flow; .*country",
        ),
        ({"parameters": {"country": "IT"}}, "'shop': parameters: .*'country': must be one of DE, FR"),
        ({"required_parameters": ["contry"]}, "required_parameters: the flow has no parameter 'contry'; .*country"),
    ],
)
def test_configuration_that_does_not_fit_the_parameters_is_refused(
    project: Project, configured: dict[str, Any], message: str
) -> None:
    write(project)
    with pytest.raises(ConfigError, match=message):
        definitions(project, **configured)


def test_launchpad_shows_type_default_and_description(project: Project) -> None:
    write(project)
    resource = definitions(project).resources["flow__shop"]
    assert isinstance(resource, dg.ResourceDefinition)
    config: Any = resource.config_schema.config_type
    fields = config.fields["parameters"].config_type.fields
    shown = {
        name: (field.config_type.given_name, field.default_value_as_json_str)
        for name, field in fields.items()
        if name != "limit"
    }
    assert shown == {
        "country": ("shop__country", '"DE"'),
        "least": ("Int", "2"),
        "factor": ("Float", "1.5"),
        "is_strict": ("Bool", "true"),
        "note": ("String", '"plain"'),
    }
    assert fields["country"].description == "whose"
