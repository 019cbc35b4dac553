"""What people do with a project of two flows: lineage, parameters, a schedule, a selection, a source that changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.factories import advanced_filter, formula, node, read_csv, write_file, write_flow
from tests.orchestration.server import Server, serve_location
from tests.ui.browser import Browser, open_browser

pytestmark = pytest.mark.ui

CODE = """
import dagster as dg
from flowfile_dagster import ScheduleConfig, build_definitions
each_minute = ScheduleConfig(name="each_minute", cron="* * * * *", flows=["report"])
defs = dg.Definitions.merge(
    build_definitions({flows!r}, schedules=[each_minute]), dg.Definitions(executor=dg.in_process_executor)
)
"""
IN_GRAPH = "//*[name()='foreignObject']//*[normalize-space(text())='{}']"
LINEAGE_TABLE = "//tr[.//*[normalize-space(text())='flowfile/column_lineage']]//table"
RUNS = "{ runsOrError { ... on Runs { results { runId tags { key value } } } } }"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Flow ``orders`` writes a file that flow ``report`` reads; ``report`` reads a file of its own, too."""
    folder = tmp_path_factory.mktemp("project")
    flows = folder / "flows"
    flows.mkdir()
    (folder / "orders.csv").write_text("item,price\nmug,7\nlamp,40\ndesk,300\n")
    (folder / "kinds.csv").write_text("item,kind\nlamp,light\ndesk,table\n")
    minimum = {"name": "minimum", "type": "integer", "default_value": "10"}
    orders = [
        read_csv(1, folder / "orders.csv", node_reference="orders"),
        advanced_filter(2, 1, "[price] > ${minimum}", node_reference="large"),
        write_file(3, 2, folder / "large.csv"),
    ]
    write_flow(flows / "orders.json", orders, parameters=[minimum])
    groups = {"agg_cols": [{"old_name": "kind", "agg": "groupby"}, {"old_name": "gross", "agg": "sum"}]}
    report = [
        read_csv(1, folder / "large.csv", node_reference="large_orders"),
        read_csv(2, folder / "kinds.csv", node_reference="kinds"),
        formula(3, 1, "gross", "[price] * 1.19", node_reference="gross"),
        {**_join(4, 3, 2), "node_reference": "with_kind"},
        node(5, "group_by", {"groupby_input": groups}, 4, node_reference="by_kind"),
    ]
    write_flow(flows / "report.json", report)
    return folder


def _join(node_id: int, left: int, right: int) -> dict[str, Any]:
    selects: dict[str, Any] = {"left_select": {"select": []}, "right_select": {"select": []}}
    mapping = {"join_mapping": [{"left_col": "item", "right_col": "item"}], "how": "left"}
    return node(node_id, "join", {"join_input": {**mapping, **selects}}, left, right=right)


@pytest.fixture(scope="module")
def browser(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def server(browser: Browser, folder: Path) -> Iterator[Server]:
    with serve_location(folder, CODE.format(flows=str(folder / "flows")), daemon=True) as served:
        browser.visit(served.url)
        yield served


def test_two_flows_that_a_file_joins_are_one_lineage(server: Server, browser: Browser) -> None:
    browser.open("/assets/report/gross?view=lineage&lineageScope=upstream&lineageDepth=4")
    for name in ("gross", "large_orders", "output_3", "large"):
        browser.find(IN_GRAPH.format(name))
    browser.screenshot("two-flows-one-lineage")


def test_columns_and_their_origins_are_there_before_any_run(server: Server, browser: Browser) -> None:
    browser.open("/assets/orders/large")
    browser.find_text("Never materialized")
    assert browser.columns() == {"item": "String", "price": "Int64"}
    header, *rows = browser.table(LINEAGE_TABLE)
    assert header[0] == "column"
    assert [row[0] for row in rows] == ["item", "price"]
    assert "orders" in rows[1][1]
    browser.show(LINEAGE_TABLE)
    browser.screenshot("column-lineage-before-any-run")


def test_parameter_of_a_run_is_set_in_the_launchpad(server: Server, browser: Browser, folder: Path) -> None:
    browser.open("/locations/location/asset-groups/orders/lineage")
    browser.find(IN_GRAPH.format("output_3"))
    browser.open_launchpad()
    browser.write_config("resources:\n  flow__orders:\n    config:\n      parameters:\n        minimum: 100\n")
    browser.screenshot("parameter-in-the-launchpad")
    run_id = _run_started_by(server, browser.launch)
    assert server.wait(run_id) == ("SUCCESS", {"orders", "large", "output_3"})
    assert pl.read_csv(folder / "large.csv").rows() == [("desk", 300)]


def test_three_selected_nodes_are_materialized(server: Server, browser: Browser) -> None:
    browser.open("/locations/location/asset-groups/report/lineage")
    browser.click_graph("large_orders", "kinds", "gross")
    button = "//button[contains(normalize-space(.), 'Materialize selected (3)')]"
    materialize = browser.find(button)
    browser.screenshot("three-nodes-selected")
    run_id = _run_started_by(server, materialize.click)
    assert server.wait(run_id) == ("SUCCESS", {"large_orders", "kinds", "gross"})


def test_schedule_that_is_turned_on_runs_the_flow(server: Server, browser: Browser) -> None:
    browser.open("/locations/location/schedules/each_minute")
    browser.find("//*[contains(normalize-space(.), 'each_minute')]")

    def turn_on() -> None:
        browser.switch()

    run_id = _run_started_by(server, turn_on, seconds=150)
    assert server.wait(run_id) == ("SUCCESS", {"large_orders", "kinds", "gross", "with_kind", "by_kind"})
    tags = {tag["key"]: tag["value"] for run in _runs(server) if run["runId"] == run_id for tag in run["tags"]}
    assert tags["dagster/schedule_name"] == "each_minute"
    browser.screenshot("schedule-with-its-run")
    browser.switch()


def test_changed_source_makes_exactly_what_reads_it_unsynced(server: Server, browser: Browser, folder: Path) -> None:
    everything = [["orders", name] for name in ("orders", "large", "output_3")]
    assert server.wait(server.launch(everything))[0] == "SUCCESS"
    report = [["report", name] for name in ("large_orders", "kinds", "gross", "with_kind", "by_kind")]
    assert server.wait(server.launch(report))[0] == "SUCCESS"
    assert server.stale() == {}
    (folder / "kinds.csv").write_text("item,kind\nlamp,lamp\ndesk,table\n")
    (source,) = [key for key in server.sources() if key[-1] == "kinds_csv"]
    browser.open("/assets/" + "/".join(source))
    run_id = _run_started_by(server, lambda: browser.find("//button[contains(., 'Observe')]").click())
    assert server.wait(run_id)[0] == "SUCCESS"
    assert list(server.stale()) == ["report/kinds"]
    browser.open("/locations/location/asset-groups/report/lineage")
    browser.find("//*[name()='foreignObject']//*[contains(normalize-space(text()), 'Unsynced')]")
    browser.screenshot("unsynced-after-a-change")


def _runs(server: Server) -> list[dict[str, Any]]:
    return list(server.ask(RUNS)["runsOrError"]["results"])


def _run_started_by(server: Server, act: Callable[[], object], *, seconds: float = 60) -> str:
    """The run that is new after something was done in the browser."""
    before = {run["runId"] for run in _runs(server)}
    act()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        fresh = [run["runId"] for run in _runs(server) if run["runId"] not in before]
        if fresh:
            return str(fresh[-1])
        time.sleep(0.3)
    raise TimeoutError("no run was started")
