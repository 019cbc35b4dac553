"""Twenty flows with five hundred assets: the graph is drawn, and a flow in it can be opened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.factories import formula, manual, write_flow
from tests.orchestration.server import IN_PROCESS, serve
from tests.ui.browser import Browser, open_browser

pytestmark = pytest.mark.ui

FLOWS, BRANCHES, NODES = 20, 6, 25
IN_GRAPH = "//*[name()='foreignObject']//*[normalize-space(text())='{}']"


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    flows = tmp_path / "flows"
    flows.mkdir()
    for number in range(FLOWS):
        nodes = [manual(1, {"a": [1, 2, 3]})]
        nodes += [
            formula(node_id, max(1, node_id - BRANCHES), f"c{node_id}", "[a] + 1") for node_id in range(2, NODES + 1)
        ]
        write_flow(flows / f"flow_{number:02}.json", nodes)
    with open_browser(tmp_path / "profile") as opened, serve(tmp_path, flows, IN_PROCESS) as server:
        opened.visit(server.url)
        yield opened


def test_five_hundred_assets_are_a_graph_that_can_be_used(browser: Browser) -> None:
    browser.open("/asset-groups")
    for number in range(FLOWS):
        browser.find_text(f"flow_{number:02}")
    browser.find(IN_GRAPH.format("flow_10"))
    browser.screenshot("many-groups")
    browser.open("/locations/location/asset-groups/flow_07/lineage")
    browser.find("//*[name()='foreignObject']//*[starts-with(normalize-space(text()), 'formula_')]")
    browser.screenshot("one-of-many-groups")
    browser.open(f"/assets/flow_07/formula_{NODES}")
    assert list(browser.columns()) == ["a", "c7", "c13", "c19", "c25"]
