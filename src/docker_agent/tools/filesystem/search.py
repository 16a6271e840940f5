"""Searching a tree for text or a regular expression, within limits of time, size and output."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Annotated

import msgspec

from docker_agent.errors import ToolError
from docker_agent.messages import ToolResult
from docker_agent.tools.filesystem.content import is_binary
from docker_agent.tools.filesystem.handles import explained, is_directory, open_file
from docker_agent.tools.filesystem.ignore import Patterns
from docker_agent.tools.filesystem.patterns import compiled
from docker_agent.tools.filesystem.places import Place
from docker_agent.tools.filesystem.work import Disk, Stop, printable, readable

MAX_OUTPUT = 1024 * 1024
MAX_FILE = 10 * 1024 * 1024
"""Bytes of an answer, and of a file that is searched (runtime.md §5.7)."""

SEARCH_SECONDS = 20.0
MATCH_SECONDS = 2.0
"""How long one search may last, and one regular expression on one line."""

MAX_REGEX_LINE = 100_000
"""Characters of a line that a regular expression sees."""

MAX_LINE = 100
AROUND = 20
"""Characters of a line that is shown whole, and on both sides of a match in a longer one."""

NO_RESULTS = "No results found"

Find = Callable[[str], tuple[int, int] | None]


class Search(msgspec.Struct, frozen=True):
    """What `search_files_content` takes."""

    path: Annotated[str, msgspec.Meta(description="The directory, or one file, to search.")]
    query: Annotated[str, msgspec.Meta(description="The text to find, case counts.")]
    is_regex: Annotated[
        bool, msgspec.Meta(description="Whether query is a regular expression.")
    ] = False
    exclude_patterns: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="Files to leave out, as in .gitignore: `*.min.js`, `dist/`."),
    ] = msgspec.field(default=(), name="excludePatterns")


class _Enough(Exception):
    """The search ends early; the text says why."""


class _Clock:
    """The time one search has."""

    def __init__(self, seconds: float, stop: Stop) -> None:
        self._ends = time.monotonic() + seconds
        self._seconds = seconds
        self._stop = stop

    def left(self) -> float:
        """Seconds. Raises `_Enough` when there are none."""
        self._stop.check()
        left = self._ends - time.monotonic()
        if left <= 0:
            raise _Enough(f"stopped after {self._seconds:g} seconds; search a smaller directory")
        return left


def search_files_content(disk: Disk, wanted: Search, stop: Stop) -> ToolResult:
    """Lines `path:line:column: preview`, one per line that matches, its first match.

    A search that had to stop early says so in its last line. Raises `ToolError` for a path or a
    pattern that cannot be used, and for a pattern so slow that nothing was found.
    """
    if not wanted.query:
        raise ToolError("the query is empty")
    clock = _Clock(disk.search_seconds, stop)
    find = _finder(wanted, clock)
    needle = None if wanted.is_regex else wanted.query.encode("utf-8", "replace")
    lines: list[str] = []
    size = 0
    note = ""
    try:
        for place in _files(disk, wanted, clock):
            for line in _matches(place, needle, find):
                size += len(line.encode()) + 1
                if size > MAX_OUTPUT:
                    raise _Enough("the rest is left out: more than 1 MiB; narrow the search")
                lines.append(line)
    except _Enough as exc:
        note = f"[{exc}]"
    if note and not lines:
        raise ToolError(f"nothing was found before the search ended: {note}")
    if not lines:
        return ToolResult(NO_RESULTS)
    return ToolResult("\n".join([*lines, note] if note else lines))


def _finder(wanted: Search, clock: _Clock) -> Find:
    query = wanted.query
    if not wanted.is_regex:

        def find_text(line: str) -> tuple[int, int] | None:
            start = line.find(query)
            return None if start < 0 else (start, start + len(query))

        return find_text
    matcher = compiled(query)

    def find_match(line: str) -> tuple[int, int] | None:
        try:
            return matcher.search(line[:MAX_REGEX_LINE], min(MATCH_SECONDS, clock.left()))
        except TimeoutError as exc:
            raise _Enough("the regular expression takes too long; write a simpler one") from exc

    return find_match


def _files(disk: Disk, wanted: Search, clock: _Clock) -> Iterator[Place]:
    """The files to search, by name. Symbolic links are not followed: what they lead to is found
    where it lies."""
    top = disk.boundary.locate(wanted.path)
    if not is_directory(top):
        yield top
        return
    exclude = Patterns(wanted.exclude_patterns)
    start = len(top.parts)
    ignore, hidden = disk.ignore_at(top)
    waiting = [] if hidden else [(top, ignore)]
    while waiting:
        here, ignore = waiting.pop()
        below: list[tuple[Place, bool]] = []
        clock.left()
        for entry in readable(here, ignore):
            place = here.child(entry.name)
            directory = entry.kind == "directory"
            if exclude.verdict("/".join(place.parts[start:]), directory=directory):
                continue
            if directory or entry.kind == "file":
                below.append((place, directory))
        for place, directory in below:
            if not directory:
                clock.left()
                yield place
        waiting.extend(
            (place, ignore.entering(place)) for place, directory in reversed(below) if directory
        )


def _matches(place: Place, needle: bytes | None, find: Find) -> Iterator[str]:
    try:
        data = _searchable(place)
    except ToolError:
        return
    if needle is not None and needle not in data:
        return
    for number, line in enumerate(data.decode("utf-8", "replace").split("\n"), 1):
        found = find(line)
        if found:
            preview = _preview(line.rstrip("\r"), *found)
            yield f"{printable(place.shown)}:{number}:{found[0] + 1}: {preview}"


def _searchable(place: Place) -> bytes:
    """What is in the file; nothing for one that is binary or too large."""
    with os.fdopen(open_file(place), "rb") as file, explained(place):
        if os.fstat(file.fileno()).st_size > MAX_FILE:
            return b""
        data = file.read(MAX_FILE + 1)
    return b"" if len(data) > MAX_FILE or is_binary(data) else data


def _preview(line: str, start: int, end: int) -> str:
    if len(line) <= MAX_LINE:
        return line
    end = min(end, start + MAX_LINE)
    first, last = max(0, start - AROUND), min(len(line), end + AROUND)
    return ("..." if first else "") + line[first:last] + ("..." if last < len(line) else "")
