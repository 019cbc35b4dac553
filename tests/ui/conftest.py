"""The real webserver on the sample flows, and a headless Chromium to look at it with."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.orchestration.server import LOCATION, Server, stop
from tests.ui.browser import Browser, open_browser

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """What ``make serve`` starts, on an empty Dagster home."""
    home = tmp_path_factory.mktemp("dagster-home")
    shutil.copy(PROJECT / "definitions" / "home" / "dagster.yaml", home)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "dagster_webserver", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)]
    environment = {**os.environ, "DAGSTER_HOME": str(home)}
    with (home / "webserver.log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=PROJECT, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        served = Server(f"http://127.0.0.1:{port}")
        _await_location(served, process, home / "webserver.log")
        yield served
    finally:
        stop(process)


@pytest.fixture(scope="session")
def browser(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Screenshots go to the folder that ``FLOWFILE_SCREENSHOTS`` names, if it is set."""
    with open_browser(tmp_path_factory.mktemp("profile")) as opened:
        # Only now: without a browser nobody wants to wait for a server.
        server: Server = request.getfixturevalue("server")
        opened.visit(server.url)
        yield opened


def _await_location(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            entries = server.ask(LOCATION)["workspaceOrError"]["locationEntries"]
        except OSError:
            entries = []
        if entries and entries[0]["loadStatus"] == "LOADED":
            assert entries[0]["locationOrLoadError"]["__typename"] != "PythonError", entries[0]
            return
        time.sleep(0.3)
    raise TimeoutError(log.read_text())
