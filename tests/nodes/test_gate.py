from typing import Any

import polars as pl
import pytest

from flowfile_dagster.contract.node_type import Trait
from flowfile_dagster.contract.settings import ParameterValue
from flowfile_dagster.errors import FormulaError, MissingColumnError, SettingsError
from flowfile_dagster.nodes import find_node_type
from tests.nodes.node_case import LiteralContext, NodeCase, parse_settings, run_node

ROWS = pl.DataFrame({"a": [1, 2]})
CONTROL = pl.DataFrame({"ok": [False, None]})


def parameter_gate(operator: str, value: str = "", **options: Any) -> dict[str, Any]:
    return {"gate_input": {"parameter": "p", "operator": operator, "value": value, **options}}


def formula_gate(formula: str) -> dict[str, Any]:
    return {"gate_input": {"condition_source": "formula", "formula": formula}}


CASES = [
    NodeCase(formula_gate("[a] > 1"), (ROWS,)),
    NodeCase({**formula_gate("[ok]"), "else_output": True}, (ROWS, CONTROL)),
]


def open_handles(
    settings: dict[str, Any], *inputs: pl.DataFrame, parameters: dict[str, ParameterValue] | None = None
) -> set[str]:
    decision = find_node_type("gate").decide(
        parse_settings("gate", settings),
        [frame.lazy() for frame in inputs],
        LiteralContext(parameters=parameters),
    )
    assert decision is not None
    return set(decision.open_handles)


@pytest.mark.parametrize(
    ("operator", "value", "current", "is_open"),
    [
        ("equals", "dev", "dev", True),
        ("equals", " dev", "dev", False),
        ("not_equals", "dev", "dev", False),
        ("equals", "7", 7, True),
        ("equals", "1e3", 1000.0, True),
        ("equals", " YES ", True, True),
        ("in", "a, b ,,", "b", True),
        ("in", "", "b", False),
        ("not_in", "1,2", 3, True),
        ("is_true", "", "on", True),
        ("is_true", "", 1, True),
        ("is_false", "", False, True),
        ("is_set", "", " ", False),
        ("is_set", "", 0, True),
    ],
)
def test_gate_parameter_rule_decides(operator: str, value: str, current: ParameterValue, is_open: bool) -> None:
    handles = open_handles(parameter_gate(operator, value), parameters={"p": current})
    assert handles == ({"output-0"} if is_open else set())


def test_gate_unknown_parameter_names_what_exists() -> None:
    with pytest.raises(SettingsError, match="no parameter 'p'; it has: 'env'"):
        open_handles(parameter_gate("equals"), parameters={"env": "x"})


@pytest.mark.parametrize(
    ("operator", "value", "current"), [("equals", "x", 7), ("in", "1,x", 1.5), ("equals", "2", True)]
)
def test_gate_value_of_another_type_fails(operator: str, value: str, current: ParameterValue) -> None:
    with pytest.raises(SettingsError, match=r"gate_input.value: .* cannot be compared"):
        open_handles(parameter_gate(operator, value), parameters={"p": current})


def test_gate_is_true_on_other_text_fails() -> None:
    with pytest.raises(SettingsError, match="'maybe', which is neither true nor false"):
        open_handles(parameter_gate("is_true"), parameters={"p": "maybe"})


@pytest.mark.parametrize(("formula", "is_open"), [("[a] > 1", True), ("[a] > 2", False)])
def test_gate_formula_is_open_if_one_row_matches(formula: str, is_open: bool) -> None:
    assert open_handles({**formula_gate(formula), "else_output": True}, ROWS) == {f"output-{int(not is_open)}"}


def test_gate_formula_without_rows_is_closed() -> None:
    assert open_handles(formula_gate("[a] > 0"), ROWS.head(0)) == set()


def test_gate_formula_looks_at_the_control_input() -> None:
    assert open_handles(formula_gate("[ok]"), ROWS, CONTROL) == set()
    assert open_handles(formula_gate("[ok]"), ROWS, pl.DataFrame({"ok": [False, True]})) == {"output-0"}


@pytest.mark.parametrize("formula", ["", "[a] >", "[a] + 1"])
def test_gate_unusable_formula_fails(formula: str) -> None:
    with pytest.raises(FormulaError):
        open_handles(formula_gate(formula), ROWS)


def test_gate_formula_on_a_missing_column_fails() -> None:
    with pytest.raises(MissingColumnError, match="column 'b'"):
        open_handles(formula_gate("[b] > 1"), ROWS)


def test_gate_old_control_input_becomes_a_formula() -> None:
    settings = {"gate_input": {"condition_source": "control_input", "formula": "[a] > 1"}}
    assert open_handles(settings, ROWS) == {"output-0"}


@pytest.mark.parametrize(
    ("operator", "value"), [("equals", "x"), ("in", "x,y"), ("is_set", ""), ("not_equals", "z"), ("not_in", "z")]
)
def test_gate_old_invert_gives_the_opposite(operator: str, value: str) -> None:
    parameters: dict[str, ParameterValue] = {"p": "x"}
    assert open_handles(parameter_gate(operator, value), parameters=parameters) == {"output-0"}
    assert open_handles(parameter_gate(operator, value, invert=True), parameters=parameters) == set()


def test_gate_old_invert_with_a_formula_is_refused() -> None:
    settings = {"gate_input": {"condition_source": "formula", "formula": "[a] > 1", "invert": True}}
    with pytest.raises(SettingsError, match="negate the formula"):
        open_handles(settings, ROWS)


def test_gate_without_parameter_name_fails() -> None:
    with pytest.raises(SettingsError, match=r"gate_input.parameter: is empty"):
        open_handles({})


def test_gate_data_passes_unchanged_on_every_handle() -> None:
    outputs = run_node("gate", {**formula_gate("[ok]"), "else_output": True}, ROWS, CONTROL)
    assert {handle: table.rows() for handle, table in outputs.items()} == dict.fromkeys(
        ("output-0", "output-1"), ROWS.rows()
    )


def test_gate_only_a_formula_is_a_barrier_and_a_clock_is_volatile() -> None:
    node = find_node_type("gate")
    assert Trait.BARRIER not in node.traits_of(parse_settings("gate", parameter_gate("is_set")))
    assert node.traits_of(parse_settings("gate", formula_gate("[a] > 1"))) == node.traits | {Trait.BARRIER}
    assert Trait.VOLATILE in node.traits_of(parse_settings("gate", formula_gate("year(now()) > 1")))
