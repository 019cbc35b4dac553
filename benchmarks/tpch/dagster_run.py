"""``python -m tpch.dagster_run JOB FOLDER``: seconds of a run in a multiprocess executor, on an instance with SQLite.

A program of its own, because the process of each step imports the main module again, which costs nothing in Dagster's.
"""

import sys
import time
import warnings
from pathlib import Path


def run(job: str, folder: Path) -> float:
    """Run a job of `tpch.assets`; the folder is the instance's home."""
    warnings.simplefilter("ignore")
    import dagster as dg

    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    reconstructable = dg.build_reconstructable_job("tpch.assets", job)
    config = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
    with dg.DagsterInstance.get() as instance:
        start = time.perf_counter()
        result = dg.execute_job(reconstructable, instance, run_config=config)
        seconds = time.perf_counter() - start
    if not result.success:
        sys.exit(f"the job {job} failed")
    return seconds


if __name__ == "__main__":
    print(run(sys.argv[1], Path(sys.argv[2])))
