"""The files that a server has open, always as they are on disk: what other tools have changed it is
told before it is asked anything."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec

from docker_agent.errors import ToolError
from docker_agent.tools.filesystem.work import in_thread
from docker_agent.tools.lsp.connection import Connection
from docker_agent.tools.lsp.files import Files, Kept, Stamp, stamp_of, uri_of
from docker_agent.tools.lsp.languages import language_of
from docker_agent.tools.lsp.limits import MAX_OPEN
from docker_agent.tools.lsp.problems import Problems
from docker_agent.tools.lsp.watched import Watched


class Document(msgspec.Struct, frozen=True):
    """A file as the server has it open. `version` is the server's number of this text."""

    file: Kept
    version: int

    @property
    def uri(self) -> str:
        """What the server calls it."""
        return uri_of(self.file.path)


class Ways(msgspec.Struct, frozen=True):
    """How a server wants to be told: of changes of a document (else it is closed and opened anew),
    and that one was saved, with its text or without."""

    changes: bool = True
    saves: bool = False
    saves_text: bool = False


class Documents:
    """What one server has open. `files` are those that it may be shown."""

    def __init__(
        self,
        connection: Connection,
        ways: Ways,
        files: Files,
        watched: Watched,
        problems: Problems,
    ) -> None:
        self._connection = connection
        self._ways = ways
        self._files = files
        self._watched = watched
        self._problems = problems
        self._open: dict[str, Document] = {}
        self._last = 0
        self._turn = asyncio.Lock()

    def get(self, path: str) -> Document | None:
        """The file of this real path, if it is open."""
        return self._open.get(path)

    async def show(self, files: Files, paths: Sequence[str] = ()) -> list[Document]:
        """Show the server these files, and what has changed in others. Raises `ToolError` for one
        that may not be read."""
        async with self._turn:
            wanted, others, events = await in_thread(
                lambda _: self._look(files, paths), finish=True
            )
            for path, file in others.items():
                if file is None:
                    self._close(path)
                else:
                    self._show(file)
            if events:
                told = [{"uri": uri_of(path), "type": kind} for path, kind in events]
                self._connection.tell("workspace/didChangeWatchedFiles", {"changes": told})
            shown = [self._show(file) for file in wanted]
            self._close_old({document.file.path for document in shown})
            return shown

    def _look(
        self, files: Files, paths: Sequence[str]
    ) -> tuple[list[Kept], dict[str, Kept | None], list[tuple[str, int]]]:
        """What is on disk now: the files of `paths`, those of the others that were written or are
        gone (None), and what happened to any file of the workspace."""
        wanted = [files.read(path) for path in paths]
        passed = {file.path for file in wanted}
        others = {
            path: self._again(path)
            for path, document in list(self._open.items())
            if path not in passed and _stamp(path) != document.file.stamp
        }
        return wanted, others, self._watched.changes()

    def _again(self, path: str) -> Kept | None:
        try:
            return self._files.read(path)
        except ToolError:
            return None

    def _show(self, file: Kept) -> Document:
        old = self._open.pop(file.path, None)
        if old is not None and old.file.text.whole == file.text.whole:
            document = msgspec.structs.replace(old, file=file)
            self._open[file.path] = document
            return document
        self._last += 1
        document = self._open[file.path] = Document(file, self._last)
        self._problems.forget(file.path)
        named = {"uri": document.uri, "version": document.version}
        tell, text = self._connection.tell, file.text.whole
        if old is not None and self._ways.changes:
            tell(
                "textDocument/didChange",
                {"textDocument": named, "contentChanges": [{"text": text}]},
            )
        else:
            if old is not None:
                tell("textDocument/didClose", _named(document.uri))
            opened = {**named, "languageId": language_of(file.path), "text": text}
            tell("textDocument/didOpen", {"textDocument": opened})
        if self._ways.saves:
            saved = {"text": text} if self._ways.saves_text else {}
            tell("textDocument/didSave", {**_named(document.uri), **saved})
        return document

    def _close_old(self, kept: set[str]) -> None:
        for path in [path for path in self._open if path not in kept]:
            if len(self._open) <= MAX_OPEN:
                return
            self._close(path)

    def _close(self, path: str) -> None:
        document = self._open.pop(path)
        self._connection.tell("textDocument/didClose", _named(document.uri))


def _named(uri: str) -> dict[str, dict[str, str]]:
    return {"textDocument": {"uri": uri}}


def _stamp(path: str) -> Stamp | None:
    try:
        return stamp_of(Path(path).stat(follow_symlinks=False))
    except OSError:
        return None
