"""Make the TPC-H tables as parquet files, and one of them as csv: ``python tpch_data.py FOLDER --scale 1``.

Needs the extra ``bench``. What is there already is left alone. Amounts are floats, not decimals: formulas and Polars
round the product of two decimals to the places of its factors, which would change the answers of the queries.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TABLES = ("region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem")
CSV_TABLE = "lineitem"
_COMPLETE = "complete"


def make_data(folder: Path, scale: float) -> None:
    """Fill the folder, unless it is complete."""
    if (folder / _COMPLETE).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as raw:
        subprocess.run([_generator(), "parquet", "--scale-factor", str(scale), "--output-dir", raw], check=True)
        for table in TABLES:
            _convert(Path(raw) / f"{table}.parquet", folder / f"{table}.parquet")
    _write_csv(folder)
    (folder / _COMPLETE).touch()


def _generator() -> str:
    found = shutil.which("tpchgen-cli", path=str(Path(sys.executable).parent)) or shutil.which("tpchgen-cli")
    if found is None:
        sys.exit("tpchgen-cli is missing: install the extra flowfile-dagster[bench]")
    return found


def _convert(source: Path, target: Path) -> None:
    import polars as pl

    scan = pl.scan_parquet(source)
    amounts = [name for name, dtype in scan.collect_schema().items() if isinstance(dtype, pl.Decimal)]
    scan.with_columns(pl.col(amounts).cast(pl.Float64)).sink_parquet(target)


def _write_csv(folder: Path) -> None:
    import polars as pl

    pl.scan_parquet(folder / f"{CSV_TABLE}.parquet").sink_csv(folder / f"{CSV_TABLE}.csv")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scale", type=float, default=1.0, help="the scale factor: 1 is about 1 GB of text")
    options = parser.parse_args()
    make_data(options.folder, options.scale)


if __name__ == "__main__":
    main()
