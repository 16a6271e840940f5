"""The lsp toolset: the tools of one language server, as far as it can what they need."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import msgspec

from docker_agent.errors import ToolError
from docker_agent.messages import JSON, ToolList, ToolResult
from docker_agent.tools.filesystem.places import Boundary
from docker_agent.tools.filesystem.work import PathLocks
from docker_agent.tools.life import RESTART_PATIENCE, Ended, Life, Policy
from docker_agent.tools.lsp.desk import Desk
from docker_agent.tools.lsp.files import Files
from docker_agent.tools.lsp.languages import FileTypes
from docker_agent.tools.lsp.limits import CALL_TIMEOUT
from docker_agent.tools.lsp.session import Session
from docker_agent.tools.lsp.tools import BY_NAME, TOOLS
from docker_agent.tools.port import Around, CallContext, Scope, Status

Connect = Callable[[Ended], AbstractAsyncContextManager[Session]]
"""Starts the server."""


class Served(msgspec.Struct, frozen=True):
    """How one server is spoken with. `label` is what messages call it, `call_timeout` is seconds of
    one call; files are reached inside of `boundary` alone, and changed by whoever holds their
    lock."""

    label: str
    connect: Connect
    policy: Policy
    root: Path
    types: FileTypes
    boundary: Boundary
    locks: PathLocks
    call_timeout: float = CALL_TIMEOUT


class Lsp:
    """The tools of one server. It is started in the background, and again when it ends."""

    scope: Scope = "team"

    def __init__(self, served: Served) -> None:
        self.name = f"lsp {served.label}"
        self._served = served
        self._listed: ToolList | None = None
        self.life: Life[Session] = Life(
            f"language server {served.label}", served.connect, served.policy
        )

    @property
    def locks(self) -> PathLocks:
        """Held while a file is changed."""
        return self._served.locks

    @property
    def status(self) -> Status:
        return self.life.status

    async def tools(self, around: Around) -> ToolList:
        """The tools there are now; those known so far while the server is started again."""
        if self.life.held is None and self._listed is not None and self.status.state != "failed":
            return self._listed
        session = await self.life.get(self.life.policy.patience if around.patient else 0.0)
        specs = [tool.spec for tool in TOOLS if session.offers(tool.needs)]
        old = self._listed
        if old is None or old.specs != tuple(specs):
            version = 0 if old is None else old.version + 1
            text = instructions(str(self._served.types))
            self._listed = old = ToolList(specs, version=version, instructions=text)
        return old

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        tool = BY_NAME.get(name)
        if tool is None:
            raise ToolError(f"language servers have no tool '{name}'")
        session = await self._session(context)
        if not session.offers(tool.needs):
            raise ToolError(f"the language server {self._served.label} cannot do {name}")
        seconds = min(self._served.call_timeout, context.remaining())
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return ToolResult(await tool.run(self._desk(session, context), arguments))
        except TimeoutError as exc:
            if not limit.expired():
                raise
            session.connection.late()
            raise ToolError(f"it took longer than {seconds:g} seconds and was stopped") from exc

    async def _session(self, context: CallContext) -> Session:
        try:
            return await self.life.get(min(RESTART_PATIENCE, context.remaining()))
        except ToolError as exc:
            raise ToolError(
                f"the language server {self._served.label} is not there: {exc}"
            ) from exc

    def _desk(self, session: Session, context: CallContext) -> Desk:
        served = self._served
        files = Files(served.boundary.within(context.results, reads=False))
        return Desk(session, files, served.locks, served.types, served.label, served.root)


def instructions(types: str) -> str:
    """What models are told of the tools."""
    return (
        "## Language server tools\n\n"
        f"- They know the code of {types}: ask them for definitions, uses and types instead of "
        "searching for text.\n"
        "- `file` is an absolute path; lines and characters count from 1.\n"
        "- Look with `lsp_diagnostics` for problems after you have changed a file.\n"
        "- Rename with `lsp_rename`, which finds all uses."
    )
