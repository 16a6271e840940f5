"""JSON text to our tree, for the JSON that libyaml refuses: escaped surrogate pairs and such."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

import msgspec

from docker_agent.config.compose import MOST_DEPTH, MOST_NODES, MarkedError, table
from docker_agent.config.tree import Items, Node, Scalar

Element = TypeVar("Element")

_BLANKS = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_WORD = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null")


def read_json(text: str) -> Node:
    """The tree of a JSON text.

    Raises `NotJSON`, or `MarkedError` where it has a key twice, or is nested too deep.
    """
    reader = _Reader(text)
    node = reader.value(0)
    reader.end()
    return node


class NotJSON(MarkedError):
    """The text is no JSON."""


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._count = 0
        self._counted_to = 0
        self._line = 1
        self._skip(0)

    def value(self, depth: int) -> Node:
        line = self._line_here()
        self._count += 1
        if depth == MOST_DEPTH and self._text.startswith(("{", "["), self._at):
            raise MarkedError(line, f"is nested more than {MOST_DEPTH} levels deep")
        if self._count > MOST_NODES:
            raise MarkedError(line, f"the file has more than {MOST_NODES} values")
        if self._took("{"):
            return table(line, self._until("}", lambda: self._pair(depth)))
        if self._took("["):
            return Items(line, tuple(self._until("]", lambda: self.value(depth + 1))))
        if self._text.startswith('"', self._at):
            return self._string()
        return Scalar(line, self._match(_WORD, "a value"), plain=True)

    def end(self) -> None:
        if self._at < len(self._text):
            raise NotJSON(self._line_here(), "nothing may follow the JSON value")

    def _pair(self, depth: int) -> tuple[Node, Node]:
        key = self._string()
        if not self._took(":"):
            raise NotJSON(self._line_here(), "':' was expected")
        return key, self.value(depth + 1)

    def _until(self, close: str, element: Callable[[], Element]) -> list[Element]:
        found: list[Element] = []
        while not self._took(close):
            if found and not self._took(","):
                raise NotJSON(self._line_here(), f"',' or '{close}' was expected")
            found.append(element())
        return found

    def _string(self) -> Scalar:
        line = self._line_here()
        try:
            return Scalar(line, msgspec.json.decode(self._match(_STRING, "a text"), type=str))
        except (msgspec.DecodeError, UnicodeEncodeError):
            raise NotJSON(line, "this text has an escape that JSON does not know") from None

    def _match(self, pattern: re.Pattern[str], what: str) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise NotJSON(self._line_here(), f"{what} was expected")
        self._skip(found.end())
        return found[0]

    def _took(self, character: str) -> bool:
        if not self._text.startswith(character, self._at):
            return False
        self._skip(self._at + 1)
        return True

    def _skip(self, end: int) -> None:
        blanks = _BLANKS.match(self._text, end)
        self._at = blanks.end() if blanks else end

    def _line_here(self) -> int:
        self._line += self._text.count("\n", self._counted_to, self._at)
        self._counted_to = self._at
        return self._line
