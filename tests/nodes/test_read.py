import gzip
import json
from collections.abc import Callable
from datetime import time
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal
from pydantic import ValidationError

from flowfile_dagster.contract.node_type import Trait, by_handle
from flowfile_dagster.errors import DataError, DuplicateColumnError, SettingsError
from flowfile_dagster.nodes import find_node_type
from tests.nodes.node_case import LiteralContext, NodeCase, parse_settings, run_node

ROWS = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
WRITERS: dict[str, Callable[[Path], Any]] = {
    "csv": ROWS.write_csv,
    "parquet": ROWS.write_parquet,
    "ipc": ROWS.write_ipc,
    "ipc_stream": ROWS.write_ipc_stream,
    "ndjson": ROWS.write_ndjson,
    "avro": ROWS.write_avro,
    "json": lambda path: path.write_text(ROWS.write_json()),
}


def file_settings(path: object, file_type: str, **more: Any) -> dict[str, Any]:
    return {"received_file": {"path": str(path), "file_type": file_type, **more}}


def written(file_type: str) -> Callable[[Path], dict[str, Any]]:
    def write(root: Path) -> dict[str, Any]:
        WRITERS[file_type](root / f"rows.{file_type}")
        return file_settings(root / f"rows.{file_type}", file_type)

    return write


def read(path: object, file_type: str, **more: Any) -> pl.DataFrame:
    return run_node("read", file_settings(path, file_type, **more))["output-0"]


def folder_of_two(root: Path) -> Path:
    (root / "deep").mkdir()
    (root / "deep" / "p1.csv").write_text("a,b\n1,x\n")
    (root / "P2.CSV").write_text("a,b\n2.5,y\n")
    (root / ".hidden.csv").write_text("other\n1\n")
    (root / "notes.txt").write_text("no table")
    return root


CASES = [
    *(NodeCase(written(file_type)) for file_type in WRITERS),
    NodeCase(lambda root: file_settings(folder_of_two(root), "csv", scan_mode="directory", include_file_paths="src")),
]


@pytest.mark.parametrize("file_type", WRITERS)
def test_read_file_of_each_type_gives_its_rows(tmp_path: Path, file_type: str) -> None:
    assert_frame_equal(run_node("read", written(file_type)(tmp_path))["output-0"], ROWS)


@pytest.mark.parametrize("file_type", WRITERS)
def test_read_include_file_paths_adds_the_path_as_last_column_for_each_type(tmp_path: Path, file_type: str) -> None:
    settings = written(file_type)(tmp_path)
    settings["received_file"]["include_file_paths"] = " src "
    table = run_node("read", settings)["output-0"]
    assert_frame_equal(table, ROWS.with_columns(src=pl.lit(str(tmp_path / f"rows.{file_type}"))))


@pytest.mark.parametrize("file_type", ["csv", "parquet", "avro", "json"])
def test_read_include_file_paths_with_the_name_of_a_column_is_refused(tmp_path: Path, file_type: str) -> None:
    settings = written(file_type)(tmp_path)
    settings["received_file"]["include_file_paths"] = "a"
    with pytest.raises((DuplicateColumnError, pl.exceptions.DuplicateError), match="a"):
        run_node("read", settings)


def test_read_name_is_appended_unless_the_path_contains_it(tmp_path: Path) -> None:
    ROWS.write_csv(tmp_path / "rows.csv")
    for path, name in ((tmp_path, "rows.csv"), (tmp_path / "rows.csv", "rows"), (tmp_path / "rows.csv", "rows.csv")):
        assert_frame_equal(read(path, "csv", name=name), ROWS)
    with pytest.raises(DataError, match=r"no file .*/rows\.csv/other\.csv"):
        read(tmp_path / "rows.csv", "csv", name="other.csv")


def test_read_relative_path_is_resolved_by_the_context(tmp_path: Path) -> None:
    ROWS.write_csv(tmp_path / "rows.csv")
    table = run_node("read", file_settings("rows.csv", "csv"), context=LiteralContext(tmp_path))["output-0"]
    assert_frame_equal(table, ROWS)


@pytest.mark.parametrize("file_type", ["csv", "parquet", "ipc", "ndjson"])
def test_read_name_with_pattern_characters_is_taken_literally(tmp_path: Path, file_type: str) -> None:
    folder = tmp_path / "[old]"
    folder.mkdir()
    WRITERS[file_type](folder / "rows[1].dat")
    assert_frame_equal(read(folder / "rows[1].dat", file_type), ROWS)


def test_read_folder_takes_all_files_sorted_by_path_and_widens_types(tmp_path: Path) -> None:
    table = read(folder_of_two(tmp_path), "csv", scan_mode="directory", include_file_paths="src")
    paths = [str(tmp_path / "P2.CSV"), str(tmp_path / "deep" / "p1.csv")]
    assert_frame_equal(table, pl.DataFrame({"a": [2.5, 1.0], "b": ["y", "x"], "src": paths}))


def test_read_pattern_is_looked_for_under_the_roots(tmp_path: Path) -> None:
    folder_of_two(tmp_path)
    settings = file_settings("d*/*.csv", "csv", scan_mode="directory")
    context = LiteralContext(tmp_path)
    assert run_node("read", settings, context=context)["output-0"].rows() == [(1, "x")]
    (source,) = find_node_type("read").sources(parse_settings("read", settings), context)
    assert (source.uri, source.files) == (str(tmp_path / "d*/*.csv"), (tmp_path / "deep" / "p1.csv",))


@pytest.mark.parametrize("pattern", ["**/**/*.csv", "**/*/**/*.csv", "**/deep/**/**/**/deep/**/*.csv"])
def test_read_pattern_with_many_ways_to_a_file_takes_it_once(tmp_path: Path, pattern: str) -> None:
    folder = tmp_path.joinpath(*["deep"] * 30)
    folder.mkdir(parents=True)
    ROWS.write_csv(folder / "a.csv")
    assert_frame_equal(read(tmp_path / pattern, "csv", scan_mode="directory"), ROWS)


def test_read_folder_without_matching_files_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no files match"):
        read(tmp_path, "parquet", scan_mode="directory")


def test_read_folder_of_parquet_files_fits_columns_by_name_and_names_the_file_that_differs(tmp_path: Path) -> None:
    ROWS.write_parquet(tmp_path / "1.parquet")
    ROWS.select("b", "a").write_parquet(tmp_path / "2.parquet")
    assert_frame_equal(read(tmp_path, "parquet", scan_mode="directory"), pl.concat([ROWS, ROWS]))
    ROWS.with_columns(pl.col("a").cast(pl.Int32)).write_parquet(tmp_path / "3.parquet")
    with pytest.raises(DataError, match=r"3\.parquet: column 'a' is Int32.*1\.parquet it is Int64"):
        read(tmp_path, "parquet", scan_mode="directory")
    ROWS.select("a").write_parquet(tmp_path / "3.parquet")
    with pytest.raises(DataError, match=r"3\.parquet has the columns \['a'\]"):
        read(tmp_path, "parquet", scan_mode="directory")


@pytest.mark.parametrize("dtype", [pl.Int128, pl.UInt128, pl.Null])
def test_read_parquet_filtered_by_a_type_that_its_reader_cannot_filter_by_gives_the_rows(
    tmp_path: Path, dtype: pl.DataType
) -> None:
    pl.DataFrame({"a": pl.Series([None, None], dtype=dtype), "b": [1, 2]}).write_parquet(tmp_path / "rows.parquet")
    assert filtered_by_missing(tmp_path / "rows.parquet").rows() == [(None, 2)]


def test_read_parquet_filtered_by_times_in_milliseconds_gives_the_rows(tmp_path: Path) -> None:
    times = pa.array([1_000, None, None], pa.time32("ms"))
    pq.write_table(pa.table({"a": times, "b": [1, 1, 2]}), tmp_path / "rows.parquet")
    assert filtered_by_missing(tmp_path / "rows.parquet").rows() == [(None, 2)]
    assert read(tmp_path / "rows.parquet", "parquet")["a"].to_list() == [time(0, 0, 1), None, None]


def filtered_by_missing(path: Path) -> pl.DataFrame:
    settings = parse_settings("read", file_settings(path, "parquet"))
    rows = by_handle(find_node_type("read").compute(settings, [], LiteralContext()))["output-0"]
    return rows.filter(pl.col("a").is_null(), pl.col("b") > 1).collect()


def test_read_ndjson_key_and_type_of_late_rows_are_kept(tmp_path: Path) -> None:
    lines = [{"a": 1}] * 150 + [{"a": 1.5, "late": "x"}]
    (tmp_path / "late.ndjson").write_text("\n".join(map(json.dumps, lines)))
    assert read(tmp_path / "late.ndjson", "ndjson").row(-1, named=True) == {"a": 1.5, "late": "x"}


def test_read_json_in_another_encoding_gives_the_records(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(json.dumps([{"s": "é"}, {"t": [1]}], ensure_ascii=False).encode("latin-1"))
    table = read(tmp_path / "a.json", "json", table_settings={"encoding": "latin-1"})
    assert_frame_equal(table, pl.DataFrame({"s": ["é", None], "t": [None, [1]]}))


def test_read_json_with_a_csv_setting_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"table_settings\.delimiter: it has no meaning for json"):
        read(tmp_path / "a.json", "json", table_settings={"delimiter": ";"})


@pytest.mark.parametrize("file_type", ["json", "avro", "ipc_stream"])
def test_read_broken_file_names_the_file(tmp_path: Path, file_type: str) -> None:
    (tmp_path / "broken").write_bytes(b"no such thing")
    with pytest.raises(DataError, match=f"broken: cannot be read as {file_type}"):
        read(tmp_path / "broken", file_type)


@pytest.mark.parametrize("file_type", [*WRITERS, "excel"])
def test_read_missing_file_names_the_path(tmp_path: Path, file_type: str) -> None:
    with pytest.raises(DataError, match=r"there is no file .*/none\.dat"):
        read(tmp_path / "none.dat", file_type)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (file_settings("s3://bucket/key", "csv"), "not a local file: use a cloud storage reader"),
        (file_settings("https://x/a.xlsx", "excel"), "a URL can be read as csv"),
        (file_settings("https://x/a", "csv", scan_mode="directory"), "a URL cannot be read as a folder"),
        (file_settings("folder", "ndjson", scan_mode="directory"), "a folder can be read as csv"),
        (file_settings("a", "csv", table_settings={"file_type": "parquet"}), "it is 'parquet', but file_type is 'csv'"),
        (file_settings("a", "csv", table_settings={"delimiter": "||"}), "delimiter: .* exactly one ASCII character"),
        (file_settings("a", "csv", table_settings={"encoding": "klingon"}), "'klingon' is not the name of an encoding"),
    ],
)
def test_read_setting_that_cannot_work_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        find_node_type("read").check(parse_settings("read", settings))


def test_read_unknown_file_type_is_refused() -> None:
    with pytest.raises(ValidationError, match="file_type"):
        parse_settings("read", file_settings("a", "xml"))


def test_read_identity_has_no_path_but_says_which_sources_show_it(tmp_path: Path) -> None:
    node = find_node_type("read")

    def identity(path: str, **more: Any) -> dict[str, Any]:
        cosmetic = {"fields": [{"name": path}], "abs_file_path": path, "id": len(path)}
        return node.identity(parse_settings("read", file_settings(path, "csv", **cosmetic, **more)))

    assert identity("/a/x.csv") == identity("/other/y.csv")
    assert identity("a", table_settings={"delimiter": ";"}) != identity("a")
    shown = parse_settings("read", file_settings("a", "csv", include_file_paths="p"))
    hidden = parse_settings("read", file_settings("a", "csv"))
    assert [source.shows_paths for source in node.sources(shown, LiteralContext(tmp_path))] == [True]
    assert [source.shows_paths for source in node.sources(hidden, LiteralContext(tmp_path))] == [False]
    assert identity("http://x/a") != identity("http://x/b")


def test_read_url_is_volatile_and_has_no_files() -> None:
    node, settings = find_node_type("read"), parse_settings("read", file_settings("https://x/a.csv", "csv", name="a"))
    assert Trait.VOLATILE in node.traits_of(settings)
    assert [(source.uri, source.files) for source in node.sources(settings, LiteralContext())] == [
        ("https://x/a.csv", ())
    ]


@pytest.mark.parametrize(("file_type", "is_barrier"), [("csv", False), ("parquet", False), ("avro", True)])
def test_read_type_that_cannot_be_scanned_is_a_barrier(file_type: str, is_barrier: bool) -> None:
    settings = parse_settings("read", file_settings("a", file_type))
    assert (Trait.BARRIER in find_node_type("read").traits_of(settings)) is is_barrier


def test_read_packed_csv_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress("a\né\n".encode("latin-1")))
    assert read(tmp_path / "a.csv.gz", "csv", table_settings={"encoding": "latin-1"})["a"].to_list() == ["é"]


def test_read_url_is_opaque_because_prediction_needs_no_network() -> None:
    settings = parse_settings("read", file_settings("http://127.0.0.1:9/none.csv", "csv"))
    predicted = find_node_type("read").predict(settings, (), LiteralContext(is_prediction=True))
    assert predicted == {"output-0": None}
