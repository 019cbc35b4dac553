"""The sample flows, many times in a row: a process forked at the wrong moment would hang sooner or later."""

import os
import shutil
from pathlib import Path

import pytest

from tests.orchestration.server import (
    FORK_SERVER,
    FORK_SERVER_WITH_DEFINITIONS,
    OURS,
    STOCK_MULTIPROCESS,
    Server,
    serve,
)

SAMPLES = Path(__file__).parents[2] / "flows"
RUNS = int(os.environ.get("SOAK_RUNS", "20"))
ASSETS = "{ assetNodes { assetKey { path } isMaterializable } }"


@pytest.mark.soak
@pytest.mark.parametrize(
    ("executor", "mode", "least"),
    [
        (STOCK_MULTIPROCESS, None, 30),
        (FORK_SERVER, None, 30),
        (FORK_SERVER_WITH_DEFINITIONS, None, 30),
        (OURS, "performance", 20),
    ],
    ids=["stock multiprocess", "fork server", "fork server with the definitions", "ours in performance mode"],
)
def test_sample_flows_run_many_times_without_a_hang(
    tmp_path: Path, executor: str, mode: str | None, least: int
) -> None:
    flows = tmp_path / "flows"
    shutil.copytree(SAMPLES, flows)
    with serve(tmp_path, flows, executor, mode) as server:
        keys = all_assets(server)
        for number in range(RUNS):
            forget_results(tmp_path, every_second=number % 2 == 1)
            status, materialized = server.wait(server.launch(keys))
            assert status == "SUCCESS", f"run {number}"
            assert len(materialized) > least


def all_assets(server: Server) -> list[list[str]]:
    nodes = server.ask(ASSETS)["assetNodes"]
    return [node["assetKey"]["path"] for node in nodes if node["isMaterializable"]]


def forget_results(folder: Path, *, every_second: bool) -> None:
    """Every second run computes everything again, the others find it."""
    if every_second:
        shutil.rmtree(folder / "dagster-home" / "storage" / "flowfile", ignore_errors=True)
