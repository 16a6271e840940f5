"""Texts and places in them, without I/O: a model counts lines and characters from 1, servers from 0
and in units of an encoding."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Literal, get_args

from docker_agent.errors import ToolError
from docker_agent.tools.lsp.protocol import Position, TextEdit

Encoding = Literal["utf-32", "utf-16", "utf-8"]
"""In what characters of a line are counted; UTF-32 are those that a model counts."""

ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)

_CODECS = {"utf-16": ("utf-16-le", 2), "utf-8": ("utf-8", 1)}
_LINE_END = re.compile(r"\r\n|\n|\r")


class Text:
    """A text, and where its lines are."""

    def __init__(self, whole: str) -> None:
        self.whole = whole

    @cached_property
    def _starts(self) -> Sequence[int]:
        return [0, *(end.end() for end in _LINE_END.finditer(self.whole))]

    @property
    def line_count(self) -> int:
        """At least 1; an end of line at the end begins another one."""
        return len(self._starts)

    def line(self, number: int) -> str:
        """A line, counted from 0, without its end; nothing where there is none."""
        if not 0 <= number < self.line_count:
            return ""
        start = self._starts[number]
        end = self._starts[number + 1] if number + 1 < self.line_count else len(self.whole)
        return self.whole[start:end].rstrip("\r\n")

    def position(self, line: int, character: int, encoding: Encoding) -> Position:
        """The place that a model means. Behind the end of a line is its end.

        Raises `ToolError` for a line that there is not.
        """
        if not 1 <= line <= self.line_count:
            raise ToolError(f"there is no line {line}; the file has {self.line_count}")
        if character < 1:
            raise ToolError("`character` counts from 1")
        return Position(line - 1, units(self.line(line - 1)[: character - 1], encoding))

    def shown(self, place: Position, encoding: Encoding) -> str:
        """A place of a server as a model counts: `line:character`."""
        return f"{place.line + 1}:{points(self.line(place.line), place.character, encoding) + 1}"

    def offset(self, place: Position, encoding: Encoding) -> int:
        """Where in the whole text a place is; behind the end of a line is its end."""
        if place.line < 0:
            return 0
        if place.line >= self.line_count:
            return len(self.whole)
        return self._starts[place.line] + points(self.line(place.line), place.character, encoding)


def units(text: str, encoding: Encoding) -> int:
    """How long a text is in units of an encoding."""
    if encoding == "utf-32" or text.isascii():
        return len(text)
    codec, size = _CODECS[encoding]
    return len(text.encode(codec, "surrogatepass")) // size


def points(line: str, count: int, encoding: Encoding) -> int:
    """How many characters of a line so many units are. One that they end inside of does not
    count."""
    if encoding == "utf-32" or line.isascii():
        return max(0, min(count, len(line)))
    codec, size = _CODECS[encoding]
    return len(line.encode(codec, "surrogatepass")[: max(0, count) * size].decode(codec, "ignore"))


def edited(text: Text, edits: Sequence[TextEdit], encoding: Encoding) -> str:
    """The text with all edits made. Raises `ToolError` when they overlap."""
    cuts = sorted(
        (
            (text.offset(edit.range.start, encoding), text.offset(edit.range.end, encoding), edit)
            for edit in edits
        ),
        key=lambda cut: (cut[0], cut[1]),
    )
    parts: list[str] = []
    at = 0
    for start, end, edit in cuts:
        if start < at or end < start:
            raise ToolError("the language server's edits overlap; nothing was changed")
        parts += (text.whole[at:start], edit.new_text)
        at = end
    return "".join((*parts, text.whole[at:]))
