"""Where a model's path really leads, and whether it may go there."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from copy import copy
from pathlib import Path

import msgspec

from docker_agent.errors import ConfigError, ToolError

log = logging.getLogger(__name__)

MAX_PATH = 4096
"""Bytes of a path; longer ones are refused before the disk is asked."""


class Place(msgspec.Struct, frozen=True):
    """A path that was found to be allowed: `parts` below the real directory `root`.

    `shown` is how messages to the model call it. `denied` are the identities (device, inode) of
    what may not be entered on the way there: other spellings of a denied name, on disks that do
    not tell case apart, lead to the same inode.
    """

    shown: str
    root: str
    parts: tuple[str, ...] = ()
    denied: frozenset[tuple[int, int]] = frozenset()

    @property
    def real(self) -> str:
        """The absolute path without symbolic links."""
        return str(Path(self.root, *self.parts))

    def child(self, name: str) -> Place:
        """The entry `name` of this directory."""
        shown = name if self.shown in (".", "./", "") else f"{self.shown.rstrip('/')}/{name}"
        return Place(shown, self.root, (*self.parts, name), self.denied)


class Boundary:
    """The trees a toolset may reach, those it may not, and where relative paths begin.

    Raises `ConfigError` for a list entry that is blank or leads nowhere sensible. The allowed trees
    are resolved once; denied ones each time, because a directory may take a denied name later.
    """

    def __init__(
        self,
        allow: Sequence[str],
        deny: Sequence[str],
        working_dir: Path,
        expand: Callable[[str], str],
    ) -> None:
        self.working_dir = Path(os.path.realpath(working_dir))
        if not self.working_dir.is_dir():
            raise ConfigError(f"filesystem: the working directory {working_dir} is no directory")
        allowed = [self._entry("allow_list", entry, expand) for entry in allow]
        self.allowed = _outermost(allowed or [str(self.working_dir)])
        for tree in self.allowed:
            if Path(tree).exists() and not Path(tree).is_dir():
                raise ConfigError(f"filesystem: allow_list: {tree} is no directory")
        self.denied = tuple(self._entry("deny_list", entry, expand) for entry in deny)
        self._results = ""
        self._reads_results = False

    @property
    def opened(self) -> tuple[str, ...]:
        """The allowed trees that are more than the working directory."""
        home = str(self.working_dir)
        return tuple(tree for tree in self.allowed if not _inside(tree, home))

    def within(self, results: str, *, reads: bool) -> Boundary:
        """The same for one call, whose conversation has large results in the folder `results`: they
        may be read, if the call only `reads`. Folders beside it are closed whatever is allowed."""
        if not results:
            return self
        boundary = copy(self)
        boundary._results, boundary._reads_results = results, reads
        return boundary

    def locate(self, path: str, *, follow_last: bool = True) -> Place:
        """The place a model's `path` means; it need not exist.

        `~` is the home directory, relative paths begin in the working directory, symbolic links are
        followed (the last component's only with `follow_last`). Raises `ToolError` when it is
        outside what is allowed. Asks the disk: call it in a thread.
        """
        real = self._resolved(path, follow_last=follow_last)
        if self._results and _inside(real, str(Path(self._results).parent)):
            return self._result(path, real)
        denied = {*self.denied, *(os.path.realpath(tree) for tree in self.denied)}
        if self._results:
            denied.add(str(Path(self._results).parent))
        for tree in denied:
            if _inside(real, tree):
                raise ToolError(f'path "{path}" is inside a denied directory ({tree})')
        for tree in self.allowed:
            if _inside(real, tree):
                below = real[len(tree) :].strip("/")
                parts = tuple(below.split("/")) if below else ()
                return Place(path, tree, parts, frozenset(_identities(denied)))
        allowed = ", ".join(self.allowed)
        raise ToolError(f'path "{path}" is outside the allowed directories ({allowed})')

    def _result(self, path: str, real: str) -> Place:
        """The place of one of the conversation's own results."""
        if not (self._reads_results and _inside(real, self._results)):
            raise ToolError(f'path "{path}" is among the results of tools, which are not yours')
        below = real[len(self._results) :].strip("/")
        return Place(path, self._results, tuple(below.split("/")) if below else ())

    def _resolved(self, path: str, *, follow_last: bool) -> str:
        _check(path)
        whole = self.working_dir / _at_home(path)
        if follow_last or whole.name in ("", ".."):
            return os.path.realpath(whole)
        return str(Path(os.path.realpath(whole.parent), whole.name))

    def _entry(self, key: str, entry: str, expand: Callable[[str], str]) -> str:
        tree = _at_home(expand(entry)) if entry.strip() else ""
        if not tree.strip() or "\0" in tree or tree.startswith("~"):
            raise ConfigError(f"filesystem: {key}: '{entry}' names no directory")
        real = os.path.realpath(self.working_dir / tree)
        if not os.path.lexists(real):
            log.warning("filesystem: %s: '%s' does not exist (%s)", key, entry, real)
        return real


def _check(path: str) -> None:
    if not path.strip():
        raise ToolError("the path is empty")
    if "\0" in path:
        raise ToolError(f"path {path!r} holds a NUL character")
    try:
        size = len(path.encode())
    except UnicodeEncodeError as exc:
        raise ToolError(f"path {path!r} is not valid Unicode") from exc
    if size > MAX_PATH:
        raise ToolError(f"the path is too long ({size} bytes, at most {MAX_PATH})")


def _at_home(path: str) -> str:
    """`path` with a leading `~` replaced; as it is for an account without a home directory."""
    if path.split("/")[0] != "~":
        return path
    try:
        return str(Path.home()) + path[1:]
    except RuntimeError:
        return path


def _inside(path: str, tree: str) -> bool:
    return path == tree or path.startswith(tree.rstrip("/") + "/")


def _outermost(trees: Sequence[str]) -> tuple[str, ...]:
    unique = tuple(dict.fromkeys(trees))
    return tuple(
        tree
        for tree in unique
        if not any(_inside(tree, other) and tree != other for other in unique)
    )


def _identities(trees: set[str]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for tree in trees:
        try:
            status = Path(tree).stat()
        except OSError:
            continue
        found.append((status.st_dev, status.st_ino))
    return found
