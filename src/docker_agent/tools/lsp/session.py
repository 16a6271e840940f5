"""One life of a language server: hello, what it can, what it says by itself, goodbye."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import cast

import anyio
import msgspec

from docker_agent import __version__
from docker_agent.errors import ToolError
from docker_agent.messages import JSON, UNREADABLE
from docker_agent.tools.child import Program, open_child
from docker_agent.tools.life import End, Ended, StartError
from docker_agent.tools.lsp.connection import Connection, Unknown
from docker_agent.tools.lsp.documents import Documents, Ways
from docker_agent.tools.lsp.files import Files, path_of, uri_of
from docker_agent.tools.lsp.languages import FileTypes
from docker_agent.tools.lsp.limits import GOODBYE_SECONDS, HELLO_SECONDS, MAX_ROWS
from docker_agent.tools.lsp.problems import Problems
from docker_agent.tools.lsp.protocol import (
    Applied,
    Hello,
    Published,
    Saving,
    Server,
    Sync,
    WorkspaceEdit,
)
from docker_agent.tools.lsp.text import ENCODINGS, Encoding
from docker_agent.tools.lsp.watched import Watched

log = logging.getLogger(__name__)

Apply = Callable[[WorkspaceEdit], Awaitable[None]]
"""Makes edits that a server asks for. Raises `ToolError` when they are not made."""

_NOTHING_TO_SAY = frozenset(
    (
        "window/workDoneProgress/create",
        "window/showMessageRequest",
        "workspace/codeLens/refresh",
        "workspace/diagnostic/refresh",
        "workspace/inlayHint/refresh",
        "workspace/semanticTokens/refresh",
    )
)
"""What servers ask that is answered with null."""

_MARKDOWN = {"contentFormat": ["markdown", "plaintext"]}
CAPABILITIES: Mapping[str, JSON] = {
    "general": {"positionEncodings": list(ENCODINGS)},
    "workspace": {
        "applyEdit": True,
        "configuration": True,
        "workspaceFolders": True,
        "workspaceEdit": {"documentChanges": True},
        "didChangeWatchedFiles": {"dynamicRegistration": False},
        "symbol": {},
        "executeCommand": {},
    },
    "textDocument": {
        "synchronization": {"didSave": True},
        "hover": _MARKDOWN,
        "definition": {"linkSupport": True},
        "implementation": {"linkSupport": True},
        "references": {},
        "documentSymbol": {"hierarchicalDocumentSymbolSupport": True},
        "publishDiagnostics": {"versionSupport": True},
        "diagnostic": {},
        "rename": {},
        "formatting": {},
        "codeAction": {
            "codeActionLiteralSupport": {
                "codeActionKind": {"valueSet": ["", "quickfix", "refactor", "source"]}
            },
            "disabledSupport": True,
            "dataSupport": True,
            "resolveSupport": {"properties": ["edit", "command"]},
        },
        "callHierarchy": {},
        "typeHierarchy": {},
        "signatureHelp": {
            "signatureInformation": {
                "documentationFormat": ["markdown", "plaintext"],
                "parameterInformation": {"labelOffsetSupport": True},
                "activeParameterSupport": True,
            }
        },
        "inlayHint": {},
    },
}
"""What is understood here."""


class Setting(msgspec.Struct, frozen=True):
    """Where a server works: its program, its folder, the files it knows and those it may see."""

    program: Program
    root: Path
    types: FileTypes
    files: Files


@asynccontextmanager
async def open_session(setting: Setting, ended: Ended) -> AsyncGenerator[Session]:
    """Start the server and say hello. It and all that it has started end with the context, within
    2 seconds; `ended` hears when it ends before. Raises `StartError`."""
    ends: list[End] = []
    started = False

    def note(end: End) -> None:
        ends.append(end)
        if started:
            ended(end)

    async with open_child(setting.program, note) as child, anyio.create_task_group() as group:
        listener = Listening(setting.root)
        connection = Connection(child, group, listener)
        group.start_soon(child.listen)
        group.start_soon(connection.read)
        group.start_soon(connection.write)
        try:
            try:
                session = await _greeted(connection, listener, setting)
            except ToolError as exc:
                end = ends[0] if ends else End(str(exc), detail=child.stderr)
                raise StartError(end.reason, detail=end.detail) from exc
            started = True
            yield session
        finally:
            with anyio.CancelScope(shield=True):
                await _goodbye(connection)
                await child.end()
            group.cancel_scope.cancel()


async def _greeted(connection: Connection, listener: Listening, setting: Setting) -> Session:
    folder = {"uri": uri_of(str(setting.root)), "name": setting.root.name}
    asked = {
        "processId": os.getpid(),
        "clientInfo": {"name": "docker-agent", "version": __version__},
        "rootPath": str(setting.root),
        "rootUri": folder["uri"],
        "workspaceFolders": [folder],
        "capabilities": CAPABILITIES,
    }
    try:
        async with asyncio.timeout(HELLO_SECONDS):
            hello = await connection.ask("initialize", asked, Hello)
    except TimeoutError as exc:
        raise ToolError(f"it did not answer within {HELLO_SECONDS:g} seconds") from exc
    if hello is None:
        raise ToolError("it has not said what it can")
    connection.tell("initialized", {})
    watched = Watched(setting.root, setting.types)
    ways = _ways(hello.capabilities)
    documents = Documents(connection, ways, setting.files, watched, listener.problems)
    await documents.show(setting.files)
    return Session(connection, listener, documents, hello)


async def _goodbye(connection: Connection) -> None:
    with suppress(ToolError, TimeoutError):
        async with asyncio.timeout(GOODBYE_SECONDS):
            await connection.ask("shutdown", None, msgspec.Raw)
        connection.tell("exit", None)
        await asyncio.sleep(0)


def _ways(capabilities: Mapping[str, JSON]) -> Ways:
    try:
        said = msgspec.convert(capabilities.get("textDocumentSync"), int | Sync | None)
    except UNREADABLE:
        return Ways(changes=False)
    if not isinstance(said, Sync):
        return Ways(changes=bool(said))
    with_text = isinstance(said.save, Saving) and said.save.include_text
    return Ways(bool(said.change), said.save not in (None, False), with_text)


class Listening:
    """What a server says by itself. What it wants to have written is written for an approved call
    alone."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._apply: Apply | None = None
        self.problems = Problems()

    @contextmanager
    def applying(self, apply: Apply) -> Generator[None]:
        """Make the edits that the server asks for, while the block runs."""
        self._apply = apply
        try:
            yield
        finally:
            self._apply = None

    def heard(self, method: str, params: msgspec.Raw) -> None:
        """A notification."""
        if method == "textDocument/publishDiagnostics":
            try:
                published = msgspec.json.decode(params, type=Published)
            except UNREADABLE as exc:
                log.debug("%s: %s", method, exc)
                return
            if (path := path_of(published.uri)) is not None:
                self.problems.take(path, published)
        elif method in ("window/logMessage", "window/showMessage"):
            log.debug("%s", bytes(params)[:MAX_ROWS].decode(errors="replace"))

    async def asked(self, method: str, params: msgspec.Raw) -> JSON:
        """A request."""
        match method:
            case "workspace/configuration":
                wanted = msgspec.json.decode(params, type=_Wanted)
                return [None] * len(wanted.items)
            case "workspace/workspaceFolders":
                return [{"uri": uri_of(str(self._root)), "name": self._root.name}]
            case "window/showDocument":
                return {"success": False}
            case "workspace/applyEdit":
                return await self._applied(params)
            case _ if method in _NOTHING_TO_SAY or method.startswith("client/"):
                return None
            case _:
                raise Unknown

    async def _applied(self, params: msgspec.Raw) -> JSON:
        if self._apply is None:
            return {"applied": False, "failureReason": "nobody has asked for a change"}
        try:
            await self._apply(msgspec.json.decode(params, type=Applied).edit)
        except (ToolError, *UNREADABLE) as exc:
            return {"applied": False, "failureReason": str(exc)}
        return {"applied": True}


class _Wanted(msgspec.Struct, frozen=True):
    items: tuple[JSON, ...] = ()


class Session:
    """A live server. Any task may use it."""

    def __init__(
        self, connection: Connection, listener: Listening, documents: Documents, hello: Hello
    ) -> None:
        self.connection = connection
        self.documents = documents
        self.listener = listener
        self.server = hello.server_info or Server()
        self.writing = asyncio.Lock()
        self._capabilities = hello.capabilities

    @property
    def encoding(self) -> Encoding:
        """In what the server counts; UTF-16 when it does not say."""
        said: JSON = self._capabilities.get("positionEncoding")
        return said if said in ENCODINGS else "utf-16"

    def offers(self, capability: str) -> bool:
        """Whether the server has this capability (`hoverProvider`); everyone has ``."""
        return not capability or self._capabilities.get(capability) not in (None, False)

    def option(self, capability: str, name: str) -> bool:
        """Whether a capability has this option set."""
        found: JSON = self._capabilities.get(capability)
        return isinstance(found, dict) and bool(cast(Mapping[str, JSON], found).get(name))
