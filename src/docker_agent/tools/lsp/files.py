"""The files that a language server may be asked about: read, and changed, as the filesystem tools
of the same agent do it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from docker_agent.errors import ToolError
from docker_agent.tools.filesystem.edit import encoded, replace
from docker_agent.tools.filesystem.handles import explained, open_file
from docker_agent.tools.filesystem.places import Boundary, Place
from docker_agent.tools.filesystem.work import PathLocks, in_thread
from docker_agent.tools.lsp.limits import MAX_EDITED, MAX_FILE
from docker_agent.tools.lsp.protocol import TextEdit, WorkspaceEdit
from docker_agent.tools.lsp.text import Encoding, Text, edited

_BOM = "\ufeff"


class Stamp(msgspec.Struct, frozen=True):
    """What is another one once a file was written: when, how long, which."""

    changed: int
    size: int
    inode: int


class Kept(msgspec.Struct, frozen=True):
    """A file as it was on disk. `mark` is the byte order mark before its text, if it has one."""

    path: str
    text: Text
    mark: str
    stamp: Stamp


def uri_of(path: str) -> str:
    """How servers are told of a file."""
    return Path(path).as_uri()


def path_of(uri: str) -> str | None:
    """The file that a server means; None for what is no file of this machine."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        return None
    path = unquote(parts.path, errors="surrogateescape")
    return path if path.startswith("/") and "\0" not in path else None


def stamp_of(status: os.stat_result) -> Stamp:
    """The stamp of a file of this status."""
    return Stamp(status.st_mtime_ns, status.st_size, status.st_ino)


class Files:
    """The files that one call may reach. Its methods ask the disk: call them in a thread."""

    def __init__(self, boundary: Boundary) -> None:
        self.boundary = boundary

    def read(self, path: str) -> Kept:
        """A file of text. Raises `ToolError` when it may not be reached, is too large, or no
        text."""
        place = self.boundary.locate(path)
        with explained(place), os.fdopen(open_file(place), "rb") as file:
            stamp = stamp_of(os.fstat(file.fileno()))
            data = file.read(MAX_FILE + 1)
        if len(data) > MAX_FILE:
            raise ToolError(f"{path}: the file is larger than {MAX_FILE} bytes")
        try:
            text = data.decode()
        except UnicodeDecodeError as exc:
            raise ToolError(f"{path}: is no UTF-8 text") from exc
        mark = _BOM if text.startswith(_BOM) else ""
        return Kept(place.real, Text(text.removeprefix(_BOM)), mark, stamp)

    def may(self, path: str) -> bool:
        """Whether a file may be reached."""
        try:
            self.boundary.locate(path)
        except ToolError:
            return False
        return True

    def place(self, path: str) -> Place:
        """Where a file is. Raises `ToolError` when it may not be reached."""
        return self.boundary.locate(path)


def edits_by_path(edit: WorkspaceEdit) -> dict[str, tuple[TextEdit, ...]]:
    """The edits of each file. Raises `ToolError` for what is more than edits of files."""
    found: dict[str, tuple[TextEdit, ...]] = {}
    changes = [
        (change.text_document.uri, change.edits, change.kind)
        for change in edit.document_changes or ()
    ] or [(uri, edits, "") for uri, edits in (edit.changes or {}).items()]
    for uri, edits, kind in changes:
        if kind:
            raise ToolError(
                f"the language server wants to {kind} a whole file, which is not done for it; "
                "nothing was changed"
            )
        path = path_of(uri)
        if path is None:
            raise ToolError("the language server wants to change what is no file here")
        if edits:
            found[path] = (*found.get(path, ()), *edits)
    if len(found) > MAX_EDITED:
        raise ToolError(f"that changes {len(found)} files, and one call at most {MAX_EDITED}")
    return found


async def write_edits(
    files: Files,
    locks: PathLocks,
    known: Mapping[str, Kept],
    edits: Mapping[str, Sequence[TextEdit]],
    encoding: Encoding,
) -> list[str]:
    """Make edits of files that the server knew as they are in `known`; the paths of those that are
    others now. Both are by real path.

    All files are held meanwhile, so that no other tool changes one. Raises `ToolError` before
    anything is written when one of them is another by now, or may not be reached.
    """
    async with AsyncExitStack() as held:
        for path in sorted(edits):
            await held.enter_async_context(locks.hold(path))
        return await in_thread(lambda _: _write(files, known, edits, encoding), finish=True)


def _write(
    files: Files,
    known: Mapping[str, Kept],
    edits: Mapping[str, Sequence[TextEdit]],
    encoding: Encoding,
) -> list[str]:
    new: list[tuple[Place, bytes]] = []
    for path, changes in edits.items():
        now = files.read(path)
        if now.text.whole != known[path].text.whole:
            raise ToolError(f"{path} was changed meanwhile; nothing was changed, try again")
        text = edited(now.text, changes, encoding)
        if text != now.text.whole:
            new.append((files.place(path), encoded(now.mark + text)))
    done: list[str] = []
    for place, data in new:
        try:
            replace(place, data)
        except ToolError as exc:
            changed = f"; changed before that: {', '.join(done)}" if done else ""
            raise ToolError(f"{exc}{changed}") from exc
        done.append(place.real)
    return done
