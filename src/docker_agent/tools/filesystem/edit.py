"""Changing files and directories: a file is replaced as a whole or not at all."""

from __future__ import annotations

import os
import secrets
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated

import msgspec

from docker_agent.errors import ToolError
from docker_agent.messages import ToolResult
from docker_agent.tools.filesystem import handles
from docker_agent.tools.filesystem.handles import NotFound, check_regular, explained, parent_of
from docker_agent.tools.filesystem.places import Place
from docker_agent.tools.filesystem.work import Disk, Stop

MAX_EDITED = 10 * 1024 * 1024
"""Bytes of a file that can be edited."""


class WriteFile(msgspec.Struct, frozen=True):
    """What `write_file` takes."""

    path: Annotated[str, msgspec.Meta(description="The file to write.")]
    content: Annotated[str, msgspec.Meta(description="All of its new content.")]


class Edit(msgspec.Struct, frozen=True):
    """One replacement."""

    old: Annotated[
        str, msgspec.Meta(description="The exact text to replace; its first place counts.")
    ] = msgspec.field(name="oldText")
    new: Annotated[str, msgspec.Meta(description="The text to put there.")] = msgspec.field(
        name="newText"
    )


class EditFile(msgspec.Struct, frozen=True):
    """What `edit_file` takes."""

    path: Annotated[str, msgspec.Meta(description="The file to edit.")]
    edits: Annotated[
        tuple[Edit, ...], msgspec.Meta(description="Replacements, made one after the other.")
    ]


class Directories(msgspec.Struct, frozen=True):
    """What `create_directory` and `remove_directory` take."""

    paths: Annotated[tuple[str, ...], msgspec.Meta(description="The directories.")]


def write_file(disk: Disk, wanted: WriteFile, stop: Stop) -> ToolResult:
    """Write a file, making the directories above it."""
    data = encoded(wanted.content)
    replace(disk.boundary.locate(wanted.path), data)
    return ToolResult(f"File written successfully: {wanted.path} ({len(data)} bytes)")


def edit_file(disk: Disk, wanted: EditFile, stop: Stop) -> ToolResult:
    """Make all replacements, or none when one does not fit."""
    if not wanted.edits:
        raise ToolError("edits is empty")
    place = disk.boundary.locate(wanted.path)
    text = _content(place)
    for number, edit in enumerate(wanted.edits, 1):
        text = _edited(text, edit, number)
    replace(place, encoded(text))
    counts = [len(edit.old) for edit in wanted.edits]
    if len(counts) == 1:
        return ToolResult(f"File edited successfully. Replaced {counts[0]} characters")
    lines = [f"Edit {number}: Replaced {n} characters" for number, n in enumerate(counts, 1)]
    return ToolResult("\n".join(["File edited successfully. Changes:", *lines]))


def create_directory(disk: Disk, wanted: Directories, stop: Stop) -> ToolResult:
    """Make directories and those above them; one that is there already is fine."""

    def make(path: str) -> str:
        handles.make_directory(disk.boundary.locate(path))
        return f"Directory created successfully: {path}"

    return _each(wanted, make)


def remove_directory(disk: Disk, wanted: Directories, stop: Stop) -> ToolResult:
    """Remove empty directories; never a link, never an allowed tree itself."""

    def remove(path: str) -> str:
        handles.remove_directory(disk.boundary.locate(path, follow_last=False))
        return f"Directory removed successfully: {path}"

    return _each(wanted, remove)


def _each(wanted: Directories, do: Callable[[str], str]) -> ToolResult:
    if not wanted.paths:
        raise ToolError("paths is empty")
    lines: list[str] = []
    failed = False
    for path in wanted.paths:
        try:
            lines.append(do(path))
        except ToolError as exc:
            failed = True
            lines.append(f"Error: {exc}")
    return ToolResult("\n".join(lines), is_error=failed)


def _edited(text: str, edit: Edit, number: int) -> str:
    if not edit.old and text:
        raise ToolError(f"Edit {number} failed: old text is empty")
    if edit.old in text:
        return text.replace(edit.old, edit.new, 1)
    if "\r\n" in text and "\r\n" not in edit.old:
        old, new = edit.old.replace("\n", "\r\n"), edit.new.replace("\n", "\r\n")
        if old in text:
            return text.replace(old, new, 1)
    raise ToolError(f"Edit {number} failed: old text not found")


def _content(place: Place) -> str:
    """The text of a file; bytes that are not UTF-8 survive an edit."""
    try:
        handle = handles.open_file(place)
    except NotFound as exc:
        raise ToolError("not found") from exc
    with os.fdopen(handle, "rb") as file, explained(place):
        data = file.read(MAX_EDITED + 1)
    if len(data) > MAX_EDITED:
        raise ToolError(f"{place.shown} is too large to edit (more than {MAX_EDITED} bytes)")
    return data.decode("utf-8", "surrogateescape")


def encoded(text: str) -> bytes:
    """Text as it is written. Raises `ToolError` for what is no text."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as exc:
        raise ToolError("the text holds half a character (a lone surrogate)") from exc


def replace(place: Place, data: bytes) -> None:
    """Put a file of these bytes in the place of what is there, whole or not at all; missing
    directories are made. Raises `ToolError`."""
    with parent_of(place, make=True) as (parent, name), explained(place):
        try:
            old = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            old = None
        if old is not None:
            check_regular(place, old)
            if not _alone(place, old):
                _overwrite(place, data)
                return
        try:
            _swap_in(parent, name, data, old)
        except PermissionError:
            if old is None:
                raise
            _overwrite(place, data)


def _alone(place: Place, old: os.stat_result) -> bool:
    """Whether a new file can stand in for the old one: no second name, no access list."""
    if old.st_nlink > 1:
        return False
    if sys.platform != "linux":
        return True
    try:
        handle = handles.open_file(place)
    except ToolError:
        return False
    try:
        return "system.posix_acl_access" not in os.listxattr(handle)
    except OSError:
        return True
    finally:
        os.close(handle)


def _swap_in(parent: int, name: str, data: bytes, old: os.stat_result | None) -> None:
    temporary = f".docker-agent-{secrets.token_hex(8)}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(temporary, flags, 0o666 if old is None else 0o600, dir_fd=parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if old is not None:
                made = os.fstat(handle)
                if (made.st_uid, made.st_gid) != (old.st_uid, old.st_gid):
                    os.fchown(handle, old.st_uid, old.st_gid)
                os.fchmod(handle, stat.S_IMODE(old.st_mode))
        os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=parent)
        raise


def _overwrite(place: Place, data: bytes) -> None:
    with os.fdopen(handles.open_file(place, os.O_WRONLY), "wb") as file:
        file.truncate(0)
        file.write(data)
