"""Durations as Go writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_agent.config.durations import parse_duration, parse_file_duration
from docker_agent.errors import ConfigError
from tests.requirements import requirement


@requirement("file:2.14:durations")
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("-0", 0.0),
        ("5s", 5.0),
        ("+5s", 5.0),
        ("-5s", -5.0),
        ("300ms", 0.3),
        ("1m30s", 90.0),
        ("2h", 7200.0),
        ("1h2m3s4ms5us6ns", 3723.004005006),
        ("1µs", 1e-6),
        ("1μs", 1e-6),
        ("1.5h", 5400.0),
        (".5s", 0.5),
        ("1.s", 1.0),
        ("1s1h", 3601.0),
    ],
)
def test_a_duration_is_seconds(text: str, seconds: float) -> None:
    """agent-file.md §2.14; Go's time.ParseDuration."""
    assert parse_duration(text) == pytest.approx(seconds)


@requirement("file:2.14:durations")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'' is no duration; write one such as '30s' or '1h30m'"),
        ("-", "'-' is no duration; write one such as '30s' or '1h30m'"),
        ("30", "'30' is no duration: '30' needs a unit, such as '30s'"),
        ("1m30", "'1m30' is no duration: '30' needs a unit, such as '30s'"),
        ("3x", "'3x' is no duration: 'x' is no unit; use one of ns, us, ms, s, m, h"),
        ("3 s", "'3 s' is no duration: ' s' is no unit; use one of ns, us, ms, s, m, h"),
        ("s", "'s' is no duration: a number was expected at 's'"),
        (".s", "'.s' is no duration: a number was expected at '.s'"),
        ("1s-2s", "'1s-2s' is no duration: 's-' is no unit; use one of ns, us, ms, s, m, h"),
        ("1d", "'1d' is no duration: 'd' is no unit; use one of ns, us, ms, s, m, h"),
        ("9999999h", "'9999999h' is too long for a duration; the longest is about 292 years"),
        ("9" * 400 + "s",
         f"'{'9' * 400}s' is too long for a duration; the longest is about 292 years"),
    ],
)  # fmt: skip
def test_the_part_that_does_not_fit_is_named(text: str, said: str) -> None:
    """agent-file.md §2.14: invalid is an error."""
    with pytest.raises(ConfigError) as raised:
        parse_duration(text)
    assert str(raised.value) == said


@requirement("file:2.14:in-files")
@pytest.mark.parametrize(
    ("text", "seconds"), [("", 0.0), ("45", 45.0), ("-1", -1.0), ("0", 0.0), ("1m", 60.0)]
)
def test_files_may_leave_out_the_unit(text: str, seconds: float) -> None:
    """agent-file.md §2.14: empty is 0, a bare integer is seconds."""
    assert parse_file_duration(text) == seconds


@requirement("file:2.14:durations")
@given(st.text(alphabet="0123456789.+-nuµms h"))
def test_any_text_is_a_duration_or_an_error(text: str) -> None:
    """STYLE.md, Errors."""
    try:
        parse_duration(text)
    except ConfigError:
        return


@requirement("file:2.14:durations")
@given(*(st.integers(0, 59) for _ in range(3)))
def test_the_parts_add_up(hours: int, minutes: int, seconds: int) -> None:
    """agent-file.md §2.14."""
    found = parse_duration(f"{hours}h{minutes}m{seconds}s")
    assert found == hours * 3600 + minutes * 60 + seconds
