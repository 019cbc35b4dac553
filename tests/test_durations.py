import pytest

from flowfile_dagster.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), (" 5M ", 300), ("12h", 43_200), ("30d", 2_592_000), ("2w", 1_209_600)]
)
def test_duration_is_a_number_with_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "30", "soon", "-5d", "1.5h", "5 d", "5000000d", "9999999999999d"])
def test_text_that_is_no_duration_or_longer_than_a_hundred_years_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no time span; write a number and s, m, h, d or w, such as '15m'"):
        parse_duration(text)
