"""The condition of a basic filter as formula text."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

import polars as pl

from flowfile_dagster.columns.dtypes import base_name, generic_group
from flowfile_dagster.errors import SettingsError

LiteralKind: TypeAlias = Literal["text", "bare", "date", "datetime"]

COMPARISONS = {
    "equals": "=",
    "not_equals": "!=",
    "greater_than": ">",
    "greater_than_or_equals": ">=",
    "less_than": "<",
    "less_than_or_equals": "<=",
}
_TEXT_TESTS = ("contains", "not_contains", "starts_with", "ends_with")
OPERATORS = (*COMPARISONS, *_TEXT_TESTS, "is_null", "is_not_null", "in", "not_in", "between")
#: Other spellings of operators that flow files and parameters use.
OPERATOR_SYMBOLS = {
    **{symbol: name for name, symbol in COMPARISONS.items()},
    "==": "equals",
    "<>": "not_equals",
}

_FORMATS: dict[LiteralKind, tuple[str, str]] = {
    "date": ("%Y-%m-%d", "a date such as 2024-01-31"),
    "datetime": ("%Y-%m-%d %H:%M:%S", "a date and time such as 2024-01-31 10:30:00"),
}
_MEMBERSHIP_TYPES = ("Int8", "Int16", "Int32", "Int64", "Int128", "Float64", "String", "Categorical", "Date")


def render_condition(column: str, operator: str, value: str, value2: str | None, dtype: pl.DataType) -> str:
    """The formula that a basic filter stands for, on a column of type `dtype`.

    Raises:
        SettingsError: the operator is unknown, does not fit the type, or lacks its second value; a date is none, or a
            text holds a double quote. The field is relative to ``basic_filter``.
    """
    operator = OPERATOR_SYMBOLS.get(operator, operator)
    field = f"[{column}]"
    if operator in ("is_null", "is_not_null"):
        return f"{'is_empty' if operator == 'is_null' else 'is_not_empty'}({field})"
    if operator in _TEXT_TESTS:
        return _render_text_test(field, operator, value)
    if base_name(dtype) == "Time":
        raise SettingsError("operator", f"{operator!r} cannot compare column {column!r} of type Time with a value")
    kind = _literal_kind(dtype)
    if operator in COMPARISONS:
        return f"{field}{COMPARISONS[operator]}{_literal('value', value, kind)}"
    if operator == "between":
        if value2 is None:
            raise SettingsError("value2", "operator 'between' needs the upper bound as second value")
        lower, upper = _literal("value", value, kind), _literal("value2", value2, kind)
        return f"({field}>={lower}) & ({field}<={upper})"
    if operator in ("in", "not_in"):
        return _render_membership(field, value, dtype, is_negated=operator == "not_in")
    raise SettingsError("operator", f"{operator!r} is unknown; the operators are {', '.join(OPERATORS)}")


def _render_text_test(field: str, operator: str, value: str) -> str:
    text = _text_literal("value", value)
    if operator == "contains":
        return f"contains({field}, {text})"
    if operator == "not_contains":
        return f"contains({field}, {text}) = false"
    side = "left" if operator == "starts_with" else "right"
    return f"{side}({field}, {len(value)}) = {text}"


def _render_membership(field: str, value: str, dtype: pl.DataType, *, is_negated: bool) -> str:
    """A membership test where it keeps the same rows as comparing with each member, else that comparison."""
    texts = [text.strip() for text in value.split(",")]
    kind = _literal_kind(dtype)
    is_list = base_name(dtype) in _MEMBERSHIP_TYPES or dtype == pl.Datetime("us", None)
    symbol = "!=" if is_negated else "="
    if len(texts) == 1:
        return f"{field}{symbol}{_literal('value', texts[0], kind)}"
    members = [_literal("value", text, kind, accepts_blank=is_list) for text in texts]
    if is_list and all(members):
        return f"{field} {'not in' if is_negated else 'in'} ({', '.join(members)})"
    return (" & " if is_negated else " | ").join(f"({field}{symbol}{member})" for member in members)


def _literal_kind(dtype: pl.DataType) -> LiteralKind:
    base = base_name(dtype)
    if base == "Date":
        return "date"
    if base == "Datetime":
        return "datetime"
    return "bare" if generic_group(dtype) == "numeric" else "text"


def _literal(field: str, text: str, kind: LiteralKind, *, accepts_blank: bool = False) -> str:
    if kind == "text":
        return _text_literal(field, text)
    if kind == "bare":
        return text
    moment = text.strip() if kind == "date" else _complete_moment(text)
    form, example = _FORMATS[kind]
    if not (accepts_blank and not text) and not _is_moment(moment, form):
        raise SettingsError(field, f"{text!r} must be {example}")
    return f'to_{kind}("{moment}")'


def _text_literal(field: str, text: str) -> str:
    """A text of the formula language. It has no escape for its quote: what follows one would be read as formula."""
    if '"' in text:
        advice = "write an advanced filter with the text in single quotes"
        raise SettingsError(field, f"{text!r}: a value here cannot hold a double quote; {advice}")
    return f'"{text}"'


def _complete_moment(text: str) -> str:
    """Bring a date, or a date and time to the minute or in ISO form, to the form that formulas read."""
    moment = text.strip().replace("T", " ", 1)
    missing = {10: " 00:00:00", 16: ":00"}
    return moment + missing.get(len(moment), "")


def _is_moment(text: str, form: str) -> bool:
    try:
        datetime.strptime(text, form)
    except ValueError:
        return False
    return True
