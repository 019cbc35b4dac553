import gzip
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from openpyxl import load_workbook
from polars.testing import assert_frame_equal
from pydantic import ValidationError

from flowfile_dagster.contract.node_type import Target
from flowfile_dagster.errors import DataError, MissingExtraError, SettingsError
from flowfile_dagster.nodes import find_node_type
from flowfile_dagster.nodes._file_writer import scratch_file
from tests.nodes.node_case import LiteralContext, NodeCase, assert_node, parse_settings

ROWS = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
MORE = pl.DataFrame({"a": [3], "b": ["é"]})
READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    "csv": pl.read_csv,
    "parquet": pl.read_parquet,
    "ipc": lambda path: pl.read_ipc(path.read_bytes()),
    "ndjson": pl.read_ndjson,
    "avro": pl.read_avro,
    "excel": pl.read_excel,
}


def output(directory: object, name: str, file_type: str = "csv", **more: Any) -> dict[str, Any]:
    return {"output_settings": {"directory": str(directory), "name": name, "file_type": file_type, **more}}


def write(settings: dict[str, Any], rows: pl.DataFrame | pl.LazyFrame = ROWS, root: Path = Path()) -> None:
    find_node_type("output").write(parse_settings("output", settings), rows.lazy(), LiteralContext(root))


def target(settings: dict[str, Any], root: Path = Path("/base")) -> Target:
    found = find_node_type("output").target(parse_settings("output", settings), LiteralContext(root))
    assert found is not None
    return found


CASES = [
    NodeCase(lambda root: output(root, "a.csv"), (ROWS,)),
    NodeCase(lambda root: output(root, "a.parquet", "parquet", write_mode="append"), (ROWS,)),
]


def test_output_delivers_its_input_and_writes_nothing_by_itself(tmp_path: Path) -> None:
    assert_node("output", output(tmp_path, "a.csv"), [ROWS], ROWS)
    assert list(tmp_path.iterdir()) == []


def test_output_excel_without_its_library_is_predicted_to_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    settings = parse_settings("output", output(tmp_path, "a.xlsx", "excel"))
    with pytest.raises(MissingExtraError, match=r"flowfile-dagster\[excel\]"):
        find_node_type("output").predict(settings, [ROWS.schema], LiteralContext())


def test_output_csv_has_every_field_in_quotes(tmp_path: Path) -> None:
    rows = pl.DataFrame(
        {"s": ['say "hi"', None], "f": [2.0, None], "d": [date(2024, 1, 2), None], "b": [True, None]}
    ).with_columns(t=pl.lit(datetime(2024, 1, 2, 10)))
    write(output(tmp_path, "a.csv", table_settings={"delimiter": ";"}), rows)
    assert (tmp_path / "a.csv").read_bytes().decode() == (
        '"s";"f";"d";"b";"t"\n'
        '"say ""hi""";"2.0";"2024-01-02";"true";"2024-01-02T10:00:00.000000"\n'
        '"";"";"";"";"2024-01-02T10:00:00.000000"\n'
    )


@pytest.mark.parametrize(
    ("file_type", "compression"),
    [
        *((file_type, None) for file_type in READERS if file_type != "csv"),
        *(("parquet", name) for name in ("lz4", "uncompressed", "snappy", "gzip", "brotli")),
        *(("ipc", name) for name in ("lz4", "zstd")),
        *(("ndjson", name) for name in ("gzip", "zstd")),
        *(("avro", name) for name in ("snappy", "deflate")),
    ],
)
def test_output_of_each_type_and_compression_can_be_read_again(
    tmp_path: Path, file_type: str, compression: str | None
) -> None:
    table = {"compression": compression} if compression else None
    write(output(tmp_path, "a.xlsx", file_type, table_settings=table))
    assert_frame_equal(READERS[file_type](tmp_path / "a.xlsx"), ROWS)


@pytest.mark.parametrize("file_type", READERS)
def test_output_append_adds_rows_and_is_not_repeatable(tmp_path: Path, file_type: str) -> None:
    settings = output(tmp_path, "a.xlsx", file_type, write_mode="append")
    write(settings)
    write(settings, MORE)
    expected = pl.concat([ROWS, MORE])
    if file_type == "csv":
        expected = expected.with_columns(pl.col("b").fill_null(""))
    assert_frame_equal(READERS[file_type](tmp_path / "a.xlsx"), expected)
    assert not target(settings).is_repeatable


@pytest.mark.parametrize("file_type", READERS)
def test_output_append_of_other_columns_is_refused_and_keeps_the_file(tmp_path: Path, file_type: str) -> None:
    settings = output(tmp_path, "a.xlsx", file_type, write_mode="append")
    write(settings)
    before = (tmp_path / "a.xlsx").read_bytes()
    with pytest.raises(DataError, match=r"a\.xlsx: cannot append, .*'other'"):
        write(settings, ROWS.with_columns(other=1))
    assert (tmp_path / "a.xlsx").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.xlsx"]


def test_output_avro_of_a_table_in_several_chunks_can_be_read_again(tmp_path: Path) -> None:
    rows = pl.concat([ROWS, MORE], rechunk=False)
    write(output(tmp_path, "a.avro", "avro"), rows)
    assert_frame_equal(pl.read_avro(tmp_path / "a.avro"), rows)


def test_output_append_to_packed_ndjson_stays_readable_and_needs_the_same_compression(tmp_path: Path) -> None:
    packed = output(tmp_path, "a", "ndjson", write_mode="append", table_settings={"compression": "gzip"})
    write(packed)
    write(packed, MORE)
    assert gzip.decompress((tmp_path / "a").read_bytes()).count(b"\n") == 3
    assert READERS["ndjson"](tmp_path / "a").height == 3
    with pytest.raises(DataError, match="the compression of the file is gzip, of the new rows uncompressed"):
        write(output(tmp_path, "a", "ndjson", write_mode="append"), MORE)


def test_output_append_to_a_file_without_final_line_end_begins_a_new_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,x")
    write(output(tmp_path, "a.csv", write_mode="append"), MORE)
    assert (tmp_path / "a.csv").read_text(encoding="utf8") == 'a,b\n1,x\n"3","é"\n'


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_output_csv_encoding_is_honoured_when_appending_too(tmp_path: Path, encoding: str) -> None:
    for mode in ("overwrite", "append"):
        write(output(tmp_path, "a.csv", write_mode=mode, table_settings={"encoding": encoding}), MORE)
    assert (tmp_path / "a.csv").read_bytes() == '"a","b"\n"3","é"\n"3","é"\n'.encode(encoding)


def test_output_csv_character_unknown_to_the_encoding_is_refused_and_keeps_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("old")
    with pytest.raises(SettingsError, match="'ascii' has no 'é'"):
        write(output(tmp_path, "a.csv", table_settings={"encoding": "ascii"}), MORE)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.csv", "old")]


@pytest.mark.parametrize("file_type", READERS)
def test_output_create_on_an_existing_file_is_refused(tmp_path: Path, file_type: str) -> None:
    settings = output(tmp_path, "a.xlsx", file_type, write_mode="create")
    write(settings)
    before = (tmp_path / "a.xlsx").read_bytes()
    with pytest.raises(DataError, match=r"a\.xlsx already exists, and the mode is create"):
        write(settings, MORE)
    assert (tmp_path / "a.xlsx").read_bytes() == before


@pytest.mark.parametrize("file_type", READERS)
def test_output_that_fails_while_computing_keeps_the_old_file_and_leaves_no_other(
    tmp_path: Path, file_type: str
) -> None:
    settings = output(tmp_path, "a.xlsx", file_type)
    write(settings)
    before = (tmp_path / "a.xlsx").read_bytes()
    with pytest.raises(pl.exceptions.InvalidOperationError):
        write(settings, ROWS.lazy().with_columns(pl.col("b").cast(pl.Int64)))
    assert (tmp_path / "a.xlsx").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.xlsx"]


def make_older(path: Path, *, days: float) -> None:
    then = path.stat().st_mtime - days * 86_400
    os.utime(path, (then, then))


def test_output_removes_what_a_killed_writer_left_a_day_ago(tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from flowfile_dagster.nodes._file_writer import replacement_of

with replacement_of(Path({str(tmp_path / "a.csv")!r})) as scratch:
    scratch.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", code])
    (left,) = tmp_path.iterdir()
    assert (killed.returncode, [path.name for path in left.iterdir()]) == (-signal.SIGKILL, ["new"])
    write(output(tmp_path, "b.csv"))
    assert left.exists(), "another machine may be at work there"
    make_older(left, days=2)
    write(output(tmp_path, "b.csv"))
    assert [path.name for path in tmp_path.iterdir()] == ["b.csv"]


def test_output_spares_a_writer_at_work_however_old_and_what_others_named_alike(tmp_path: Path) -> None:
    alike = [tmp_path / f".{letter * 32}.tmp" for letter in "ab"] + [tmp_path / ".old.tmp"]
    alike[0].write_text("a file")
    alike[1].mkdir()
    (alike[1] / "other").write_text("not ours")
    alike[2].mkdir()
    with scratch_file(tmp_path / "a.csv") as scratch:
        for path in (*alike, scratch.parent):
            make_older(path, days=1000)
        write(output(tmp_path, "b.csv"))
        assert scratch.parent.is_dir()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*(path.name for path in alike), "b.csv"])
    assert (alike[1] / "other").exists()


def test_output_can_replace_the_file_that_it_is_computed_from(tmp_path: Path) -> None:
    ROWS.write_parquet(tmp_path / "a.parquet")
    write(output(tmp_path, "a.parquet", "parquet"), pl.scan_parquet(tmp_path / "a.parquet").filter(pl.col("a") > 1))
    assert_frame_equal(pl.read_parquet(tmp_path / "a.parquet"), ROWS.slice(1))


def test_output_replaces_what_a_link_leads_to_and_keeps_its_permissions(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "real.csv").chmod(0o640)
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    write(output(tmp_path, "link.csv"))
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text().startswith('"a","b"')
    assert (tmp_path / "real.csv").stat().st_mode & 0o777 == 0o640


def test_output_update_replaces_one_sheet_in_its_place_and_keeps_the_others(tmp_path: Path) -> None:
    def settings(sheet: str, mode: str) -> dict[str, Any]:
        return output(tmp_path, "a.xlsx", "excel", write_mode=mode, table_settings={"sheet_name": sheet})

    for sheet, rows in (("One", ROWS), ("Two", MORE), ("One", MORE)):
        write(settings(sheet, "update"), rows)
    assert load_workbook(tmp_path / "a.xlsx").sheetnames == ["One", "Two"]
    for sheet in ("One", "Two"):
        assert_frame_equal(pl.read_excel(tmp_path / "a.xlsx", sheet_name=sheet), MORE)
    write(settings("Two", "overwrite"))
    assert load_workbook(tmp_path / "a.xlsx").sheetnames == ["Two"]


def test_output_updates_of_one_workbook_at_the_same_time_lose_no_sheet(tmp_path: Path) -> None:
    names = [f"S{i}" for i in range(6)]

    def update(name: str) -> None:
        write(output(tmp_path, "a.xlsx", "excel", write_mode="update", table_settings={"sheet_name": name}))

    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(update, names))
    assert sorted(load_workbook(tmp_path / "a.xlsx").sheetnames) == names


def test_output_update_writes_nested_values_as_text_and_drops_time_zones(tmp_path: Path) -> None:
    settings = output(tmp_path, "a.xlsx", "excel", write_mode="update")
    write(settings)
    zoned = pl.Series("t", [datetime(2024, 1, 1, 10)]).dt.replace_time_zone("Europe/Paris")
    write(settings, pl.DataFrame({"l": [[1, 2]], "t": zoned}))
    cells = [cell.value for cell in load_workbook(tmp_path / "a.xlsx")["Sheet1"][2]]
    assert cells == ["[1, 2]", datetime(2024, 1, 1, 10)]


@pytest.mark.parametrize("mode", ["overwrite", "update", "append"])
@pytest.mark.parametrize(
    ("rows", "cause"),
    [
        (pl.DataFrame({"A": [1], "a": [2]}), "'A' and 'a': they differ in upper and lower case only"),
        (pl.DataFrame({"t": ["x" * 32_768]}), "column 't' has a text of 32768 characters; an Excel cell holds 32767"),
        (pl.DataFrame({"n": pl.repeat(1, 1_048_576, eager=True)}), "1048576 rows and 1 columns are more than"),
        (pl.DataFrame({f"c{i}": [1] for i in range(16_385)}), "1 rows and 16385 columns are more than"),
    ],
)
def test_output_excel_refuses_what_would_be_lost(tmp_path: Path, mode: str, rows: pl.DataFrame, cause: str) -> None:
    settings = output(tmp_path, "a.xlsx", "excel", write_mode=mode)
    write(settings)
    with pytest.raises(DataError, match=cause):
        write(settings, rows)
    assert_frame_equal(pl.read_excel(tmp_path / "a.xlsx"), ROWS)


def test_output_csv_with_a_nested_column_names_the_column(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="column 'l' is List"):
        write(output(tmp_path, "a.csv"), pl.DataFrame({"l": [[1]]}))


def test_output_into_a_missing_folder_names_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the folder .*/none does not exist"):
        write(output(tmp_path / "none", "a.csv"))


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no folder that even root cannot write into")
def test_output_into_a_folder_that_takes_no_files_names_the_folder() -> None:
    with pytest.raises(DataError, match=r"nothing can be written into the folder /proc/\d+: No such file"):
        write(output(Path("/proc/self"), "a.csv"), pl.DataFrame({"a": [1]}))


def test_output_onto_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(DataError, match=r"a\.csv is a folder, not a file"):
        write(output(tmp_path, "a.csv"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
@pytest.mark.parametrize("mode", ["overwrite", "append"])
@pytest.mark.parametrize("file_type", ["csv", "parquet"])
def test_output_takes_the_place_of_no_pipe_or_device(tmp_path: Path, file_type: str, mode: str) -> None:
    pipe = tmp_path / f"a.{file_type}"
    os.mkfifo(pipe)
    with pytest.raises(DataError, match=rf"a\.{file_type} is a device, pipe or socket, not a file"):
        write(output(tmp_path, pipe.name, file_type, write_mode=mode))
    assert pipe.is_fifo()


@pytest.mark.parametrize(
    ("directory", "name", "expected"),
    [
        ("/data", "a.csv", "/data/a.csv"),
        ("/data/a.csv", "a.csv", "/data/a.csv"),
        ("/data/a.csv_old", "a.csv", "/data/a.csv_old"),
        ("out", "a.csv", "/base/out/a.csv"),
        ("", "a.csv", "/base/a.csv"),
    ],
)
def test_output_name_is_appended_unless_the_folder_text_contains_it(directory: str, name: str, expected: str) -> None:
    assert target(output(directory, name)) == Target(Path(expected))


def test_output_name_is_appended_to_an_existing_folder_that_contains_it(tmp_path: Path) -> None:
    (tmp_path / "sales").mkdir()
    assert target(output(tmp_path / "sales", "sales")).path == tmp_path / "sales" / "sales"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (output("d", "a", write_mode="apend"), "write_mode: 'apend' is not a write mode; it must be one of overwrite"),
        (output("d", "a", write_mode="update"), "csv has no sheets to update"),
        (output("d", "a", table_settings={"file_type": "parquet"}), "it is 'parquet', but file_type is 'csv'"),
        (output("d", "a", table_settings={"delimiter": ""}), "exactly one ASCII character"),
        (output("d", "a", table_settings={"encoding": "klingon"}), "'klingon' is not the name of an encoding"),
        (output("s3://b", "a"), "not a local folder"),
    ],
)
def test_output_setting_that_cannot_work_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        find_node_type("output").check(parse_settings("output", settings))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"file_type": "json"}, "file_type"),
        ({"file_type": "ipc", "table_settings": {"compression": "gzip"}}, "compression"),
    ],
)
def test_output_unknown_choice_is_refused(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        parse_settings("output", {"output_settings": {"directory": "d", "name": "a", **more}})


def test_output_new_file_replaces_as_it_always_did(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("old")
    write(output(tmp_path, "a.csv", write_mode="new file"))
    assert_frame_equal(pl.read_csv(tmp_path / "a.csv"), ROWS.with_columns(pl.col("b").fill_null("")))
