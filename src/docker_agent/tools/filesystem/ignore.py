"""What `.gitignore` files hide: nested files, the deeper one decides, what is below a hidden
directory stays hidden."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from pathspec.patterns.gitignore import GitIgnorePatternError
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from docker_agent.errors import ToolError
from docker_agent.tools.filesystem.handles import open_file
from docker_agent.tools.filesystem.patterns import Matcher
from docker_agent.tools.filesystem.places import Place

MAX_IGNORE_FILE = 256 * 1024
"""Bytes of a `.gitignore` that are read."""

MAX_LINE = 500
"""Characters of a pattern; longer lines are passed over."""

MATCH_SECONDS = 0.05
"""How long one pattern may look at one path; a slower one is passed over from then on."""

_DIRECTORY_MARK = "(?P<ps_d>"


class _Line:
    """One pattern. `hides` is false for those that begin with `!`."""

    def __init__(self, expression: str, *, hides: bool) -> None:
        self.hides = hides
        self._marked = _DIRECTORY_MARK in expression
        whole = expression if expression.startswith("^") or not self._marked else ".*" + expression
        self._matcher: Matcher | None = Matcher(whole)

    def fits(self, path: str, *, directory: bool) -> bool:
        if self._matcher is None:
            return False
        try:
            if self._marked:
                return self._matcher.fits(path + "/" if directory else path, MATCH_SECONDS)
            return self._matcher.search(path, MATCH_SECONDS) is not None
        except TimeoutError:
            self._matcher = None
            return False


class Patterns:
    """Lines in gitignore syntax; the last one that fits decides."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = tuple(_read(lines))[::-1]

    def verdict(self, path: str, *, directory: bool) -> bool | None:
        """True: hidden. False: shown in spite of other files. None: nothing said. `path` is
        relative, with `/`."""
        for line in self._lines:
            if line.fits(path, directory=directory):
                return line.hides
        return None


class Ignore:
    """The `.gitignore` files that count in one directory, outermost first, each with the place it
    lies in. Empty, it hides nothing."""

    def __init__(self, layers: tuple[tuple[str, Patterns], ...] = (), *, vcs: bool = False) -> None:
        self._layers = layers
        self._vcs = vcs

    def hides(self, path: str, *, directory: bool) -> bool:
        """Whether the entry at the absolute real `path` is hidden; its parents are asked about by
        whoever descends."""
        if self._vcs and path.endswith("/.git"):
            return True
        for base, patterns in reversed(self._layers):
            verdict = patterns.verdict(path[len(base) :].lstrip("/"), directory=directory)
            if verdict is not None:
                return verdict
        return False

    def entering(self, place: Place) -> Ignore:
        """What counts in a directory below: this and its own `.gitignore`."""
        if not self._vcs:
            return self
        lines = _lines_of(place.child(".gitignore"))
        if not lines:
            return self
        return Ignore((*self._layers, (place.real, Patterns(lines))), vcs=True)


NOTHING_HIDDEN = Ignore()


def ignore_at(place: Place) -> tuple[Ignore, bool]:
    """What counts in the directory `place`, and whether it is hidden itself.

    Reads the `.gitignore` files from the repository's root (without one: from the allowed tree's)
    down to `place`.
    """
    ignore, hidden = Ignore(vcs=True), False
    top = _repository(Path(place.real)) or Path(place.root)
    for directory in (*reversed(Path(place.real).parents), Path(place.real)):
        if not directory.is_relative_to(top):
            continue
        if directory != top:
            hidden = hidden or ignore.hides(str(directory), directory=True)
        ignore = ignore.entering(Place("", "/", directory.parts[1:]))
    return ignore, hidden


def _repository(directory: Path) -> Path | None:
    for candidate in (directory, *directory.parents):
        if os.path.lexists(candidate / ".git"):
            return candidate
    return None


def _lines_of(place: Place) -> list[str]:
    try:
        handle = open_file(place)
    except ToolError:
        return []
    with os.fdopen(handle, "rb") as file:
        return file.read(MAX_IGNORE_FILE).decode("utf-8-sig", "replace").splitlines()


def _read(lines: Iterable[str]) -> Iterator[_Line]:
    for line in lines:
        if len(line) > MAX_LINE:
            continue
        try:
            expression, hides = GitIgnoreSpecPattern.pattern_to_regex(line)
        except GitIgnorePatternError:
            continue
        if expression is not None and hides is not None:
            yield _Line(expression, hides=hides)
