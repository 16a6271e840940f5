"""Texts cut into pieces that overlap. Pure. Source: runtime.md §14.2."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

SIZE, OVERLAP = 1_500, 75
CODE_SIZE = 4_000
"""Characters of a piece, those it shares with the one before, and of a piece of code."""

_SPACE = re.compile(r"\s")
_WORD = re.compile(r"\S")


class Chunk(msgspec.Struct, frozen=True):
    """A piece of a text; `place` counts them from 0. `context` names what surrounds a piece of
    code."""

    place: int
    content: str
    context: str = ""


class Cut(msgspec.Struct, frozen=True):
    """How texts are cut: characters of a piece and of the overlap, whether words stay whole, and
    whether code is cut at its functions."""

    size: int = SIZE
    overlap: int = OVERLAP
    whole_words: bool = True
    code_aware: bool = False


def pieces(text: str, cut: Cut) -> Iterator[str]:
    """The pieces of a text in order, none of them blank; each has at most `cut.size` characters.

    With `whole_words` a cut falls on white space, except inside a word that is longer than a piece.
    """
    start = 0
    while (word := _WORD.search(text, start)) is not None:
        start = _beginning(text, start, word.start(), cut)
        end = min(start + cut.size, len(text))
        if end < len(text) and cut.whole_words:
            end = _before_word(text, start, end)
        piece = text[start:end].rstrip()
        if piece:
            yield piece
        if end == len(text):
            return
        start = max(start + 1, _overlapping(text, end, cut))


def _beginning(text: str, start: int, word: int, cut: Cut) -> int:
    """Where a piece begins whose first word does at `word`: with the indentation of its line,
    without the blanks behind the last cut."""
    line = text.rfind("\n", start, word) + 1
    if line:
        return line if word - line < cut.size else word
    return word if start and cut.whole_words else start


def _before_word(text: str, start: int, end: int) -> int:
    """The last end of a word in the piece; `end` when there is none."""
    if text[end].isspace():
        return end
    at = end
    while at > start and not text[at - 1].isspace():
        at -= 1
    return at if at > start and not text[start:at].isspace() else end


def _overlapping(text: str, end: int, cut: Cut) -> int:
    """Where the next piece begins: inside of this one, at the beginning of a word."""
    start = end - cut.overlap
    if not cut.whole_words or start <= 0 or text[start - 1].isspace():
        return start
    found = _SPACE.search(text, start, end)
    return found.end() if found else end
