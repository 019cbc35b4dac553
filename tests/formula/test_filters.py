import polars as pl
import pytest

from flowfile_dagster.errors import SettingsError
from flowfile_dagster.formula.filters import render_condition

DATE = pl.Date()
MOMENT = pl.Datetime("us")


@pytest.mark.parametrize(
    ("operator", "value", "dtype", "text"),
    [
        ("equals", "x", pl.String(), '[c]="x"'),
        ("not_equals", "-1", pl.Int64(), "[c]!=-1"),
        ("<>", "-1", pl.Int64(), "[c]!=-1"),
        ("==", "x", pl.String(), '[c]="x"'),
        ("greater_than", "true", pl.Boolean(), "[c]>true"),
        ("less_than_or_equals", "1.5", pl.Decimal(10, 2), '[c]<="1.5"'),
        ("greater_than_or_equals", " 2024-01-31 ", DATE, '[c]>=to_date("2024-01-31")'),
        ("less_than", "2024-01-31", MOMENT, '[c]<to_datetime("2024-01-31 00:00:00")'),
        ("equals", "2024-01-31T10:30", MOMENT, '[c]=to_datetime("2024-01-31 10:30:00")'),
        ("contains", "1", pl.Int64(), 'contains([c], "1")'),
        ("not_contains", "1", pl.String(), 'contains([c], "1") = false'),
        ("starts_with", "ab", pl.String(), 'left([c], 2) = "ab"'),
        ("ends_with", "abc", pl.String(), 'right([c], 3) = "abc"'),
        ("is_null", "", pl.String(), "is_empty([c])"),
        ("is_not_null", "", pl.Time(), "is_not_empty([c])"),
    ],
)
def test_render_one_value_is_written_for_the_type(operator: str, value: str, dtype: pl.DataType, text: str) -> None:
    assert render_condition("c", operator, value, None, dtype) == text


@pytest.mark.parametrize("dtype", [pl.Int8(), pl.Int64(), pl.Float64()])
def test_render_members_of_signed_numbers_are_a_list(dtype: pl.DataType) -> None:
    assert render_condition("c", "in", "1, 2", None, dtype) == "[c] in (1, 2)"


@pytest.mark.parametrize("dtype", [pl.UInt8(), pl.Float32(), pl.Boolean()])
def test_render_members_of_other_numbers_are_a_chain(dtype: pl.DataType) -> None:
    assert render_condition("c", "not_in", "1, 0", None, dtype) == "([c]!=1) & ([c]!=0)"


def test_render_members_of_datetimes_are_a_list_only_in_microseconds_without_zone() -> None:
    text = render_condition("c", "in", "2024-01-31,2024-02-01", None, MOMENT)
    assert text == '[c] in (to_datetime("2024-01-31 00:00:00"), to_datetime("2024-02-01 00:00:00"))'
    for dtype in (pl.Datetime("ms"), pl.Datetime("us", "UTC")):
        assert " | " in render_condition("c", "in", "2024-01-31,2024-02-01", None, dtype)


def test_render_single_member_is_a_comparison() -> None:
    assert render_condition("c", "in", " x ", None, pl.String()) == '[c]="x"'
    assert render_condition("c", "not_in", "5", None, pl.Int64()) == "[c]!=5"


def test_render_trailing_comma_is_an_empty_member() -> None:
    assert render_condition("c", "in", "x,", None, pl.String()) == '[c] in ("x", "")'
    assert render_condition("c", "in", "1,", None, pl.Int64()) == "([c]=1) | ([c]=)"
    assert render_condition("c", "in", "2024-01-31,", None, DATE) == '[c] in (to_date("2024-01-31"), to_date(""))'


def test_render_between_has_two_bounds() -> None:
    assert render_condition("c", "between", "1", "5", pl.Int64()) == "([c]>=1) & ([c]<=5)"


@pytest.mark.parametrize(
    ("operator", "value", "value2", "dtype", "cause"),
    [
        ("between", "1", None, pl.Int64(), "value2: operator 'between' needs the upper bound"),
        ("like", "1", None, pl.Int64(), "operator: 'like' is unknown; the operators are equals, "),
        ("equals", "10:00", None, pl.Time(), "operator: 'equals' cannot compare column 'c' of type Time"),
        ("equals", "31-01-2024", None, DATE, "value: '31-01-2024' must be a date such as"),
        ("not_in", "2024-01-31, x", None, DATE, "value: 'x' must be a date such as"),
        ("between", "2024-01-31", "2024", MOMENT, "value2: '2024' must be a date and time such as"),
        ("equals", "", None, MOMENT, "value: '' must be a date and time"),
        ("equals", 'x" | "a"="a', None, pl.String(), "value: 'x.*': a value here cannot hold a double quote"),
        ("in", 'a, b"', None, pl.String(), "value: 'b\"': a value here cannot hold a double quote"),
        ("between", "a", '"', pl.String(), "value2: '\"': a value here cannot hold a double quote"),
        ("contains", 'x") | contains([d], "y', None, pl.Int64(), "value: .* cannot hold a double quote"),
        ("ends_with", 'a"', None, pl.String(), "value: 'a\"': a value here cannot hold a double quote"),
    ],
)
def test_render_what_cannot_be_a_condition_is_an_error(
    operator: str, value: str, value2: str | None, dtype: pl.DataType, cause: str
) -> None:
    with pytest.raises(SettingsError, match=cause):
        render_condition("c", operator, value, value2, dtype)
