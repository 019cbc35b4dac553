"""Flow parameters: definitions, values, and what a reference in the settings becomes."""

from pathlib import Path
from typing import Any

import pytest

from flowfile_dagster import FlowFileError, ParameterError, load_flow
from flowfile_dagster.contract.settings import (
    CodeText,
    FormulaText,
    NodeSettings,
    ParameterValue,
    SettingsBlock,
    ValueText,
)
from flowfile_dagster.errors import SettingsError
from flowfile_dagster.flow.parameters import MAX_ADDED_CHARACTERS, References, substitute
from tests.factories import JsonObject, advanced_filter, formula, manual, node, write_file, write_flow

VALUES: dict[str, ParameterValue] = {"n": 7, "x": 1.5, "yes": True, "no": False, "s": 'say "hi"', "w": "word"}


class Inner(SettingsBlock):
    formula: FormulaText = ""


class Everything(NodeSettings):
    """Text in every place where settings can hold it."""

    plain: str = ""
    formula: FormulaText = ""
    maybe: FormulaText | None = None
    code: CodeText = ""
    value: ValueText | None = None
    inner: Inner = Inner()
    inners: tuple[Inner, ...] = ()
    texts: tuple[str, ...] = ()
    listed: list[str] = []
    mapping: dict[str, Any] = {}
    cells: tuple[tuple[Any, ...], ...] = ()
    count: int = 0


def substituted(**settings: Any) -> Any:
    return substitute(Everything(**settings), References(VALUES))


def values_of(folder: Path, parameters: list[JsonObject], **overrides: object) -> dict[str, object]:
    path = write_flow(folder / "parametrized.json", [], parameters=parameters)
    return dict(load_flow(path, parameters=overrides).graph.parameters)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("string", "abc", "abc"),
        ("string", " ", " "),
        ("string", "7", "7"),
        ("integer", "-3", -3),
        ("integer", " 7 ", 7),
        ("float", "1e3", 1000.0),
        ("boolean", " YES ", True),
        ("boolean", "off", False),
        ("boolean", "1", True),
        ("enum", "a", "a"),
        *((kind, "", "") for kind in ("string", "integer", "float", "boolean", "enum")),
    ],
)
def test_default_has_the_declared_type_and_an_empty_one_is_empty_text(
    tmp_path: Path, kind: str, text: str, value: object
) -> None:
    given = {"name": "p", "type": kind, "default_value": text, "enum_values": ["a", "b"] if kind == "enum" else None}
    (found,) = values_of(tmp_path, [given]).values()
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("definition", "cause"),
    [
        ({"type": "integer", "default_value": "1.5"}, r"default_value: parameter 'p': must be an integer; got '1.5'"),
        ({"type": "float", "default_value": "x"}, r"must be a number; got 'x'"),
        ({"type": "boolean", "default_value": "maybe"}, r"must be one of true, 1, yes, on, false"),
        ({"type": "enum", "enum_values": ["a"], "default_value": "b"}, r"must be one of a; got 'b'"),
        ({"type": "enum"}, r"parameters\[0\].enum_values: parameter 'p' needs at least one value"),
    ],
)
def test_default_of_another_type_keeps_the_file_from_loading(
    tmp_path: Path, definition: JsonObject, cause: str
) -> None:
    with pytest.raises(FlowFileError, match=cause):
        values_of(tmp_path, [{"name": "p", **definition}])


def test_override_replaces_the_default_and_is_read_as_the_declared_type(tmp_path: Path) -> None:
    declared = [{"name": "n", "type": "integer", "default_value": "1"}, {"name": "b", "type": "boolean"}]
    assert values_of(tmp_path, declared, n="5", b=True) == {"n": 5, "b": True}
    assert values_of(tmp_path, declared, n=5, b="no") == {"n": 5, "b": False}


def test_override_of_another_type_is_refused_where_flowfile_uses_the_raw_text(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="parametrized: parameter 'n': must be an integer; got 'many'"):
        values_of(tmp_path, [{"name": "n", "type": "integer"}], n="many")


def test_unknown_override_names_the_parameters_there_are(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="parameter 'm': is not a parameter of this flow; its parameters: n, o"):
        values_of(tmp_path, [{"name": "n"}, {"name": "o"}], m=1)


def test_last_of_two_equal_names_wins(tmp_path: Path) -> None:
    declared = [{"name": "n", "default_value": "a"}, {"name": "n", "type": "integer", "default_value": "2"}]
    assert values_of(tmp_path, declared) == {"n": 2}


def test_formula_gets_literals_of_the_formula_language() -> None:
    result = substituted(formula="${n} ${x} ${yes} ${no} ${w} ${s}", maybe="${w}", inner={"formula": "${w}"})
    assert result.formula == """7 1.5 true false "word" 'say "hi"'"""
    assert result.maybe == result.inner.formula == '"word"'
    assert substituted(inners=[{"formula": "${w}"}]).inners[0].formula == '"word"'


@pytest.mark.parametrize("value", ["it's", 'say "hi"', "back\\slash", 'end\\"', "two\nlines", 'a"\nb', "é // [a]", " "])
def test_any_text_survives_the_way_through_a_formula(tmp_path: Path, value: str) -> None:
    nodes = [
        manual(1, {"t": [value, "other"]}, "String"),
        advanced_filter(2, 1, "[t] = ${p}"),
        formula(3, 2, "u", "${p}"),
    ]
    path = write_flow(tmp_path / "f.json", nodes, parameters=[{"name": "p"}])
    assert load_flow(path, parameters={"p": value}).run().frame(3).rows() == [(value, value)]


def test_text_with_both_kinds_of_quotes_cannot_stand_in_a_formula() -> None:
    with pytest.raises(SettingsError, match=r"formula: parameter value .* holds both kinds of quotes"):
        substitute(Everything(formula="${p}"), References({"p": 'it\'s "so"'}))


def test_plain_fields_get_the_text_of_the_value_everywhere() -> None:
    result = substituted(
        plain="${n}-${yes}", texts=["${w}", "b"], listed=["${w}"], mapping={"k": "${x}", "deep": {"l": ["${no}"]}}
    )
    assert result.plain == "7-true"
    assert result.texts == ("word", "b")
    assert result.listed == ["word"]
    assert result.mapping == {"k": "1.5", "deep": {"l": ["false"]}}


@pytest.mark.parametrize("name", ["n", "x", "yes", "no", "w"])
def test_field_that_stands_for_a_value_gets_one_with_its_type(name: str) -> None:
    result = substituted(value=f"${{{name}}}").value
    assert (result, type(result)) == (VALUES[name], type(VALUES[name]))
    assert substituted(value=f"1${{{name}}}").value == substituted(plain=f"1${{{name}}}").plain


@pytest.mark.parametrize(
    ("data_type", "parameter", "value"),
    [
        *(("Int64", "x", 2), ("Int64", "yes", 1), ("Float64", "yes", 1.0), ("Int64", "empty", None)),
        *(("Boolean", "yes", True), ("Boolean", "n", True), ("String", "no", "false"), ("String", "x", "2.5")),
    ],
)
def test_default_of_an_output_field_is_cast_from_the_value_of_a_parameter(
    tmp_path: Path, data_type: str, parameter: str, value: object
) -> None:
    field = {"name": "m", "data_type": data_type, "default_value": f"${{{parameter}}}"}
    config = {"enabled": True, "validation_mode_behavior": "add_missing", "fields": [field]}
    declared = [
        {"name": "x", "type": "float", "default_value": "2.5"},
        {"name": "n", "type": "integer", "default_value": "5"},
        {"name": "yes", "type": "boolean", "default_value": "yes"},
        {"name": "no", "type": "boolean", "default_value": "0"},
        {"name": "empty", "type": "integer", "default_value": ""},
    ]
    nodes = [manual(1, {"a": [1]}), node(2, "select", {"select_input": [], "output_field_config": config}, 1)]
    assert load_flow(write_flow(tmp_path / "f.json", nodes, parameters=declared)).run().frame(2).rows() == [(value,)]


def test_code_keeps_a_value_inside_a_string_literal_as_data() -> None:
    assert substituted(code="x = '${s}' # ${w}\ny = ${n}").code == "x = 'say \"hi\"' # word\ny = 7"
    assert substituted(code="x = r'''${s}''' + \"${w}\"").code == "x = 'say \"hi\"' + 'word'"


def test_code_inserts_raw_text_in_f_strings_bytes_and_what_is_no_python() -> None:
    assert substituted(code="f'${w}' b'${w}'").code == "f'word' b'word'"
    assert substituted(code="""f"{'${w}'} ${n}" """).code == """f"{'word'} 7" """
    assert substituted(code="f\"{'${s}'}\"").code == 'f"{\'say "hi"\'}"'
    assert substituted(code="('${w}'").code == "('word'"


def test_broken_literal_in_code_gets_raw_text() -> None:
    assert substituted(code="a = '\\N{no such name} ${w}'").code == "a = '\\N{no such name} word'"


def test_odd_line_separators_in_code_do_not_move_what_is_replaced() -> None:
    assert substituted(code="a = '\u2028\x0c'\r\nb = '${w}'").code == "a = '\u2028\x0c'\r\nb = 'word'"


LONG: dict[str, ParameterValue] = {"long": "x" * 100_000}


@pytest.mark.parametrize("field", ["plain", "formula", "code"])
def test_text_that_long_values_would_make_too_long_is_refused_before_it_is_built(field: str) -> None:
    text = "'" + "${long}" * 20_000 + "'"
    with pytest.raises(
        SettingsError,
        match=rf"^{field}: the values of its parameters would make the text 1,999,[89]\d0,000 characters longer",
    ):
        substitute(Everything(**{field: text}), References(LONG))


def test_long_values_are_counted_over_all_fields_of_a_flow(tmp_path: Path) -> None:
    names = [{"old_name": "a", "new_name": "${long}" * 40}]
    nodes = [manual(1, {"a": [1]}), *(node(i, "select", {"select_input": names}, i - 1) for i in (2, 3, 4))]
    given = [{"name": "long", "default_value": "x" * 100_000}]
    problems = [
        item.problem for item in load_flow(write_flow(tmp_path / "f.json", nodes, parameters=given)).nodes.values()
    ]
    assert problems[:3] == [None, None, None]
    assert problems[3] is not None
    assert problems[3].startswith("setting_input.select_input[0].new_name: the values of its parameters would make")


def test_text_may_be_as_long_as_the_limit_says() -> None:
    references = References({"all": "x" * (MAX_ADDED_CHARACTERS + len("${all}")), "one": "1"})
    assert len(substitute(Everything(plain="${all}"), references).plain) == MAX_ADDED_CHARACTERS + len("${all}")
    assert substitute(Everything(plain="${one}"), references).plain == "1"
    with pytest.raises(SettingsError, match="of which 0 are left"):
        substitute(Everything(plain="${all}"), references)


@pytest.mark.parametrize("text", ["$n", "${ n }", "${1a}", "${n", "{n}", "$${}"])
def test_other_forms_are_no_references(text: str) -> None:
    assert substituted(plain=text, formula=text).plain == text


@pytest.mark.parametrize("field", ["plain", "formula", "code"])
def test_reference_without_a_parameter_is_a_problem(field: str) -> None:
    with pytest.raises(
        SettingsError, match=rf"{field}: \$\{{nope\}} is not a parameter of this flow; its parameters: n"
    ):
        substituted(**{field: "${nope}"})


def test_reference_in_a_nested_list_is_a_problem_even_if_the_parameter_exists(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cells\[0\]\[1\]: \$\{n\} cannot be replaced inside a nested list"):
        substituted(cells=[["a", "${n}"]])
    path = write_flow(tmp_path / "f.json", [manual(1, {"t": ["${p}"]}, "String")], parameters=[{"name": "p"}])
    problem = load_flow(path).nodes[1].problem
    assert problem is not None
    assert problem.startswith("setting_input.raw_data_format.data[0][0]: ")


@pytest.mark.parametrize("text", ["${outer}", "${dollar}{n}"])
def test_reference_in_the_value_of_a_parameter_is_a_problem_that_says_so(text: str) -> None:
    references = References({**VALUES, "outer": "x${n}", "dollar": "$"})
    with pytest.raises(SettingsError, match=r"texts\[0\]: \$\{n\} came in with the value of a parameter"):
        substitute(Everything(texts=(text,)), references)


def test_flow_without_parameters_is_left_as_it_is(tmp_path: Path) -> None:
    flow = load_flow(write_flow(tmp_path / "f.json", [manual(1, {"t": ["${p}"]}, "String")]))
    assert flow.run().frame(1).rows() == [("${p}",)]


def test_reference_cannot_stand_for_a_number(tmp_path: Path) -> None:
    nodes = [manual(1, {"a": [1]}), node(2, "sample", {"sample_size": "${n}"}, 1)]
    path = write_flow(tmp_path / "f.json", nodes, parameters=[{"name": "n", "type": "integer", "default_value": "1"}])
    problem = load_flow(path).nodes[2].problem
    assert problem is not None
    assert problem.startswith("setting_input.sample_size: ")


@pytest.mark.parametrize("operator", [">", "greater_than"])
def test_operator_of_a_filter_may_be_a_parameter(tmp_path: Path, operator: str) -> None:
    condition = {"mode": "basic", "basic_filter": {"field": "a", "operator": "${op}", "value": "1"}}
    nodes = [manual(1, {"a": [1, 2]}), node(2, "filter", {"filter_input": condition}, 1)]
    parameters = [{"name": "op", "default_value": operator, "type": "string"}]
    assert load_flow(write_flow(tmp_path / "f.json", nodes, parameters=parameters)).run().frame(2)["a"].to_list() == [2]


def test_mode_and_type_of_a_written_file_may_be_parameters(tmp_path: Path) -> None:
    choices = {"write_mode": "${mode}", "table_settings": {"file_type": "csv"}}
    nodes = [manual(1, {"a": [1]}), write_file(2, 1, tmp_path / "a.csv", "${type}", **choices)]
    parameters = [{"name": "mode", "default_value": "append"}, {"name": "type", "default_value": "csv"}]
    flow = write_flow(tmp_path / "f.json", nodes, parameters=parameters)
    assert load_flow(flow).nodes[2].problem is None
    wrong = load_flow(flow, parameters={"mode": "apend"}).nodes[2].problem
    assert wrong is not None
    assert wrong.startswith("output_settings.write_mode: 'apend' is not a write mode; it must be one of overwrite")


def test_settings_without_references_are_the_same_object() -> None:
    settings = Everything(plain="x", texts=("y",), mapping={"k": ["z"]})
    assert substitute(settings, References(VALUES)) is settings
