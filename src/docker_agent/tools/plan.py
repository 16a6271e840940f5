"""The plan toolset: plans by name that outlast a conversation, each change of them numbered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec

from docker_agent.errors import ToolError
from docker_agent.messages import JSON, ToolList, ToolResult, ToolSpec
from docker_agent.tools.arguments import Parameters
from docker_agent.tools.kept_file import MAX_BYTES, digest
from docker_agent.tools.plan_store import Plan, PlanStore
from docker_agent.tools.port import READY, Around, CallContext, Scope, Status
from docker_agent.tools.text_file import TextFolder

NEW_STATUS = "draft"
"""The status of a plan that is written without one."""

_INSTRUCTIONS = """\
## Plan Tools

Plans last from one conversation to the next, each under a name of its own (a-z, 0-9, - and _).
- look with `list_plans` before you write a new one, and with `read_plan` before you change one,
- `write_plan` keeps the whole text, in the place of the one before; give the `revision` that you
  have read as `last_known_revision`, so that nobody's change is lost,
- `set_plan_status` when it moves on (draft, approved, in-progress, done),
- files are read and written in the working directory alone."""

_NAME = Annotated[str, msgspec.Meta(description="The plan's name.")]
_REVISION = Annotated[
    int,
    msgspec.Meta(ge=0, description="The revision you have read; an error if it is another now."),
]
_TITLE = Annotated[str, msgspec.Meta(max_length=1000, description="What it is called.")]
_AUTHOR = Annotated[str, msgspec.Meta(max_length=1000, description="Who wrote it.")]
_STATUS = Annotated[str, msgspec.Meta(max_length=100, description="How it stands, in a word.")]
_PATH = Annotated[str, msgspec.Meta(description="A file in the working directory.")]


class Written(msgspec.Struct, frozen=True):
    """What `write_plan` takes; what is left out stays as it was."""

    name: _NAME
    content: Annotated[str, msgspec.Meta(description="The whole plan, as Markdown.")]
    title: _TITLE | None = None
    author: _AUTHOR | None = None
    status: _STATUS | None = None
    last_known_revision: _REVISION | None = None


class FromFile(msgspec.Struct, frozen=True):
    """What `update_plan_from_file` takes."""

    name: _NAME
    path: _PATH
    title: _TITLE | None = None
    author: _AUTHOR | None = None
    status: _STATUS | None = None
    last_known_revision: _REVISION | None = None


class ToFile(msgspec.Struct, frozen=True):
    """What `export_plan_to_file` takes."""

    name: _NAME
    path: _PATH


class NewStatus(msgspec.Struct, frozen=True):
    """What `set_plan_status` takes."""

    name: _NAME
    status: _STATUS
    last_known_revision: _REVISION | None = None


class Named(msgspec.Struct, frozen=True):
    """What `read_plan` and `get_plan_status` take."""

    name: _NAME


class Deletion(msgspec.Struct, frozen=True):
    """What `delete_plan` takes."""

    name: _NAME
    last_known_revision: _REVISION | None = None


class Nothing(msgspec.Struct, frozen=True):
    """What `list_plans` takes."""


Handler = Callable[[PlanStore, Any], Awaitable[JSON]]


class Plans:
    """Eight tools. Plans of callers without key and `user` lie in `folder`, those of others each in
    a folder of `callers`; files are taken from, and put into, `working_dir`."""

    name = "plan"
    scope: Scope = "caller"
    status: Status = READY

    def __init__(
        self,
        folder: Path,
        callers: Path,
        working_dir: Path,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._folder = folder
        self._callers = callers
        self._now = now
        self._texts = TextFolder(working_dir, (folder, callers))
        self._handlers: Mapping[str, Handler] = {
            "write_plan": self._write,
            "read_plan": self._read,
            "update_plan_from_file": self._from_file,
            "export_plan_to_file": self._to_file,
            "set_plan_status": self._set_status,
            "get_plan_status": self._status,
            "list_plans": self._list,
            "delete_plan": self._delete,
        }
        self._tools = ToolList([_spec(name) for name in self._handlers], instructions=_INSTRUCTIONS)

    async def tools(self, around: Around) -> ToolList:
        return self._tools

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        wanted = _PARAMETERS[name].read(arguments)
        caller = context.caller
        store = PlanStore(self._callers / digest(caller) if caller else self._folder)
        answer = await self._handlers[name](store, wanted)
        return ToolResult(msgspec.json.encode(answer).decode())

    async def _write(self, store: PlanStore, wanted: Written) -> JSON:
        if not wanted.content.strip():
            raise ToolError("argument `content` is empty; write the whole plan")
        return await self._changed(store, wanted, wanted.content)

    async def _from_file(self, store: PlanStore, wanted: FromFile) -> JSON:
        await store.find(wanted.name)
        return await self._changed(store, wanted, await self._texts.read(wanted.path, MAX_BYTES))

    async def _changed(self, store: PlanStore, wanted: Written | FromFile, content: str) -> JSON:
        async with store.alone():
            old = await store.find(wanted.name)
            _check(wanted.name, old, wanted.last_known_revision)
            before = old or Plan(wanted.name, status=NEW_STATUS)
            return await self._kept(
                store,
                before,
                content=content,
                title=wanted.title or before.title,
                author=wanted.author or before.author,
                status=wanted.status or before.status,
            )

    async def _set_status(self, store: PlanStore, wanted: NewStatus) -> JSON:
        if not wanted.status.strip():
            raise ToolError("argument `status` is empty; say how the plan stands")
        async with store.alone():
            plan = await store.get(wanted.name)
            _check(wanted.name, plan, wanted.last_known_revision)
            return await self._kept(store, plan, status=wanted.status)

    async def _kept(self, store: PlanStore, before: Plan, **changes: str) -> JSON:
        time = self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        plan = msgspec.structs.replace(
            before, revision=before.revision + 1, updated_at=time, **changes
        )
        await store.put(plan)
        return _about(plan)

    async def _read(self, store: PlanStore, wanted: Named) -> JSON:
        return await store.get(wanted.name)

    async def _to_file(self, store: PlanStore, wanted: ToFile) -> JSON:
        plan = await store.get(wanted.name)
        path = await self._texts.write(wanted.path, plan.content)
        return {"name": plan.name, "path": path, "revision": plan.revision}

    async def _status(self, store: PlanStore, wanted: Named) -> JSON:
        return _about(await store.get(wanted.name))

    async def _list(self, store: PlanStore, wanted: Nothing) -> JSON:
        return [_about(plan) for plan in await store.all()]

    async def _delete(self, store: PlanStore, wanted: Deletion) -> JSON:
        await store.get(wanted.name)
        async with store.alone():
            _check(wanted.name, await store.get(wanted.name), wanted.last_known_revision)
            await store.remove(wanted.name)
        return {"deleted": wanted.name}


def _check(name: str, plan: Plan | None, known: int | None) -> None:
    """Raise `ToolError` when a plan is not at the revision that somebody knows; 0: there is
    none."""
    now = plan.revision if plan else 0
    if known is not None and known != now:
        raise ToolError(
            f'plan "{name}" is at revision {now}, not {known}; read it again, then change it'
        )


def _about(plan: Plan) -> dict[str, JSON]:
    """A plan without its text."""
    return {field: getattr(plan, field) for field in plan.__struct_fields__ if field != "content"}


_PARAMETERS: Mapping[str, Parameters[Any]] = {
    "write_plan": Parameters(Written),
    "read_plan": Parameters(Named),
    "update_plan_from_file": Parameters(FromFile),
    "export_plan_to_file": Parameters(ToFile),
    "set_plan_status": Parameters(NewStatus),
    "get_plan_status": Parameters(Named),
    "list_plans": Parameters(Nothing),
    "delete_plan": Parameters(Deletion),
}
_DESCRIPTIONS: Mapping[str, str] = {
    "write_plan": "Keep a plan under a name, in the place of the one before.",
    "read_plan": "Show a plan with its text.",
    "update_plan_from_file": "Take the text of a plan from a file.",
    "export_plan_to_file": "Put the text of a plan into a file.",
    "set_plan_status": "Say how a plan stands.",
    "get_plan_status": "Show how a plan stands, without its text.",
    "list_plans": "Show all plans, without their texts.",
    "delete_plan": "Delete a plan.",
}
_READS, _DESTROYS = ("read_plan", "get_plan_status", "list_plans"), ("delete_plan",)


def _spec(name: str) -> ToolSpec:
    parameters = _PARAMETERS[name]
    return ToolSpec(
        name,
        _DESCRIPTIONS[name],
        parameters.schema,
        read_only=name in _READS,
        destructive=name in _DESTROYS,
        title=name.replace("_", " ").title(),
        category="plan",
        tidy=parameters.tidy,
    )
