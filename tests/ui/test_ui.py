"""What a person does first: look at the lineage, look at an asset, run two nodes, look at the result."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from tests.orchestration.server import Server
from tests.ui.browser import Browser

pytestmark = pytest.mark.ui

RUNS = "{ runsOrError { ... on Runs { results { runId } } } }"
SALES_REVIEW = "/locations/flowfile/asset-groups/sales_review/lineage"
CHARTS = "//tr[.//*[normalize-space(text())='flowfile/charts']]"
PREVIEW = "//tr[.//*[normalize-space(text())='flowfile/preview']]//table"


def test_the_lineage_graph_shows_every_flow_as_a_group(browser: Browser) -> None:
    browser.open("/asset-groups")
    in_graph = "//*[name()='foreignObject']//*[normalize-space(text())='{}']"
    for name in ("sales_review", "stock_reorder", "marketing", "support"):
        browser.find(in_graph.format(name))
    browser.screenshot("groups")
    browser.click_graph("marketing")
    for name in ("campaign_audience", "newsletter_test"):
        browser.find(in_graph.format(name))
    browser.screenshot("groups-in-a-folder")


def test_columns_are_known_before_a_run_and_the_preview_is_there_after_it(browser: Browser, server: Server) -> None:
    assert _run_ids(server) == [], "the Dagster home is not empty"
    browser.open("/assets/sales_review/line_revenue")
    browser.find_text("Never materialized")
    columns = browser.columns()
    assert list(columns)[-3:] == ["revenue", "margin", "month"]
    assert columns["sold_on"] == "Date"
    assert columns["revenue"] == "Float64"
    browser.screenshot("columns-before-any-run")

    browser.open(SALES_REVIEW)
    browser.click_graph("sales_lines", "clean_lines")
    browser.screenshot("two-nodes-selected")
    browser.find("//button[contains(normalize-space(.), 'Materialize selected (2)')]").click()
    (run_id,) = _await_runs(server)
    assert server.wait(run_id) == ("SUCCESS", {"sales_lines", "clean_lines"})

    browser.open("/assets/sales_review/clean_lines")
    header, first, *_ = browser.table(PREVIEW)
    assert header == ["line_id", "sold_on", "shop_code", "coffee_id", "bags", "discount", "channel"]
    assert first == ["1", "2025-01-01", "OLD", "C02", "1", "0.0", "counter"]
    browser.screenshot("preview-after-the-run")


def test_chart_saved_in_the_editor_is_a_picture_on_the_page(browser: Browser, server: Server) -> None:
    before = _run_ids(server)
    browser.open("/assets/sales_review/explore_trend")
    browser.find_text("Never materialized")
    browser.click("Materialize")
    browser.click("Confirm")  # Dagster warns: what is above has no result yet; it is computed along
    (run_id,) = _await_runs(server, before)
    assert server.wait(run_id) == ("SUCCESS", {"explore_trend"})
    browser.open("/assets/sales_review/explore_trend")
    browser.show(CHARTS)
    browser.find(f"{CHARTS}//a[contains(., 'Show Markdown')]").click()
    assert browser.width_of_picture("//*[@role='dialog']//img") > 0
    browser.screenshot("chart")


def _run_ids(server: Server) -> list[str]:
    return [run["runId"] for run in server.ask(RUNS)["runsOrError"]["results"]]


def _await_runs(server: Server, before: Sequence[str] = ()) -> list[str]:
    """The runs that were not there before."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and len(_run_ids(server)) == len(before):
        time.sleep(0.2)
    return [run_id for run_id in _run_ids(server) if run_id not in before]
