"""Cutting results that are too large."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_agent.hooks.large import MAX_BYTES, MAX_LINES, shortened
from tests.requirements import requirement

texts = st.lists(st.text(alphabet="ab é\U0001f600\n", max_size=30)).map("".join)


@requirement("results:size")
@pytest.mark.parametrize("text", ["", "x", "x" * MAX_BYTES, "\n" * (MAX_LINES - 1), "é" * 25_600])
def test_what_fits_stays_as_it_is(text: str) -> None:
    """runtime.md §5.6: 50 KiB or 2000 lines."""
    assert shortened(text) == text


@requirement("results:size")
@pytest.mark.parametrize("text", ["x" * (MAX_BYTES + 1), "\n" * MAX_LINES, "é" * 25_601])
def test_what_does_not_fit_says_what_is_missing(text: str) -> None:
    """runtime.md §5.6: a notice with the sizes."""
    assert f"the whole has {len(text)} characters" in shortened(text)


@requirement("results:size")
@given(texts, st.integers(0, 60), st.integers(2, 12))
def test_head_and_tail_are_kept_within_the_limits(text: str, size: int, lines: int) -> None:
    """runtime.md §5.6: as a law."""
    found = shortened(text, size, lines)
    if found == text:
        return
    head, _, rest = found.partition("\n\n[… ")
    notice, _, tail = rest.partition(" …]\n\n")
    assert text.startswith(head) and text.endswith(tail)
    assert int(notice.split()[0]) == len(text) - len(head) - len(tail) > 0
    assert len((head + tail).encode()) <= size
    assert (head.count("\n") + 1) + (tail.count("\n") + 1) <= lines
