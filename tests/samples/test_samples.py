"""What a newcomer touches first: the sample flows, the example code location, and the code in the README."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
import yaml

from flowfile_dagster import build_definitions, flowfile_executor, load_flow
from flowfile_dagster.cli.app import main
from flowfile_dagster.flow.files import find_flow_files

PROJECT = Path(__file__).parents[2]
FLOWS = PROJECT / "flows"
NAMES = sorted(str(path.relative_to(FLOWS)) for path in find_flow_files(FLOWS))


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    """A copy, as it is in a fresh clone: nothing has been written yet."""
    copy = tmp_path / "flows"
    shutil.copytree(FLOWS, copy, ignore=shutil.ignore_patterns("out"))
    (copy / "out").mkdir()
    return copy


def test_there_are_flows_of_both_formats_and_in_a_folder() -> None:
    assert {Path(name).suffix for name in NAMES} == {".json", ".yaml"}
    assert any("/" in name for name in NAMES)
    assert len(NAMES) >= 5


def test_the_samples_show_what_flows_can_do() -> None:
    graphs = {name: load_flow(FLOWS / name).nodes for name in NAMES}
    types = {name: {node.node_type for node in nodes.values()} for name, nodes in graphs.items()}
    assert len(graphs["sales_review.yaml"]) >= 15
    assert {"join", "pivot", "output", "filter"} <= types["sales_review.yaml"]
    assert {"gate", "union"} <= types["stock_reorder.json"]
    assert "random_split" in types["marketing/newsletter_test.json"]


@pytest.mark.parametrize("name", NAMES)
def test_no_flow_names_a_place_on_a_machine(name: str) -> None:
    found: list[str] = []

    def look(value: object, key: str = "") -> None:
        if isinstance(value, dict):
            for inner, item in value.items():
                look(item, str(inner))
        elif isinstance(value, list):
            for item in value:
                look(item, key)
        elif isinstance(value, str) and key in ("path", "abs_file_path", "directory"):
            found.append(value)

    look(yaml.safe_load((FLOWS / name).read_text()))
    assert found, "the keys are spelled differently now"
    assert not [path for path in found if path.startswith(("/", "~")) or ":" in path or "\\" in path]


def test_every_sample_runs_and_is_clean_once_the_files_between_flows_exist(
    flows: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("sales_review.yaml", *NAMES):
        assert main(["run", str(flows / name)]) == 0, capsys.readouterr().err
    assert main(["check", str(flows)]) == 0, capsys.readouterr().out
    written = {path.name for path in (flows / "out").iterdir()}
    assert written >= {"revenue_by_month.csv", "coffee_demand.parquet", "returns.csv", "roast_list.csv"}
    revenue = pl.read_csv(flows / "out" / "revenue_by_month.csv")
    assert revenue.columns == ["month", "City", "Coast", "North", "Online"]
    assert revenue["month"].to_list() == [f"2025-0{month}" for month in range(1, 7)]
    roast = pl.read_csv(flows / "out" / "roast_list.csv")
    assert roast["advice"].to_list()[0] == "roast today"


def test_parameters_choose_whom_the_campaign_goes_to(flows: Path) -> None:
    flow = flows / "marketing" / "campaign_audience.yaml"
    assert main(["run", str(flow), "--param", "country=DE", "--param", "min_spend=250"]) == 0
    audience = pl.read_csv(flows / "out" / "audience_summer_DE.csv")
    assert set(audience["segment"]) == {"gold"}


def test_the_tests_of_the_samples_pass(flows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", str(flows)]) == 0, capsys.readouterr().out


def test_the_reader_of_a_file_depends_on_its_writer(flows: Path, tmp_path: Path) -> None:
    defs = build_definitions(flows, compiled_folder=tmp_path / "compiled")
    graph = defs.resolve_asset_graph()
    reader = graph.get(dg.AssetKey(["stock_reorder", "coffee_demand"]))
    assert dg.AssetKey(["sales_review", "save_coffee_demand"]) in reader.parent_keys


def test_the_example_code_location_is_short_and_uses_public_names_only() -> None:
    texts = [path.read_text() for path in (PROJECT / "definitions").rglob("*.py")]
    assert sum(len(text.splitlines()) for text in texts) <= 40
    imports = [line for text in texts for line in text.splitlines() if "flowfile_dagster" in line and "import" in line]
    assert imports == ["from flowfile_dagster import build_definitions"]


def test_the_readme_s_python_runs(flows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    blocks = re.findall(r"```python\n(.*?)```", (PROJECT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) == 4
    namespaces: list[dict[str, object]] = [{"__name__": "readme"} for _ in blocks]
    for block, namespace in zip(blocks, namespaces, strict=True):
        exec(compile(block, "README.md", "exec"), namespace)
    merged = namespaces[1]["defs"]
    assert isinstance(merged, dg.Definitions)
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance:
        job = merged.resolve_implicit_global_asset_job_def()
        keys = [dg.AssetKey(["sales_review", "ranking"]), dg.AssetKey("podium")]
        result = job.execute_in_process(instance=instance, asset_selection=keys)
        event = result.asset_materializations_for_node("podium")[0]
    assert event.metadata["dagster/row_count"].value == 3
    fused = namespaces[3]["defs"]
    assert isinstance(fused, dg.Definitions)
    assert fused.executor is flowfile_executor
    assert len(fused.resolve_asset_graph().materializable_asset_keys) < 40


def test_the_readme_names_every_target_of_the_makefile_that_it_uses() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"make ([a-z-]+)", (PROJECT / "README.md").read_text()))
    assert {"demo", "test", "test-ui"} <= named <= targets
