"""What ``workspace.yaml`` loads. In a project of your own, this file is all the Python that you need."""

from pathlib import Path

from flowfile_dagster import build_definitions

FLOWS = Path(__file__).parent.parent / "flows"

defs = build_definitions(FLOWS)
