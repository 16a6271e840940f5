"""A text that cannot be read: where, and the line it stands on shown with a mark."""

from __future__ import annotations

from docker_agent.config.compose import MarkedError

_WIDTH = 100
"""Characters of a line shown in an error."""


class BadSyntax(MarkedError):
    """The text is not in its language; `column` from 1."""

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(line, message)
        self.column = column


def excerpt(line: str, column: int) -> str:
    """A line with a mark under `column`, to be put behind a message; empty for a blank line."""
    if not line.strip():
        return ""
    start = max(0, column - _WIDTH)
    shown = line[start : start + _WIDTH].replace("\t", " ")
    return f"\n    {shown}\n    {' ' * (column - 1 - start)}^"
