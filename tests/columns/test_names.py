import pytest

from flowfile_dagster.columns.names import first_repeated


@pytest.mark.parametrize(("names", "found"), [("", None), ("abc", None), ("abba", "b"), ("aba", "a")])
def test_first_repeated_name_is_the_one_that_comes_again_first(names: str, found: str | None) -> None:
    assert first_repeated(names) == found
