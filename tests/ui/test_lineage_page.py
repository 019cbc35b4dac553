"""The page of ``flowfile-dagster lineage --html``, as somebody clicks through it."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowfile_dagster.cli.app import main
from tests.ui.browser import Browser
from tests.ui.conftest import PROJECT

pytestmark = pytest.mark.ui


def row(node: str, column: str) -> str:
    return f"//div[contains(@class, 'node')][.//b[text()='{node}']]//button[.//i[text()='{column}']]"


def test_click_on_a_column_lights_up_what_it_is_made_of_and_what_uses_it(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "lineage.html"
    assert main(["lineage", str(PROJECT / "flows" / "sales_review.yaml"), "--html", str(page)]) == 0
    browser.open_file(page)
    browser.find(row("coffee_totals", "revenue")).click()
    browser.click("Fit")
    for node, column, state in (
        ("coffee_totals", "revenue", "pick"),
        ("sales_lines", "discount", "up"),
        ("coffees", "list_price", "up"),
        ("ranking", "revenue", "down"),
        ("save_coffee_demand", "revenue", "down"),
    ):
        assert browser.find(row(node, column)).get_attribute("class") == f"column {state}"
    assert browser.find(row("coffees", "unit_cost")).get_attribute("class") == "column"
    browser.find("//aside//*[text()='Used by (4)']")
    browser.screenshot("lineage-page")
    assert browser.complaints() == []
