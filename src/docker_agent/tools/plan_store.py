"""Plans by name, one file each: those of one caller in one folder.

Source: runtime.md §9.16, whose files other programs read and write too.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio.to_thread
import msgspec

from docker_agent.errors import ToolError
from docker_agent.messages import UNREADABLE
from docker_agent.tools.kept_file import MAX_CALLERS, changing, read_kept, write_kept

MAX_PLANS = 500
"""Plans of one caller."""

MAX_NAME = 100
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


class Plan(msgspec.Struct, frozen=True):
    """One plan as its file has it; `updated_at` is UTC as RFC 3339 writes it."""

    name: str = ""
    title: str = ""
    author: str = ""
    status: str = ""
    content: str = ""
    revision: int = 0
    updated_at: str = ""


class PlanStore:
    """The plans of one caller, in `folder`; nothing is made there before something is written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def find(self, name: str) -> Plan | None:
        """A plan; None when there is none. Raises `ToolError` for what is no name, or no plan."""
        path = self._path(name)
        data = await read_kept(path)
        if data is None:
            return None
        try:
            plan = msgspec.json.decode(data, type=Plan)
        except UNREADABLE as exc:
            raise ToolError(f"{path.name} is no file of a plan ({exc})") from exc
        return msgspec.structs.replace(plan, name=name)

    async def get(self, name: str) -> Plan:
        """A plan. Raises `ToolError` when there is none."""
        plan = await self.find(name)
        if plan is None:
            raise ToolError(f'plan "{name}" not found')
        return plan

    async def all(self) -> list[Plan]:
        """All plans by name; files that are none are left out."""
        found: list[Plan] = []
        for name in await anyio.to_thread.run_sync(lambda: sorted(self._names())):
            with suppress(ToolError):
                if plan := await self.find(name):
                    found.append(plan)
        return found

    @asynccontextmanager
    async def alone(self) -> AsyncGenerator[None]:
        """Nobody else changes a plan meanwhile, here or in another server."""
        await anyio.to_thread.run_sync(self._check_callers)
        async with changing(self._folder / "plans"):
            yield

    async def put(self, plan: Plan) -> None:
        """Keep a plan. Raises `ToolError` when there are too many, or it is too long."""
        path = self._path(plan.name)
        count = await anyio.to_thread.run_sync(lambda: len([*self._names()]))
        if count >= MAX_PLANS and await self.find(plan.name) is None:
            raise ToolError(f"there are {MAX_PLANS} plans already; delete some")
        await write_kept(path, msgspec.json.format(msgspec.json.encode(plan), indent=2))

    async def remove(self, name: str) -> None:
        """Delete a plan."""
        path = self._path(name)
        await anyio.to_thread.run_sync(lambda: path.unlink(missing_ok=True))

    def _path(self, name: str) -> Path:
        if len(name) > MAX_NAME or not _NAME.fullmatch(name):
            raise ToolError(
                f"{name[:MAX_NAME]!r} is no name of a plan; use at most {MAX_NAME} of a-z, 0-9, "
                "'-' and '_', a letter or digit first"
            )
        return self._folder / f"{name}.json"

    def _names(self) -> Iterator[str]:
        for path in self._folder.glob("*.json"):
            if _NAME.fullmatch(path.stem):
                yield path.stem

    def _check_callers(self) -> None:
        """A new caller finds room for a folder."""
        if not self._folder.exists() and self._folder.parent.exists():
            count = sum(1 for _ in self._folder.parent.iterdir())
            if count >= MAX_CALLERS:
                raise ToolError("too many callers keep plans here already")
