from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.errors import UserCodeError
from flowfile_dagster.nodes import find_node_type
from tests.nodes.node_case import LiteralContext, NodeCase, assert_node, parse_settings, run_node

ROWS = pl.DataFrame({"a": [1, 2], "s": ["2024-01-02", "x"]})
OTHER = pl.DataFrame({"a": [3]})


def code(text: str) -> dict[str, Any]:
    return {"polars_code_input": {"polars_code": text}}


CASES = [
    NodeCase(code("input_df.with_columns((pl.col('a') * 12).alias('b'))"), (ROWS,)),
    NodeCase(code("output_df = pl.concat([input_df_1.select('a'), input_df_2])"), (ROWS, OTHER)),
    NodeCase(code("pl.DataFrame({'x': [1]})")),
    NodeCase(code("def top(frame, other):\n    return frame.collect().head(1)"), (ROWS, OTHER)),
]


@pytest.mark.parametrize(
    "text",
    [
        "input_df.select(\n    pl.col('a')  # the first\n)",
        "output_df = input_df.select(col('a'))",
        "output_df = input_df.collect().select(cs.numeric())",
        "'a text'\nreturn input_df.select(pl.col.a)",
        "def pick(frame: missing) -> missing:\n    '''doc'''\n    x: missing = 'a'\n    return frame.select(x)",
        "def pick(frame, *more, name='a'):\n    def inner(f):\n        return f.select(name)\n    return inner(frame)",
        "  keep = []\n  for name in ['a']:\n      keep.append(name)\n  output_df = input_df.select(*keep)",
        "cast = lambda e: e.cast(Int64)\noutput_df = input_df.select(cast(col.a))",
        "try:\n    output_df = input_df.collect().select('z')\n"
        "except pl.exceptions.ColumnNotFoundError:\n    output_df = input_df.select('a')",
        "output_df = input_df.select(pl.col('a').map_elements(lambda v: int(f'{v:d}'), return_dtype=Int64))",
    ],
)
def test_polars_code_every_form_gives_its_frame(text: str) -> None:
    assert_node("polars_code", code(text), [ROWS], ROWS.select("a"))


def test_polars_code_texts_with_hash_and_blank_lines_stay_whole() -> None:
    text = "output_df = input_df.select(pl.lit('''a # b\n\nc''').alias('t'))"
    assert_node("polars_code", code(text), [ROWS], pl.DataFrame({"t": ["a # b\n\nc"]}))


def test_polars_code_plain_formatting_and_dates_work() -> None:
    text = (
        "d = datetime.datetime.strptime('2024-01-02', '%Y-%m-%d')\n"
        "output_df = pl.select(pl.format('{}!', pl.lit('{:>{w}}'.format(1, w=3))), pl.lit(d.year).alias('y'))"
    )
    result = run_node("polars_code", code(text))["output-0"]
    assert result.row(0) == ("  1!", 2024)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "is empty"),
        ("# only a comment", "is empty"),
        ("x = = 1", "code line 1: is not valid Python"),
        ("x\0y", "null bytes"),
        ("-" * 100_000 + "1", "cannot be read"),
        ("x = 1\ninput_df.head()", "assign the resulting frame to output_df"),
        ("output_df = input_df\noutput_df = sum([1])", "code line 2: name 'sum' is not available"),
        ("output_df = [input_df]", "gives list, but must give a LazyFrame or a DataFrame"),
        ("output_df = input_df_1", "input_df_1 does not exist: the node has 1 input"),
        ("y = 0\noutput_df = 1 / y", "code line 2: ZeroDivisionError"),
        ("output_df = input_df.collect().select('z')", "code line 1: ColumnNotFoundError"),
        ("if not True:\n    output_df = input_df", "UnboundLocalError"),
        ("def f(a, b):\n    return a", "takes 2 frames, but the node has 1 input"),
        ("def f(a):\n    def g():\n        return a\n    g()", "returns nothing"),
        ("def f(a, *, b):\n    return a", "keyword-only"),
        ("def f(a):\n    return input_df", "name 'input_df' is not available"),
        ("async def f(a):\n    return a", "no async, no decorator"),
        ("@lit\ndef f(a):\n    return a", "no async, no decorator"),
    ],
)
def test_polars_code_unusable_code_tells_what_is_wrong(text: str, cause: str) -> None:
    with pytest.raises(UserCodeError, match=cause):
        run_node("polars_code", code(text), ROWS)


HOSTILE = [
    "import os",
    "from os import system",
    "pl.read_csv('PATH')",
    "(pl.read_csv)('PATH')",
    "x = pl\ny = x.read_csv('PATH')",
    "pl.\uff52ead_csv('PATH')",
    "pl.scan_parquet('PATH')",
    "input_df.sink_csv('PATH')",
    "input_df.collect().write_csv('PATH')",
    "pl.DataFrame.write_csv(input_df.collect(), 'PATH')",
    "pl.DataFrame.deserialize('PATH')",
    "input_df.serialize('PATH')",
    "pl.Expr.from_json('PATH')",
    "input_df.sql('SELECT * FROM self')",
    "pl.sql('SELECT 1')",
    "input_df.select(pl.sql_expr('(SELECT a FROM read_csv(1))'))",
    "pl.SQLContext()",
    "pl.Config.load_from_file('PATH')",
    "pl.Config",
    "pl.io",
    "pl.functions",
    "pl.datatypes",
    "pl.polars",
    "pl.plr",
    "pl.os",
    "pl.api.register_expr_namespace('x')",
    "pl.plugins.register_plugin_function(plugin_path='PATH')",
    "pl.set_random_seed(1)",
    "pl.expr.expr.warnings",
    "expr.os",
    "pl.__builtins__",
    "pl.__dict__['read_csv']",
    "__builtins__['open']('PATH')",
    "__name__",
    "col.__class__",
    "pl.col.read_csv",
    "input_df._ldf",
    "input_df.collect()._df",
    "().__class__.__bases__[0].__subclasses__()",
    "(lambda: 0).__globals__",
    "(x for x in [1]).gi_frame",
    "(col := (x for x in [1])).gi_frame.f_builtins",
    "(lambda pl: pl.read_csv)(pl)",
    "f = lambda m=pl.read_csv: m\ny = f('PATH')",
    "[m.read_csv for m in [pl]]",
    "pl.DataFrame(*[pl.read_csv('PATH')])",
    "y = dict(a=pl)['a'].read_csv('PATH')",
    "getattr(pl, 'read' + '_csv')('PATH')",
    "open('PATH')",
    "eval('1')",
    "type(pl)",
    "operator.attrgetter('read_csv')(pl)",
    "object()",
    "'{0.__class__}'.format(pl)",
    "('{0._' + '_class_' + '_}').format(pl)",
    "str.format('{0.a}', pl)",
    "'{0.a}'.format(pl)",
    "'{:{0.a}}'.format(pl)",
    "'{0[a]}'.format(pl)",
    "'{a}'.format_map(dict(a=pl))",
    "pl = '{0.a}'\ny = pl.format(1)",
    "f'{pl.__class__}'",
    "f'{1:{pl.read_csv}}'",
    "x = '__class__'",
    "str.mro()",
    "print.__self__",
    "pl.col = 1",
    "pl.DataFrame.columns = []",
    "del pl.col",
    "for pl.col in [1]:\n    y = input_df",
    "class A:\n    pass",
    "with pl.StringCache():\n    y = input_df",
    "global pl",
    "def f(df):\n    nonlocal x\n    return df",
    "def f(df):\n    yield df\n    return df",
    "def f(df):\n    @lit\n    def g(): pass\n    return df",
    "def f(__import__):\n    return __import__",
    "match pl:\n    case str(read_csv=x):\n        y = x",
    "input_df.collect(**dict(a=1), _eager=True)",
    "input_df.collect(_check=False)",
    "try:\n    1 / 0\nexcept pl.exceptions.PolarsError as e:\n    y = e.with_traceback(None).tb_frame",
    "zoneinfo.reset_tzpath()",
    "datetime.sys",
    "base64.main()",
    "time.tzset()",
    "decimal.setcontext(1)",
    "datetime.datetime.now().read_text()",
    "input_df.collect().to_pandas()",
    "input_df.collect().plot.line()",
    "input_df.show_graph(output_path='PATH')",
    "input_df.remote()",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_polars_code_hostile_code_is_refused_before_it_runs(text: str, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    settings = parse_settings("polars_code", code(text.replace("PATH", str(path)) + "\noutput_df = input_df"))
    with pytest.raises(UserCodeError, match=r"is not a(llowed|vailable)|not known|cannot be set|is allowed only as"):
        find_node_type("polars_code").check(settings)


@pytest.mark.parametrize(
    "text", ["base64.encode(1, 2)", "x = cs\nx.select(1)", "expr.col('a')", "x = dict(p=pl)['p']\nx.read(1)"]
)
def test_polars_code_allowed_name_on_a_stand_in_without_it_fails(text: str) -> None:
    with pytest.raises(UserCodeError, match="AttributeError"):
        run_node("polars_code", code(f"{text}\noutput_df = input_df"), ROWS)


@pytest.mark.parametrize("name", ["read_csv", "scan_csv", "Config", "SQLContext", "io", "api", "os"])
def test_polars_code_module_stand_ins_hold_nothing_dangerous(name: str) -> None:
    from flowfile_dagster.nodes._user_code_names import namespace

    assert not hasattr(namespace()["pl"], name)


def test_polars_code_builtins_cannot_import() -> None:
    from flowfile_dagster.nodes._user_code_names import namespace

    builtins = namespace()["__builtins__"]
    assert set(builtins) == {"__import__"}
    with pytest.raises(ImportError, match="'os' is not allowed"):
        builtins["__import__"]("os")


def test_polars_code_runs_neither_in_check_nor_in_prediction(capsys: pytest.CaptureFixture[str]) -> None:
    node, settings = find_node_type("polars_code"), parse_settings("polars_code", code("output_df = print('ran')"))
    node.check(settings)
    assert node.predict(settings, [ROWS.schema], LiteralContext()) == {"output-0": None}
    with pytest.raises(UserCodeError, match="inside a step only"):
        node.build(settings, [ROWS.lazy()], LiteralContext())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("text", "is_volatile"),
    [
        ("output_df = input_df.collect().sample(1)", True),
        ("output_df = input_df.collect().sample(1, seed=3)", False),
        ("input_df.select(pl.col('a').shuffle(seed=None))", True),
        ("input_df.select(pl.col('a').shuffle(None))", True),
        ("input_df.select(pl.col('a').shuffle(3))", False),
        ("output_df = input_df.with_columns(t=pl.lit(time.time()))", True),
        ("output_df = input_df.with_columns(t=pl.lit(datetime.date.today()))", True),
        ("input_df.select(pl.col('a').rank('random'))", True),
        ("input_df.select(pl.time(1), pl.col('a').rank())", False),
        ("not python", False),
    ],
)
def test_polars_code_clock_and_unseeded_chance_are_volatile(text: str, is_volatile: bool) -> None:
    traits = find_node_type("polars_code").traits_of(parse_settings("polars_code", code(text)))
    assert (Trait.VOLATILE in traits) is is_volatile


@pytest.mark.parametrize(
    "text",
    [
        "output_df = pl.scan_csv('a.csv')",
        "pl.scan_csv('a.csv', n_rows=2)",
        "output_df = pl.scan_csv('a.csv').head()",
        "output_df = pl.scan_csv('a' + '.csv')",
        "output_df = pl.scan_csv('https://example.com/a.csv')",
        "output_df = pl.scan_csv('a.csv', storage_options={'key': 'x'})",
        "output_df = pl.scan_csv('a.csv', with_column_names=lambda names: names)",
        "output_df = pl.scan_csv('a.csv', **{'n_rows': 1})",
        "x = pl.scan_csv('a.csv')\noutput_df = x",
        "output_df = pl.scan_parquet('a.parquet')",
    ],
)
def test_polars_code_that_scans_a_file_is_refused(text: str) -> None:
    with pytest.raises(UserCodeError, match="attribute 'scan_"):
        find_node_type("polars_code").check(parse_settings("polars_code", code(text)))


@pytest.mark.parametrize(
    ("text", "is_barrier"),
    [
        ("input_df.with_columns(b=pl.col('a') + 1)", False),
        ("rows = input_df.collect()\noutput_df = rows.lazy()", True),
        ("input_df.select(pl.len())", False),
        ("this is no code", True),
    ],
)
def test_polars_code_is_a_barrier_only_where_it_collects(text: str, is_barrier: bool) -> None:
    traits = find_node_type("polars_code").traits_of(parse_settings("polars_code", code(text)))
    assert (Trait.BARRIER in traits) is is_barrier
