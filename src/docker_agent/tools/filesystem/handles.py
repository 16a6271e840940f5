"""Opening places through directory handles, one component at a time, never through a symbolic
link.

`Boundary.locate` has resolved all links by then. What is a link now has been swapped since, and is
refused; so is anything that is no regular file, before it could block.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Literal

import msgspec

from docker_agent.errors import ToolError
from docker_agent.tools.filesystem.places import Place

_STEP: int = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SAFE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_REASONS = {
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EISDIR: "is a directory, not a file",
    errno.ENOTDIR: "is not a directory, or something on its way is not",
    errno.ELOOP: "leads through a symbolic link that cannot be followed",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ENOTEMPTY: "the directory is not empty",
    errno.EEXIST: "something else is there already",
    errno.ENOSPC: "the disk is full",
    errno.EROFS: "the disk is read-only",
}


class NotFound(ToolError):
    """There is nothing at a place."""


@contextmanager
def explained(place: Place) -> Generator[None, None, None]:
    """Turns what the system refuses about `place` into a `ToolError`, `NotFound` where nothing
    is."""
    try:
        yield
    except FileNotFoundError as exc:
        raise NotFound(f"{place.shown}: not found") from exc
    except OSError as exc:
        why = _REASONS.get(exc.errno or 0) or exc.strerror or "cannot be used"
        raise ToolError(f"{place.shown}: {why}") from exc


class Entry(msgspec.Struct, frozen=True):
    """One name in a directory."""

    name: str
    kind: Literal["directory", "file", "link", "other"]


@contextmanager
def parent_of(place: Place, *, make: bool = False) -> Generator[tuple[int, str], None, None]:
    """A handle of the directory that holds `place`, and its name there; `make` creates what is
    missing on the way.

    Raises `ToolError` when `place` is an allowed tree itself.
    """
    if not place.parts:
        raise ToolError(f"{place.shown} is the root of an allowed directory")
    handle = _walk(place, place.parts[:-1], make=make)
    try:
        yield handle, place.parts[-1]
    finally:
        os.close(handle)


def open_file(place: Place, flags: int = os.O_RDONLY) -> int:
    """A descriptor of the regular file at `place`; the caller closes it.

    Raises `ToolError` when it is missing, not a regular file, denied, or a link by now.
    """
    if not place.parts:
        raise ToolError(f"{place.shown}: is a directory, not a file")
    with parent_of(place) as (parent, name), explained(place):
        check_regular(place, os.stat(name, dir_fd=parent, follow_symlinks=False))
        handle = os.open(name, flags | _SAFE, dir_fd=parent)
        try:
            check_regular(place, os.fstat(handle))
        except BaseException:
            os.close(handle)
            raise
        return handle


def entries(place: Place) -> list[Entry]:
    """What is in the directory, by name, without what is denied."""
    handle = _walk(place, place.parts, last=_LIST)
    try:
        with explained(place), os.scandir(handle) as found:
            kept = [_entry(entry) for entry in found if not _is_denied(place, entry)]
    finally:
        os.close(handle)
    return sorted(kept, key=lambda entry: entry.name)


def check_regular(place: Place, status: os.stat_result) -> None:
    """Raises `ToolError` unless `status` is that of a regular file that is not denied."""
    _refuse_denied(place, status)
    mode = status.st_mode
    if stat.S_ISREG(mode):
        return
    if stat.S_ISDIR(mode):
        raise ToolError(f"{place.shown}: is a directory, not a file")
    if stat.S_ISLNK(mode):
        raise ToolError(f"{place.shown}: leads through a symbolic link that cannot be followed")
    raise ToolError(f"{place.shown}: is not a regular file (a pipe, socket or device)")


def is_directory(place: Place) -> bool:
    """Whether a directory is there. Raises `NotFound`."""
    if not place.parts:
        return True
    with parent_of(place) as (parent, name), explained(place):
        return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)


def make_directory(place: Place) -> None:
    """Make the directory and what is missing above it; there already is fine."""
    os.close(_walk(place, place.parts, make=True))


def remove_directory(place: Place) -> None:
    """Remove an empty directory."""
    with parent_of(place) as (parent, name), explained(place):
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        _refuse_denied(place, status)
        if not stat.S_ISDIR(status.st_mode):
            raise ToolError(f"{place.shown}: is not a directory")
        os.rmdir(name, dir_fd=parent)


def _walk(place: Place, parts: tuple[str, ...], *, make: bool = False, last: int = _STEP) -> int:
    """A handle of the directory `parts` below the root, opened with `last`."""
    with explained(place):
        handle = os.open(place.root, last if not parts else _STEP)
        try:
            _refuse_denied(place, os.fstat(handle))
            for position, name in enumerate(parts, 1):
                flags = last if position == len(parts) else _STEP
                child = _enter(name, flags, handle, make=make)
                os.close(handle)
                handle = child
                _refuse_denied(place, os.fstat(handle))
        except BaseException:
            os.close(handle)
            raise
        return handle


def _enter(name: str, flags: int, parent: int, *, make: bool) -> int:
    try:
        return os.open(name, flags, dir_fd=parent)
    except FileNotFoundError:
        if not make:
            raise
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=parent)
    return os.open(name, flags, dir_fd=parent)


def _entry(entry: os.DirEntry[str]) -> Entry:
    if entry.is_symlink():
        return Entry(entry.name, "link")
    if entry.is_dir(follow_symlinks=False):
        return Entry(entry.name, "directory")
    return Entry(entry.name, "file" if entry.is_file(follow_symlinks=False) else "other")


def _is_denied(place: Place, entry: os.DirEntry[str]) -> bool:
    if not place.denied:
        return False
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (status.st_dev, status.st_ino) in place.denied


def _refuse_denied(place: Place, status: os.stat_result) -> None:
    if (status.st_dev, status.st_ino) in place.denied:
        raise ToolError(f'path "{place.shown}" is inside a denied directory')
