import pytest

from flowfile_dagster.formula.conditions import deciding_columns


@pytest.mark.parametrize(
    ("condition", "columns"),
    [
        ("[a] > 1", {"a"}),
        ('[a] != "x"', set()),
        ("not([a] = 1)", set()),
        ("[a] != [b]", {"a", "b"}),
        ("not([a] > 1)", {"a"}),
        ("[a] != 1 and [b] != 2", set()),
        ("[a] != 1 and ([b] = 2 and [c] + 1 < 3)", {"b", "c"}),
        ("[a] != 1 or [b] = 2", {"a", "b"}),
        ("is_empty([a])", {"a"}),
        ("[flag]", {"flag"}),
        ("1 = 1", set()),
    ],
)
def test_deciding_columns_are_all_but_those_that_must_not_have_one_value(condition: str, columns: set[str]) -> None:
    assert deciding_columns(condition) == columns
