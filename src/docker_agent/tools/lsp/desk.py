"""What one call of a tool has in hand: a live server, files that it may reach, and time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from docker_agent.errors import ToolError
from docker_agent.messages import JSON
from docker_agent.tools.filesystem.work import PathLocks, in_thread
from docker_agent.tools.lsp.documents import Document
from docker_agent.tools.lsp.files import Files, edits_by_path, path_of, write_edits
from docker_agent.tools.lsp.languages import FileTypes
from docker_agent.tools.lsp.limits import MAX_LINE, MAX_ROWS, MAX_TEXT
from docker_agent.tools.lsp.protocol import Position, Range, WorkspaceEdit
from docker_agent.tools.lsp.session import Session
from docker_agent.tools.lsp.text import Text

Answer = TypeVar("Answer")

MAX_READ = 32 * 1024 * 1024
"""Bytes of files that are read to show the lines of one answer."""


@dataclass(frozen=True, slots=True)
class Desk:
    """One call: the server works in `root`, and `label` is what messages call it."""

    session: Session
    files: Files
    locks: PathLocks
    types: FileTypes
    label: str
    root: Path

    async def ask(self, method: str, params: JSON, answer: type[Answer]) -> Answer | None:
        """What the server answers, None for nothing. Raises `ToolError`."""
        return await self.session.connection.ask(method, params, answer)

    async def show(self, file: str) -> Document:
        """The file as it is on disk, which the server has seen. Raises `ToolError`."""
        if not self.types.has(file):
            raise ToolError(f"the language server {self.label} knows {self.types}, not {file}")
        return (await self.session.documents.show(self.files, [file]))[0]

    def at(self, document: Document, line: int, character: int) -> dict[str, JSON]:
        """A place in a document, as servers take it."""
        place = document.file.text.position(line, character, self.session.encoding)
        return {"textDocument": {"uri": document.uri}, "position": _plain(place)}

    def lines(self, document: Document, first: int, last: int) -> dict[str, JSON]:
        """Some whole lines of a document, as servers take them. Raises `ToolError`."""
        text, encoding = document.file.text, self.session.encoding
        if last < first:
            raise ToolError(f"`end_line` {last} stands before `start_line` {first}")
        start = text.position(first, 1, encoding)
        last = min(last, text.line_count)
        end = text.position(last, len(text.line(last - 1)) + 1, encoding)
        whole = {"start": _plain(start), "end": _plain(end)}
        return {"textDocument": {"uri": document.uri}, "range": whole}

    async def texts(self, paths: Iterable[str]) -> dict[str, Text]:
        """The texts of files, without those that may not be read."""
        wanted = dict.fromkeys(paths)
        found = {
            path: document.file.text
            for path in wanted
            if (document := self.session.documents.get(path)) is not None and self.files.may(path)
        }
        missing = [path for path in wanted if path not in found][:MAX_ROWS]
        return found | await in_thread(lambda _: self._read(missing), finish=False)

    def _read(self, paths: Sequence[str]) -> dict[str, Text]:
        found: dict[str, Text] = {}
        size = 0
        for path in paths:
            if size > MAX_READ:
                break
            try:
                found[path] = self.files.read(path).text
            except ToolError:
                continue
            size += len(found[path].whole)
        return found

    async def places(self, spots: Sequence[tuple[str, Range]], nothing: str) -> str:
        """Places by address as an answer, each once; what to say when there is none."""
        unique = list(dict.fromkeys(spots))
        return listed(await self.each_place(unique[:MAX_ROWS]), nothing, len(unique))

    async def each_place(self, spots: Sequence[tuple[str, Range]]) -> list[str]:
        """Places by address, each a line `path:line:character: text`; files that may not be read
        have no text."""
        paths = [path_of(uri) for uri, _ in spots]
        texts = await self.texts(path for path in paths if path is not None)
        return [
            self._place(path or uri, range.start, texts)
            for path, (uri, range) in zip(paths, spots, strict=True)
        ]

    def _place(self, path: str, start: Position, texts: Mapping[str, Text]) -> str:
        text = texts.get(path)
        if text is None:
            return f"{path}:{start.line + 1}:{start.character + 1}"
        shown = text.shown(start, self.session.encoding)
        return f"{path}:{shown}: {text.line(start.line).strip()[:MAX_LINE]}"

    async def write(self, edit: WorkspaceEdit) -> list[str]:
        """Make a server's edits of files that it was shown; lines of the files that are others
        now. Raises `ToolError`, also for a file that the server was not shown."""
        edits = edits_by_path(edit)
        known = {
            path: document.file
            for path in edits
            if (document := self.session.documents.get(path)) is not None
        }
        if unknown := [path for path in edits if path not in known]:
            raise ToolError(f"{unknown[0]} was not shown to the language server")
        changed = await write_edits(self.files, self.locks, known, edits, self.session.encoding)
        await self.session.documents.show(self.files, changed)
        return [f"- {path} ({counted(len(edits[path]), 'edit')})" for path in changed]

    async def missing(self, edit: WorkspaceEdit | None) -> bool:
        """Whether an edit is of files that the server had not open: it has now, and is to be asked
        once more, for the edit to fit what is on disk. Raises `ToolError` for files that may not be
        changed."""
        paths = [*edits_by_path(edit)] if edit is not None else []
        unknown = [path for path in paths if self.session.documents.get(path) is None]
        if not unknown:
            return False
        shown = await self.session.documents.show(self.files, unknown)
        for path, document in zip(unknown, shown, strict=True):
            if document.file.path != path:
                raise ToolError(f"{path} leads through a symbolic link; nothing was changed")
        return True


def _plain(place: Position) -> dict[str, int]:
    return {"line": place.line, "character": place.character}


def counted(number: int, noun: str) -> str:
    """`1 edit`, `2 edits`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(lines: Sequence[str], nothing: str, total: int | None = None) -> str:
    """Lines as an answer, at most `MAX_ROWS` of them, of `total` ones; what to say when there is
    none."""
    if not lines:
        return nothing
    more = (len(lines) if total is None else total) - min(len(lines), MAX_ROWS)
    rows = [*lines[:MAX_ROWS], *([f"... and {more} more"] if more > 0 else [])]
    return cut("\n".join(rows))


def cut(text: str) -> str:
    """An answer of at most `MAX_TEXT` characters."""
    if len(text) <= MAX_TEXT:
        return text
    return f"{text[:MAX_TEXT]}\n... cut off: the answer has {len(text)} characters"
