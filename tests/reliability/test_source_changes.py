"""A change of a source's content is noticed, however little of it shows; nothing else is."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from flowfile_dagster import Flow, load_flow
from tests.factories import node, write_flow

SETTLED = 10 * 10**9


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files that have not changed for a while."""
    (tmp_path / "in").mkdir()
    for name in ("a.csv", "b.csv"):
        (tmp_path / "in" / name).write_text("x\n1\n")
        age(tmp_path / "in" / name)
    return tmp_path / "in"


@pytest.fixture
def flow(tmp_path: Path, folder: Path) -> Flow:
    received = {"path": str(folder), "file_type": "csv", "scan_mode": "directory"}
    return load_flow(write_flow(tmp_path / "shop.json", [node(1, "read", {"received_file": received})]))


@pytest.fixture
def single(tmp_path: Path, folder: Path) -> Flow:
    received = {"path": str(folder / "a.csv"), "file_type": "csv"}
    return load_flow(write_flow(tmp_path / "one.json", [node(1, "read", {"received_file": received})]))


def age(path: Path) -> None:
    when = time.time_ns() - SETTLED
    os.utime(path, ns=(when, when))


def rows(flow: Flow, store: Path) -> tuple[str, list[int]]:
    run = flow.run(store=store)
    return run.status[1], run.frame(1)["x"].to_list()


CHANGES: dict[str, Callable[[Path], object]] = {
    "added": lambda folder: (folder / "c.csv").write_text("x\n1\n"),
    "removed": lambda folder: (folder / "a.csv").unlink(),
    "renamed": lambda folder: (folder / "a.csv").rename(folder / "z.csv"),
    "changed": lambda folder: (folder / "a.csv").write_text("x\n2\n"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_change_of_a_folder_is_noticed(flow: Flow, folder: Path, tmp_path: Path, change: str) -> None:
    assert rows(flow, tmp_path / "store") == ("computed", [1, 1])
    assert rows(flow, tmp_path / "store") == ("hit", [1, 1])
    CHANGES[change](folder)
    expected = [int(line) for path in sorted(folder.iterdir()) for line in path.read_text().split()[1:]]
    assert rows(flow, tmp_path / "store") == ("computed", expected)


def test_touch_of_every_file_changes_nothing(flow: Flow, folder: Path, tmp_path: Path) -> None:
    rows(flow, tmp_path / "store")
    for path in folder.iterdir():
        path.touch()
    assert rows(flow, tmp_path / "store")[0] == "hit"


def test_content_of_the_same_size_is_noticed(single: Flow, folder: Path, tmp_path: Path) -> None:
    rows(single, tmp_path / "store")
    (folder / "a.csv").write_text("x\n7\n")
    assert rows(single, tmp_path / "store") == ("computed", [7])


def test_content_of_the_same_size_and_time_is_noticed(single: Flow, folder: Path, tmp_path: Path) -> None:
    rows(single, tmp_path / "store")
    times = (folder / "a.csv").stat()
    (folder / "a.csv").write_text("x\n7\n")
    os.utime(folder / "a.csv", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert rows(single, tmp_path / "store") == ("computed", [7])


def test_changes_faster_than_the_clock_of_the_file_system_are_noticed(
    single: Flow, folder: Path, tmp_path: Path
) -> None:
    for number in range(9):
        (folder / "a.csv").write_text(f"x\n{number}\n")
        assert rows(single, tmp_path / "store")[1] == [number]


def test_content_that_comes_back_is_a_hit(single: Flow, folder: Path, tmp_path: Path) -> None:
    rows(single, tmp_path / "store")
    (folder / "a.csv").write_text("x\n7\n")
    rows(single, tmp_path / "store")
    (folder / "a.csv").write_text("x\n1\n")
    assert rows(single, tmp_path / "store") == ("hit", [1])


@pytest.mark.parametrize("years", [[2023], [2022, 2023]])
def test_rename_of_a_folder_that_says_what_is_in_it_is_noticed(tmp_path: Path, years: list[int]) -> None:
    for year in years:
        place = tmp_path / "sales" / f"year={year}"
        place.mkdir(parents=True)
        pl.DataFrame({"x": [1]}).write_parquet(place / "part.parquet")
    received = {"path": str(tmp_path / "sales"), "file_type": "parquet"}
    flow = load_flow(write_flow(tmp_path / "shop.json", [node(1, "read", {"received_file": received})]))
    flow.run(store=tmp_path / "store")
    (tmp_path / "sales" / "year=2023").rename(tmp_path / "sales" / "year=2024")
    run = flow.run(store=tmp_path / "store")
    assert run.status == {1: "computed"}
    assert run.frame(1)["year"].to_list() == [*years[:-1], 2024]
