"""The short form of `make test-crash`."""

from pathlib import Path

import pytest

from tests.reliability.crashes import kill_dagster_runs, kill_writers


def test_killed_writers_leave_no_wrong_partial_or_lost_result(tmp_path: Path) -> None:
    findings = kill_writers(tmp_path, 8, seed=1)
    assert findings.is_clean, findings
    assert findings.finished > 0


@pytest.mark.slow
def test_killed_dagster_runs_leave_no_wrong_partial_or_lost_result(tmp_path: Path) -> None:
    findings = kill_dagster_runs(tmp_path, 3, seed=1)
    assert findings.is_clean, findings
    assert findings.finished > 15
