"""Patterns that a model or a file of the tree wrote: every match has a time limit.

Python's `re` cannot be stopped, so none of them ever reaches it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol, cast

import regex  # pyright: ignore[reportMissingTypeStubs] - has none; `_compile` gives it a type

from docker_agent.errors import ToolError

MAX_PATTERN = 1_000
"""Characters of a regular expression."""

_RECURSION = re.compile(r"\(\?(?:R|&|P>|[+-]?\d)")


class _Found(Protocol):
    def span(self) -> tuple[int, int]: ...


class _Pattern(Protocol):
    def search(self, text: str, *, timeout: float, concurrent: bool) -> _Found | None: ...

    def fullmatch(self, text: str, *, timeout: float, concurrent: bool) -> _Found | None: ...


_compile = cast(Callable[[str], _Pattern], regex.compile)


class Matcher:
    """A compiled pattern; both methods take the seconds they may last and raise `TimeoutError`
    when those are over. Other threads run meanwhile."""

    def __init__(self, pattern: str) -> None:
        self._pattern = _compile(pattern)

    def search(self, text: str, seconds: float) -> tuple[int, int] | None:
        """Where the first match begins and ends."""
        found = self._pattern.search(text, timeout=seconds, concurrent=True)
        return found.span() if found else None

    def fits(self, text: str, seconds: float) -> bool:
        """Whether the whole text matches."""
        return self._pattern.fullmatch(text, timeout=seconds, concurrent=True) is not None


def compiled(pattern: str) -> Matcher:
    """A model's regular expression. Raises `ToolError` when it is none, too long, or recursive:
    recursion eats memory faster than a time limit can help."""
    if len(pattern) > MAX_PATTERN:
        raise ToolError(f"the regular expression is longer than {MAX_PATTERN} characters")
    if _RECURSION.search(pattern):
        raise ToolError("recursive regular expressions are not supported")
    try:
        return Matcher(pattern)
    except (regex.error, RecursionError, ValueError, OverflowError) as exc:
        raise ToolError(f"'{pattern}' is not a regular expression: {exc}") from exc
